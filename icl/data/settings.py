"""Settings of a benchmark."""

from __future__ import annotations

from dataclasses import dataclass

from icl.data.layouts import LAYOUTS
from icl.fields import SEED_LIMIT, setting


@dataclass(frozen=True)
class DatasetSettings:
    """One benchmark of the run; the key in `datasets` is its name in every path and table."""

    layout: str = setting(
        "cuhk-pedes",
        f"Annotation layout: {', '.join(LAYOUTS.own)}, or a plug-in's.",
        choices=tuple(LAYOUTS),
        own=LAYOUTS.own,
    )
    root: str = setting("", "Folder that holds the benchmark; empty for a generated one.")
    generator: str = setting(
        "",
        "Generator that writes the benchmark (synth), or empty for an existing folder.",
        choices=("", "synth"),
    )
    domain: str = setting(
        "city",
        "Domain of a generated benchmark: city, winter (other season, cameras and annotators) or fine (long captions).",
        choices=("city", "winter", "fine"),
    )
    table: bool = setting(
        True, "Has rows in results/table.csv and pairs in the SFT set; false: stands in the generalisation tables only."
    )
    fine_grained: bool = setting(False, "Long captions: what is trained or tested on it stands in Table 4, not 3.")
    download: bool = setting(False, "Download it where its owners serve it openly (RSTPReid).")
    download_url: str = setting("", "Mirror of one's own to download from instead.")
    seed: int = setting(7, "Seed of the generator.", low=0, high=SEED_LIMIT)
    train_identities: int = setting(0, "Generated training identities.", low=0, high=20_000)
    val_identities: int = setting(0, "Generated validation identities.", low=0, high=20_000)
    test_identities: int = setting(0, "Generated test identities.", low=0, high=20_000)
    images_per_identity: int = setting(3, "Generated images of one identity.", low=1, high=1000)
    sft_pairs: int = setting(
        15000, "Clean pairs drawn for the SFT set (supplementary, section D).", low=1, high=100_000_000
    )
    text_length: int | None = setting(
        None,
        "Text tokens of this benchmark where they differ from retriever.text_length (UFine6926: 168).",
        low=4,
        high=4096,
    )
    xi: float | None = setting(None, "Fixed THI threshold; null selects it on the val split.", low=-1e6, high=1e6)

    @property
    def has_val(self) -> bool:
        """Whether the benchmark has a validation split."""
        return bool(self.val_identities) if self.generator else LAYOUTS[self.layout].has_val
