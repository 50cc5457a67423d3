"""The four public benchmarks: what they hold, where they come from, and how one gets them. One entry a benchmark.

Counts are those of the files as distributed (train, val, test); `stated` is what the paper's supplementary says of them.
"""

from __future__ import annotations

from dataclasses import dataclass

Counts = tuple[int, int, int]


@dataclass(frozen=True)
class Benchmark:
    """Attributes:
    layout: annotation layout (`readers.LAYOUTS`). version: which release. source: paper or page of the owners.
    identities, images, captions: (train, val, test). stated: the supplementary's figures, for the report.
    access: the steps to get it. drive_id: Google Drive id where the owners serve it openly, else empty.
    confirmed: False where a split count has not been seen on the files yet.
    """

    title: str
    layout: str
    version: str
    source: str
    identities: Counts
    images: Counts
    captions: Counts
    stated: str
    access: tuple[str, ...]
    drive_id: str = ""
    confirmed: bool = True


_BY_MAIL = "Write to the owners from an academic address, state the purpose, and sign what they ask for"
BENCHMARKS = {
    b.layout: b
    for b in (
        Benchmark(
            "CUHK-PEDES",
            "cuhk-pedes",
            "reid_raw.json",
            "Li et al., Person Search with Natural Language Description, CVPR 2017",
            (11003, 1000, 1000),
            (34054, 3078, 3074),
            (68126, 6158, 6156),
            "40,206 images, 80,412 texts (the files hold 28 more), 13,003 identities, 23.5 words a text",
            (f"{_BY_MAIL} (Person-Search-with-Natural-Language-Description on GitHub names the address)",),
        ),
        Benchmark(
            "ICFG-PEDES",
            "icfg-pedes",
            "ICFG-PEDES.json",
            "Ding et al., Semantically Self-Aligned Network for Text-to-Image Part-aware Person Re-identification, 2021",
            (3102, 0, 1000),
            (34674, 0, 19848),
            (34674, 0, 19848),
            "54,522 images, 4,102 identities, 37.2 words a text",
            (f"{_BY_MAIL} (SSAN on GitHub names the address)", "Get MSMT17's images, whose folders it uses"),
        ),
        Benchmark(
            "RSTPReid",
            "rstpreid",
            "data_captions.json, split 3701/200/200",
            "Zhu et al., DSSL: Deep Surroundings-person Separation Learning, ACM MM 2021",
            (3701, 200, 200),
            (18505, 1000, 1000),
            (37010, 2000, 2000),
            "20,505 images, 4,101 identities, 26.5 words a text",
            ("Download it from the owners' Google Drive, or set `download: true` for the benchmark",),
            drive_id="1mngN3jZz4BI6PyGNZMKsvRR9JbvLSlg9",
        ),
        Benchmark(
            "UFine6926",
            "ufine6926",
            "UFine6926_Annotations_1024.json",
            "Zuo et al., UFineBench, CVPR 2024",
            (4926, 0, 2000),
            (18577, 0, 7629),
            (37154, 0, 15258),
            "26,206 images, 6,926 identities, 80.8 words a text",
            ("Sign the licence form of UFineBench and send it to the owners (no redistribution, no commercial use)",),
            confirmed=False,
        ),
    )
}
"""By layout."""


def access_steps(layout: str, root: str, files: tuple[str, ...], images: str) -> str:
    """What to do where a benchmark is missing, as numbered steps in one line."""
    known = BENCHMARKS[layout]
    steps = [
        *known.access,
        f"Put {files[0]} into {root} and the images into {root}/{images}".rstrip("/"),
        "Check it: snakemake --cores all verify",
    ]
    return " ".join(f"({n}) {step}." for n, step in enumerate(steps, 1))
