"""Embeddings of a split, and the similarities they give."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from icl.data.images import ImageStore
from icl.data.pairs import captions_of, images_of
from icl.data.tokenizer import CaptionTokenizer, ends
from icl.progress import progress
from icl.retriever.encoding.vectors import Embeddings
from icl.retriever.model import RDE
from icl.retriever.world import World

BATCH = 256


def _device(model: RDE) -> torch.device:
    return model.backbone.image_positions.device


@torch.inference_mode()
def encode_images(model: RDE, store: ImageStore, world: World | None = None) -> tuple[Tensor, Tensor]:
    """BGE and TSE of all images of a store, on the CPU; each process of a world encodes its share."""
    device, world = _device(model), world or World(0, 1, _device(model))
    share = world.share(len(store))
    starts = range(share.start, share.stop, BATCH) or [share.start]  # a share may be empty
    parts = [
        model.encode_images(store.batch(torch.arange(k, min(k + BATCH, share.stop)), None, device))
        for k in progress(starts, label="encoding images, batch")
    ]
    bge, tse = (world.gather(torch.cat(column), len(store)).cpu() for column in zip(*parts, strict=True))
    return bge, tse


@torch.inference_mode()
def encode_texts(
    model: RDE, tokenizer: CaptionTokenizer, texts: list[str], world: World | None = None
) -> tuple[Tensor, Tensor]:
    """BGE and TSE of texts, batched by length and given back in their order, on the CPU; (0, D) and (0, E) of none."""
    device, world = _device(model), world or World(0, 1, _device(model))
    if not texts:
        return torch.zeros(0, model.backbone.dim), torch.zeros(0, model.text_tse.out)
    ids = tokenizer.encode(texts)
    lengths = ends(ids) + 1
    order = lengths.argsort(stable=True)
    bge, tse = [], []
    for rows in progress(order[world.share(len(texts))].split(BATCH), label="encoding texts, batch"):
        b, t = model.encode_texts(ids[rows, : max(lengths[rows].tolist(), default=1)].to(device))
        bge.append(b)
        tse.append(t)
    back = order.argsort()
    whole, tokens = (world.gather(torch.cat(column), len(texts)).cpu()[back] for column in (bge, tse))
    return whole, tokens


def embed(
    model: RDE, tokenizer: CaptionTokenizer, rows: pd.DataFrame, store: ImageStore, world: World | None = None
) -> Embeddings:
    """Embed a split: `rows` of the pairs table, `store` with its images in `images_of` order."""
    gallery, rows = images_of(rows), captions_of(rows)
    image_bge, image_tse = encode_images(model, store, world)
    text_bge, text_tse = encode_texts(model, tokenizer, rows.caption.tolist(), world)
    return Embeddings(
        image_bge.numpy(),
        image_tse.numpy(),
        text_bge.numpy(),
        text_tse.numpy(),
        gallery.image_id.to_numpy(),
        gallery.pid.to_numpy(),
        rows.caption_id.to_numpy(),
        rows.pid.to_numpy(),
    )


def image_size(model: RDE) -> tuple[int, int]:
    """Height and width of the images that a model takes, in pixels."""
    patch = model.backbone.vision.embeddings.patch_size
    return tuple(side * patch for side in model.backbone.grid)


def open_store(rows: pd.DataFrame, root: Path, model: RDE) -> ImageStore:
    """The images of a split at the model's size."""
    return ImageStore(root, images_of(rows).image.tolist(), *image_size(model))
