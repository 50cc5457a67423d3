"""What a search found, as one HTML file that opens offline; no face in it is to be recognised (icl/data/faces.py)."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from icl.apps.search import Found
from icl.data.faces import CELLS, masked
from icl.data.pictures import load_image
from icl.markup import html


def page(query: str, gallery: Path, found: Found, who: str, shown: int = 20) -> str:
    """The page.

    Args:
        gallery: folder of the images. who: which models answered, in words. shown: images of the ranking at most.
    """
    parts = [f"<h1>{html(query)}</h1>", f"<p>Answered by {html(who)}.</p>"]
    if found.record is not None:
        parts.append(_dialogue(found, gallery))
    parts.append(f'<section class="ranks">{_ranking(found, gallery, shown)}</section>')
    if len(found.names) > shown:
        parts.append(f"<p>The first {shown} of {len(found.names)} images.</p>")
    parts.append(
        f"<footer>Every picture is shown as a mosaic of {CELLS} cells along its longer side, so that faces cannot be "
        "recognised; a portrait, or clothes, can still tell who somebody is.</footer>"
    )
    return _PAGE.format(title=html(query), body="\n".join(parts))


def _ranking(found: Found, gallery: Path, shown: int) -> str:
    order = np.argsort(-found.after, kind="stable")[:shown]
    rank_before = np.argsort(np.argsort(-found.before, kind="stable"), kind="stable")
    cards = []
    for rank, k in enumerate(order, 1):
        moved = "" if rank_before[k] + 1 == rank else f", was {rank_before[k] + 1}"
        words = f"<b>{rank}</b>{moved}<br>{html(found.names[k])}<br>similarity {found.after[k]:.3f}"
        cards.append(_figure(gallery, found.names[k], words))
    return "".join(cards)


def _dialogue(found: Found, gallery: Path) -> str:
    record, turns = found.record or {}, []
    shares = record["yes_probability"]
    verdicts = record.get("yes") or [share >= 0.5 for share in shares]  # THI's are read from the words
    for column, yes, share in zip(record["candidates"], verdicts, shares, strict=False):
        said = f"{'Yes' if yes else 'No'} ({share:.2f})"
        turns.append(_figure(gallery, found.names[column], f"Is it this one?<br><b>{said}</b>"))
    end = _refinement(record) if "refined" in record else "<p>Each answer moved its image by its log-odds.</p>"
    return f"<h2>Dialogue</h2><section>{''.join(turns)}</section>{end}<h2>Ranking</h2>"


def _refinement(record: dict) -> str:
    """How THI's interaction ended."""
    if record["anchor"] is not None:
        told = "".join(f"<li>{html(text)}</li>" for text in record["subtexts"])
        return f"<p>What the confirmed image shows:</p><ul>{told}</ul><p>Refined: {html(record['refined'])}</p>"
    if any(record["yes"]):  # Algorithm 1: the first image refines the query only where its similarity is above xi
        return "<p>The first image was confirmed, but its similarity is below xi: the ranking stays as it was.</p>"
    return "<p>No image was confirmed: the ranking stays as it was.</p>"


def _figure(gallery: Path, name: str, words: str) -> str:
    """A picture with words (HTML) below it."""
    picture = f'<div><img alt="{html(name)}" src="{_picture(gallery / name)}"></div>'
    return f"<figure>{picture}<figcaption>{words}</figcaption></figure>"


def _picture(path: Path) -> str:
    out = io.BytesIO()
    Image.fromarray(masked(load_image(path))).save(out, "PNG")
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
body {{ font: 16px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 62rem; padding: 0 1rem; color: #222; }}
h1 {{ font-size: 1.3rem; overflow-wrap: anywhere; }} h2 {{ font-size: 1.05rem; }}
p, li {{ overflow-wrap: anywhere; }}
section {{ display: flex; flex-wrap: wrap; gap: 1rem; }}
figure {{ margin: 0; width: 8rem; font-size: 0.8rem; overflow-wrap: anywhere; }}
figure div {{ height: 10rem; background: #eee; display: flex; align-items: center; justify-content: center; }}
img {{ max-width: 100%; max-height: 100%; image-rendering: pixelated; }}
footer {{ margin-top: 2rem; font-size: 0.85rem; color: #555; }}
</style></head><body>
{body}
</body></html>
"""
