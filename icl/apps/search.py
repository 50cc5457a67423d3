"""Rank somebody's own image folder for a text, with or without the interaction: for a page that a person reads."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from icl.data.faces import masked
from icl.data.images import ImageStore, load_image
from icl.errors import InputError
from icl.markup import html
from icl.mllm.protocol import Backend
from icl.mllm.settings import MLLMSettings
from icl.rerank.settings import THISettings
from icl.rerank.thi.session import run_thi
from icl.retriever.encoding.embeddings import encode_images, encode_texts, image_size
from icl.retriever.encoding.vectors import Embeddings
from icl.retriever.weights.checkpoints import load_retriever

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


@dataclass(frozen=True)
class Found:
    """Attributes:
    names: files of the gallery. before, after: similarities (G,) without and with THI. record: the interaction, or None.
    """

    names: list[str]
    before: np.ndarray
    after: np.ndarray
    record: dict | None


def image_files(gallery: Path) -> list[str]:
    """Images below a folder, by name.

    Raises:
        InputError: no such folder, or none in it.
    """
    found = sorted(
        str(p.relative_to(gallery)) for p in gallery.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()
    )
    if not found:
        what = "no images" if gallery.is_dir() else "no such folder"
        raise InputError(f"gallery {gallery}", what, f"files ending in {', '.join(sorted(SUFFIXES))}", "Correct it.")
    return found


def search(
    query: str,
    gallery: Path,
    retriever: Path,
    backend: Backend | None = None,
    mllm: MLLMSettings | None = None,
    thi: THISettings | None = None,
    xi: float = 0.0,
) -> Found:
    """Rank a folder's images for a query.

    Args:
        gallery: folder of images, searched with its subfolders. retriever: folder of a trained retriever.
        backend, mllm, thi, xi: for the interaction; without a back-end there is none.

    Raises:
        InputError: empty query, no images, or an unreadable one.
    """
    if not query.strip():
        raise InputError("search.query", "an empty text", "a description of a person", "Write one.")
    names, (model, tokenizer) = image_files(gallery), load_retriever(retriever)
    images = encode_images(model, ImageStore(gallery, names, *image_size(model)))
    ids = np.arange(len(names))

    def scores(texts: list[str]):
        parts = (*images, *encode_texts(model, tokenizer, texts))
        return Embeddings(
            *(part.numpy() for part in parts), ids, ids, np.zeros(len(texts)), np.zeros(len(texts))
        ).scores

    raw = scores([query])
    before = raw.rows(slice(None))[0]
    if backend is None:
        return Found(names, before, before, None)
    paths = [gallery / name for name in names]
    rounds = min(thi.rounds, len(names))
    found = run_thi(raw, [query], paths, lambda texts, _: scores(texts), backend, mllm, rounds, xi, thi.lambda_)
    return Found(names, before, found.scores.rows(slice(None))[0], found.records[0])


def page(query: str, gallery: Path, found: Found, shown: int = 20) -> str:
    """The result as one HTML file, pictures included, faces masked."""
    parts = [f"<h1>{html(query)}</h1>"]
    if found.record is not None:
        parts.append(_dialogue(found, gallery))
    order = np.argsort(-found.after, kind="stable")[:shown]
    rank_before = np.argsort(np.argsort(-found.before, kind="stable"), kind="stable")
    cards = []
    for rank, k in enumerate(order, 1):
        moved = "" if rank_before[k] + 1 == rank else f", was {rank_before[k] + 1}"
        cards.append(
            f'<figure><img alt="" src="{_picture(gallery / found.names[k])}"><figcaption>{rank}{moved}<br>'
            f"{html(found.names[k])}<br>{found.after[k]:.3f}</figcaption></figure>"
        )
    parts.append(f'<section class="ranks">{"".join(cards)}</section>')
    return _PAGE.format(title=html(query), body="\n".join(parts))


def _dialogue(found: Found, gallery: Path) -> str:
    record, turns = found.record, []
    for column, yes, share in zip(record["candidates"], record["yes"], record["yes_probability"], strict=False):
        said = f"{'Yes' if yes else 'No'} ({share:.2f})"
        turns.append(
            f'<figure><img alt="" src="{_picture(gallery / found.names[column])}">'
            f"<figcaption>Is it this one?<br><b>{said}</b></figcaption></figure>"
        )
    end = "<p>No image was confirmed: the ranking stays as it was.</p>"
    if record["anchor"] is not None:
        told = "".join(f"<li>{html(text)}</li>" for text in record["subtexts"])
        end = f"<p>What the confirmed image shows:</p><ul>{told}</ul><p>Refined: {html(record['refined'])}</p>"
    return f"<h2>Dialogue</h2><section>{''.join(turns)}</section>{end}<h2>Ranking</h2>"


def _picture(path: Path) -> str:
    out = io.BytesIO()
    Image.fromarray(masked(load_image(path))).resize((96, 192)).save(out, "PNG")
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; color: #222; }}
h1 {{ font-size: 1.3rem; }} h2 {{ font-size: 1.05rem; }}
section {{ display: flex; flex-wrap: wrap; gap: 1rem; }}
figure {{ margin: 0; width: 96px; font-size: 0.75rem; overflow-wrap: anywhere; }}
</style></head><body>
{body}
</body></html>
"""
