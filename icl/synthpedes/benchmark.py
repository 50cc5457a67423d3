"""Write SynthPEDES to disk in CUHK-PEDES' own layout: `imgs/` and `reid_raw.json`."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pandas as pd
from PIL import Image

from icl.data.pictures import load_image
from icl.data.settings import DatasetSettings
from icl.synthpedes.attributes import Identity, sample_family, sample_shot, visible
from icl.synthpedes.captions import state, write_caption
from icl.synthpedes.domains import DOMAINS, Domain
from icl.synthpedes.render import render

CAPTIONS_PER_IMAGE = 2


def sample_identities(rng: random.Random, count: int, taken: set[Identity], domain: Domain) -> list[Identity]:
    """`count` identities of a domain in families of four, none of them in `taken` (which grows)."""
    people: list[Identity] = []
    while len(people) < count:
        family = sample_family(rng, lambda person: domain.holds(person) and person not in taken, domain.wardrobe)
        family = family[: count - len(people)]
        taken.update(family)
        people += family
    return people


def write_benchmark(spec: DatasetSettings, folder: Path, truth: Path) -> None:
    """Render a benchmark.

    Args:
        spec: domain, identities per split, images per identity, seed.
        folder: receives `imgs/<split>/*.jpg` and `reid_raw.json` (captions and pixels: all that later stages see).
        truth: parquet of attributes, one row an image with its captions' statements; for analysis only.
    """
    rng, domain = random.Random(spec.seed), DOMAINS[spec.domain]
    taken: set[Identity] = set()
    rows, facts = [], []
    pid = 0
    for split in ("train", "val", "test"):
        (folder / "imgs" / split).mkdir(parents=True, exist_ok=True)
        for person in sample_identities(rng, getattr(spec, f"{split}_identities"), taken, domain):
            pid += 1
            for shot_number in range(spec.images_per_identity):
                shot = sample_shot(rng, domain.camera)
                seen = visible(person, shot)
                said = [state(seen, domain.style, rng) for _ in range(CAPTIONS_PER_IMAGE)]
                captions = [write_caption(statement, rng, domain.style.richness) for statement in said]
                name = f"{split}/{pid:05d}_{shot_number}.jpg"
                Image.fromarray(render(person, shot)).save(folder / "imgs" / name, quality=93, subsampling=0)
                tokens = [caption.lower().replace(".", " ").replace(",", " ").split() for caption in captions]
                rows.append(dict(split=split, captions=captions, file_path=name, processed_tokens=tokens, id=pid))
                facts.append(dict(file_path=name, pid=pid, split=split, seen=json.dumps(seen), said=json.dumps(said)))
    truth.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(facts).to_parquet(truth)
    (folder / "reid_raw.json").write_text(json.dumps(rows, indent=1))


def draw_contact_sheet(folder: Path, out: Path, identities: int = 12) -> None:
    """Draw the first training identities, a row each (in pairs), as a picture of the benchmark."""
    rows = [row for row in json.loads((folder / "reid_raw.json").read_text()) if row["split"] == "train"]
    by_pid: dict[int, list[str]] = {}
    for row in rows:
        by_pid.setdefault(row["id"], []).append(row["file_path"])
    chosen = list(by_pid.values())[:identities]
    shots = max(len(files) for files in chosen)
    columns, (w, h), scale = 4, (48, 96), 2
    lines = -(-len(chosen) // columns)
    sheet = Image.new("RGB", (columns * (shots * w + 6) * scale, lines * (h + 6) * scale), "white")
    for k, files in enumerate(chosen):
        for n, name in enumerate(files):
            picture = load_image(folder / "imgs" / name).resize((w * scale, h * scale), Image.Resampling.NEAREST)
            left = ((k % columns) * (shots * w + 6) + n * w) * scale
            sheet.paste(picture, (left, (k // columns) * (h + 6) * scale))
    out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(out)
