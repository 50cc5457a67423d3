"""Compare a benchmark's files with what its owners distribute."""

from __future__ import annotations

import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from icl.data.annotations import SPLITS, annotation_file, read_benchmark
from icl.data.layouts import LAYOUTS
from icl.data.pairs import NO_CAPTION, captions_of, images_of
from icl.data.pictures import load_image
from icl.errors import InputError
from icl.markup import markdown, markdown_table
from icl.progress import progress


def inspect_image(path: Path) -> tuple[str, str]:
    """(sha256 of the file, what is wrong with it or nothing); the image is decoded whole."""
    try:
        load_image(path)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), ""
    except InputError as error:
        return "", error.found


def inspect_images(paths: list[Path], threads: int) -> list[tuple[str, str]]:
    """`inspect_image` of many, side by side."""
    with ThreadPoolExecutor(threads) as pool:
        return list(progress(pool.map(inspect_image, paths), len(paths), "images"))


def counts_of(rows: pd.DataFrame) -> dict[str, int]:
    """Identities, images and captions of a split's rows."""
    identities, images = (int(rows[name].nunique()) for name in ("pid", "image_id"))
    return {"identities": identities, "images": images, "captions": len(captions_of(rows))}


def describe_split(rows: pd.DataFrame, found: dict[str, tuple[str, str]], repeated: int = 0) -> dict:
    """Counts of one split.

    Args:
        rows: pairs table of the split. found: `inspect_image` by image name. repeated: records that name an image again.
    """
    images, captions = images_of(rows).image, captions_of(rows).caption
    digests = Counter(found[name][0] for name in images if found[name][0])
    words = captions.str.split().str.len()
    return {
        **counts_of(rows),
        "mean_words": round(float(words.mean()), 2) if len(captions) else 0.0,
        "images_without_captions": int((rows.caption_id == NO_CAPTION).sum()),
        "repeated_records": repeated,
        "duplicate_captions": int(captions.duplicated().sum()),
        "duplicate_images": sum(n - 1 for n in digests.values()),
        "unreadable_images": int(sum(bool(found[name][1]) for name in images)),
    }


def verify(layout: str, root: Path, generated: bool, threads: int = 2) -> dict:
    """Report on a benchmark.

    Args:
        layout: a name of `layouts.LAYOUTS`. root: the benchmark's folder.
        generated: it is the project's own, so that the public benchmark's counts do not apply.

    Returns:
        {"status": "ok" | "differs" | "refused" | "missing", "splits": counts by split, "differences": [...],
        "unreadable": [...]}; where it is not there or is refused, "problem" says why and what to do.
    """
    status = "missing"
    try:
        annotation_file(layout, root)
        status = "refused" if LAYOUTS[layout].image_root(root).is_dir() else "missing"
        annotations = read_benchmark(layout, root)
    except InputError as error:
        return {"status": status, "problem": str(error), "splits": {}, "differences": [], "unreadable": []}
    pairs, repeated = annotations.pairs, annotations.repeated
    folder, names = LAYOUTS[layout].image_root(root), pairs.image.unique().tolist()
    found = dict(zip(names, inspect_images([folder / name for name in names], threads), strict=True))
    splits = {split: describe_split(pairs[pairs.split == split], found, repeated[split]) for split in SPLITS}
    unreadable = [f"{folder / name}: {what}" for name, (_, what) in found.items() if what]
    differences = [] if generated else official_differences(layout, splits)
    differences += annotations.oddities() + shared_identities(pairs)
    differences += [f"{len(unreadable)} unreadable images"] * bool(unreadable)
    status = "differs" if differences else "ok"
    found = {"splits": splits, "differences": differences, "unreadable": unreadable}
    return {"status": status, "generated": generated, **found}


def official_differences(layout: str, splits: dict[str, dict]) -> list[str]:
    """Where the counts of the splits (`counts_of`) are not those that the owners distribute."""
    known, out = LAYOUTS[layout], []
    counts = {"identities": known.identities, "images": known.images_count, "captions": known.captions}
    for kind, official in counts.items():
        for split, expected in zip(SPLITS, official, strict=True):
            if splits[split][kind] != expected:
                hedge = "" if known.confirmed else " (that count is not confirmed on the files)"
                out.append(f"{split}: {splits[split][kind]} {kind}, not {expected}{hedge}")
    return out


def shared_identities(pairs: pd.DataFrame) -> list[str]:
    """Identities that stand in several splits."""
    owners = pairs.groupby("pid").split.nunique()
    shared = owners[owners > 1].index.tolist()
    return [f"{len(shared)} identities in more than one split, such as {shared[0]}"] if shared else []


def report(results: dict[str, dict], layouts: dict[str, str]) -> str:
    """The reports of several benchmarks as Markdown.

    Args:
        results: `verify` by benchmark. layouts: layout by benchmark.
    """
    lines = ["# Benchmarks as found", ""]
    for name, found in results.items():
        known = LAYOUTS[layouts[name]]
        lines += [f"## {markdown(name)}: {found['status']}", ""]
        if "problem" in found:
            lines += [markdown(found["problem"]), ""]
            continue
        columns = list(next(iter(found["splits"].values())))
        head = ["split", *(c.replace("_", " ") for c in columns)]
        lines.append(
            markdown_table([head, *([s, *(str(row[c]) for c in columns)] for s, row in found["splits"].items())])
        )
        lines += [f"- {markdown(line)}" for line in (*found["differences"], *found["unreadable"][:20])]
        if not found["generated"]:
            lines.append(f"- the supplementary states: {known.stated}")
        lines.append("")
    return "\n".join(lines)
