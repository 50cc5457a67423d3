"""Frozen versions of SynthPEDES: what each split holds, as digests, so that two people know that they have the same data."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import sys
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from icl.errors import InputError
from icl.files import write_json

VERSIONS = Path(__file__).with_name("frozen.json")
"""[{"version", "size", "spec", "splits": {split: {"images", "identities", "captions", digests}}}], one a benchmark."""
PARTS = ("annotations", "pictures", "attributes")
"""What has a digest of its own: captions, identities and file names; the files of the images; the truth kept apart."""


def split_facts(annotations: Path, truth: Path) -> dict[str, dict]:
    """Counts and sha256 digests of each split of a generated benchmark.

    Args:
        annotations: its `reid_raw.json`, with `imgs/` beside it. truth: its attributes.
    """
    facts = pd.read_parquet(truth).set_index("file_path")
    splits: dict[str, list[dict]] = {}
    for record in json.loads(annotations.read_text()):
        splits.setdefault(record["split"], []).append(record)
    return {name: _facts(records, annotations.parent / "imgs", facts) for name, records in splits.items()}


def _facts(records: list[dict], images: Path, truth: pd.DataFrame) -> dict:
    names = [record["file_path"] for record in records]
    told = [[r["id"], r["file_path"], r["captions"]] for r in records]
    attributes = truth.loc[names, ["seen", "said"]].to_numpy().tolist()
    return {
        "images": len(names),
        "identities": len({record["id"] for record in records}),
        "captions": sum(len(record["captions"]) for record in records),
        "annotations": _sha256(json.dumps(one, ensure_ascii=False).encode() for one in told),
        "pictures": _sha256((images / name).read_bytes() for name in names),
        "attributes": _sha256(json.dumps(one, ensure_ascii=False).encode() for one in attributes),
    }


def _sha256(parts: Iterable[bytes]) -> str:
    """Over the digests of the parts, so that where one ends matters."""
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def version_of(spec: dict) -> dict | None:
    """The frozen benchmark that a generator's settings make; None where they make another.

    Args:
        spec: as `icl.workflow.stages.benchmark_part` gives it.
    """
    return next((known for known in json.loads(VERSIONS.read_text()) if known["spec"] == spec), None)


def title_of(known: dict) -> str:
    """What a frozen benchmark is called."""
    return f"SynthPEDES {known['version']} {known['spec']['domain']} ({known['size']})"


def checked(spec: dict, found: dict[str, dict]) -> dict:
    """What a benchmark is: `name` (of a frozen version, or `own`), its settings and its splits.

    Raises:
        InputError: its settings are those of a frozen version, but a split differs; names split and part.
    """
    known = version_of(spec)
    if known is None:
        return {"name": "own", "spec": spec, "splits": found}
    name = title_of(known)
    for split, facts in known["splits"].items():
        if wrong := [part for part in PARTS if found[split][part] != facts[part]]:
            libraries = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in ("pillow", "numpy"))
            raise InputError(
                f"{name}, split {split}",
                f"other {' and '.join(wrong)} (made with {libraries})",
                "those of the frozen version",
                "Install requirements.lock; where it is installed, the generator was changed: that is another version.",
            )
    return {"name": name, "spec": spec, "splits": found}


def freeze(version: str, size: str, paths: list[Path]) -> None:
    """Add benchmarks to the frozen versions (for those who release one).

    Args:
        paths: `results/frozen/NAME.json` of benchmarks whose settings no version has yet.
    """
    known = json.loads(VERSIONS.read_text())
    for path in paths:
        found = json.loads(path.read_text())
        if version_of(found["spec"]):
            raise InputError(
                str(path), f"settings of {found['name']}", "settings that are not frozen yet", "Leave it out."
            )
        known.append({"version": version, "size": size, "spec": found["spec"], "splits": found["splits"]})
    write_json(VERSIONS, known)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit("python -m icl.publish.frozen VERSION SIZE results/frozen/NAME.json...")
    freeze(sys.argv[1], sys.argv[2], [Path(name) for name in sys.argv[3:]])
