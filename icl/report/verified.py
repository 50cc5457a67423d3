"""Whether a benchmark of the run is the public one whose figures the paper prints."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from icl.data.annotations import SPLITS
from icl.data.layouts import LAYOUTS
from icl.data.pairs import read_pairs
from icl.data.settings import DatasetSettings
from icl.data.verify import counts_of, official_differences, shared_identities
from icl.markup import markdown
from icl.workflow.settings import Settings

PUBLIC = {layout.title for layout in LAYOUTS.values()}


def incomparable(settings: Settings, results: Path, names: Iterable[str]) -> dict[str, str]:
    """Why the paper's figures may not stand beside the rows of a benchmark that has a public one's name.

    It is compared where its layout is that benchmark's and the pairs table holds the identities, images and captions that
    the owners distribute. The images themselves are not looked at: `verify` does that.

    Args:
        results: folder of the stages' outputs. names: benchmarks of the run.

    Returns:
        The reason by name; a benchmark that is compared, or that the paper does not know, is left out.
    """
    public = [name for name in names if name in PUBLIC]
    found = {name: _reason(name, settings.datasets[name], results / "pairs" / f"{name}.parquet") for name in public}
    return {name: reason for name, reason in found.items() if reason}


def _reason(name: str, spec: DatasetSettings, pairs: Path) -> str:
    if spec.generator:
        return "it is generated"
    if LAYOUTS[spec.layout].title != name:
        return f"it is read in the layout of {LAYOUTS[spec.layout].title}"
    table = read_pairs(pairs)
    splits = {split: counts_of(table[table.split == split]) for split in SPLITS}
    return "; ".join(official_differences(spec.layout, splits) + shared_identities(table))


def notes(reasons: dict[str, str]) -> list[str]:
    """One line of Markdown a benchmark that is not compared."""
    return [f"{markdown(name)} is not compared with the paper: {markdown(reason)}." for name, reason in reasons.items()]
