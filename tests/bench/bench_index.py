"""The index of a gallery at 100,000 images: bookkeeping, search, memory and disk at CLIP's widths, and the rate of encoding."""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image

from icl.apps.feedback import with_verdicts
from icl.apps.index.files import image_files, stamp
from icl.apps.index.looking import thumbnail_of
from icl.apps.index.place import Place
from icl.apps.index.streamed import similarities
from icl.apps.index.updating import brought_up_to_date
from icl.apps.shipped import SHIPPED
from icl.data.images import ImageStore
from icl.ranking.scores import best_columns
from icl.retriever.encoding.embeddings import encode_images, encode_texts, image_size
from icl.retriever.weights.checkpoints import load_retriever
from icl.synthpedes.attributes import sample_shot
from icl.synthpedes.benchmark import sample_identities
from icl.synthpedes.domains import DOMAINS
from icl.synthpedes.render import render
from tests.bench.bench_retriever import retriever, some_batch
from tests.bench.harness import alone, cpu_seconds, seconds, write

IMAGES, BGE, TSE = 100_000, 512, 1024


def encoder() -> SimpleNamespace:
    """Stands for CLIP and takes no time: random vectors of its widths."""
    draw = np.random.default_rng(0)

    def vectors(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = [draw.standard_normal((len(pixels), width), dtype=np.float32) for width in (BGE, TSE)]
        return tuple(torch.from_numpy(part / np.linalg.norm(part, axis=1, keepdims=True)) for part in found)

    embeddings = SimpleNamespace(patch_size=8)
    backbone = SimpleNamespace(
        image_positions=torch.zeros(1), dim=BGE, grid=(2, 1), vision=SimpleNamespace(embeddings=embeddings)
    )
    return SimpleNamespace(backbone=backbone, encode_images=vectors)


def files(folder: Path, count: int) -> None:
    """Small pictures, no two alike, a thousand in a folder."""
    draw = np.random.default_rng(1)
    for k in range(count):
        path = folder / f"{k // 1000:03d}/{k:06d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(draw.integers(0, 255, (16, 8, 3), dtype=np.uint8)).save(path, compress_level=1)


def bookkeeping(folder: str, count: int) -> dict[str, float]:
    """CPU seconds of an index's life, without the encoding."""
    own, model, spent = Path(folder) / "own", encoder(), {}
    place = Place.of(Path(folder) / "store", own, SHIPPED)
    place.folder.mkdir(parents=True, exist_ok=True)

    def update() -> None:
        place.tidy(brought_up_to_date(place, own, model))

    spent["a first run, without the retriever"] = cpu_seconds(update)
    os.sync()
    _age(place)
    spent["a run that finds nothing new"] = cpu_seconds(update)
    Image.new("RGB", (8, 16), "red").save(own / "new.png")
    (own / "000/000000.png").unlink()
    spent["a run after one file came and one went"] = cpu_seconds(update)
    return spent


def _age(place: Place) -> None:
    """A second run, so that files younger than two seconds are settled before the next one is timed."""
    manifest, _ = place.read()
    files = {n: [entry[0], *stamp(Path(manifest.gallery) / n)] for n, entry in manifest.files.items()}
    place.put(type(manifest)(manifest.gallery, manifest.shelf, files))


def searching(folder: str) -> dict[str, float]:
    """CPU seconds of what a search does, on an index that is there."""
    place, spent = Place.of(Path(folder) / "store", Path(folder) / "own", SHIPPED), {}
    spent["opening, all vectors checked"] = cpu_seconds(place.read)
    _, shelf = place.read()
    images = shelf.bge, shelf.tse
    one, ten = (tuple(np.array(part[:n]) for part in images) for n in (1, 10))
    found = similarities(one, images)[0]
    told = dict.fromkeys(range(10), "no") | {3: "yes"}
    works = {
        "one query, exact": lambda: best_columns(-similarities(one, images)[0], 20),
        "ten queries together": lambda: similarities(ten, images),
        "feedback on ten images": lambda: with_verdicts(found, images, told),
        "a thumbnail": lambda: shelf.thumbnail(len(shelf) // 2),
    }
    spent |= dict(zip(works, seconds(list(works.values()), 5), strict=True))
    return spent


def memory(folder: str) -> dict[str, float]:
    """Megabytes that one query adds to a process: of its own, and of the files that it maps, which the kernel takes back."""
    place = Place.of(Path(folder) / "store", Path(folder) / "own", SHIPPED)
    before = _resident()
    manifest, shelf = place.read()
    similarities(tuple(np.array(part[:1]) for part in (shelf.bge, shelf.tse)), (shelf.bge, shelf.tse))
    return {name: now - before[name] for name, now in _resident().items()} | {"files": len(manifest.files)}


def _resident() -> dict[str, float]:
    lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines() if line[:3] == "Rss")
    return {name: int(lines[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile")}


def encoding() -> dict[str, float]:
    """CPU seconds an image, and a text: drawn ones with the shipped retriever, and random ones with CLIP ViT-B/16."""
    draw, spent = random.Random(0), {}
    people = sample_identities(draw, 256, set(), DOMAINS["city"])
    pictures = [Image.fromarray(render(one, sample_shot(draw, DOMAINS["city"].camera))) for one in people]
    model, tokenizer = load_retriever(SHIPPED)
    with tempfile.TemporaryDirectory() as folder:
        for k, picture in enumerate(pictures):
            picture.save(Path(folder) / f"{k}.jpg")
        names = image_files(Path(folder))

        def shipped() -> None:
            encode_images(model, ImageStore(Path(folder), names, *image_size(model)))

        spent["an image, shipped retriever"] = seconds([shipped], 3)[0] / len(names)
    spent["a text, shipped retriever"] = seconds([lambda: encode_texts(model, tokenizer, ["a man in a coat"])], 3)[0]
    large = Image.fromarray(np.random.default_rng(0).integers(0, 255, (384, 128, 3), dtype=np.uint8))
    spent["a thumbnail of 384 x 128 pixels"] = seconds([lambda: thumbnail_of(large)], 3)[0]
    clip, batch = retriever(), some_batch(16)
    with torch.inference_mode():
        ways = [lambda: clip.encode_images(batch.pixels), lambda: clip.encode_texts(batch.texts[0][0][:1])]
        image, text = seconds(ways, 3)
    return spent | {"an image, CLIP ViT-B/16 at 384 x 128": image / 16, "a text, CLIP ViT-B/16": text}


def main() -> None:
    rows = [{"what": what, "cpu_seconds": spent} for what, spent in encoding().items()]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "own").mkdir()
        files(Path(folder) / "own", IMAGES)
        for part in (alone(bookkeeping, folder, IMAGES), alone(searching, folder)):
            peak = {"peak_mb": part["peak_mb"]}
            rows += [{"what": what, "cpu_seconds": spent, **peak} for what, spent in part["result"].items()]
        held = alone(memory, folder)["result"]
        rows.append({"what": "a query adds", "own_mb": held["RssAnon"], "mapped_mb": held["RssFile"]})
        disk = sum(path.stat().st_size for path in Path(folder, "store").rglob("*") if path.is_file())
        rows.append({"what": "on disk", "mb": disk / 1e6, "images": held["files"]})
    write("index", rows, {})


if __name__ == "__main__":
    main()
