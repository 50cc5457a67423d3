"""Embeddings of a split, and the similarities they give."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from icl.data.images import ImageStore
from icl.data.pairs import images_of
from icl.data.tokenizer import CaptionTokenizer
from icl.retriever.model import RDE
from icl.retriever.vectors import Embeddings

BATCH = 256


@torch.inference_mode()
def encode_images(model: RDE, store: ImageStore) -> tuple[Tensor, Tensor]:
    """BGE and TSE of all images of a store."""
    parts = [
        model.encode_images(store.batch(torch.arange(k, min(k + BATCH, len(store)))))
        for k in range(0, len(store), BATCH)
    ]
    return torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])


@torch.inference_mode()
def encode_texts(model: RDE, tokenizer: CaptionTokenizer, texts: list[str]) -> tuple[Tensor, Tensor]:
    """BGE and TSE of texts, batched by length and given back in their order."""
    ids = tokenizer.encode(texts)
    lengths = (ids != 0).sum(1)
    order = lengths.argsort(stable=True)
    bge, tse = [], []
    for rows in order.split(BATCH):
        b, t = model.encode_texts(ids[rows, : int(lengths[rows].max())])
        bge.append(b)
        tse.append(t)
    back = order.argsort()
    return torch.cat(bge)[back], torch.cat(tse)[back]


def embed(model: RDE, tokenizer: CaptionTokenizer, rows: pd.DataFrame, store: ImageStore) -> Embeddings:
    """Embed a split: `rows` of the pairs table, `store` with its images in `images_of` order."""
    gallery = images_of(rows)
    image_bge, image_tse = encode_images(model, store)
    text_bge, text_tse = encode_texts(model, tokenizer, rows.caption.tolist())
    return Embeddings(
        *(x.numpy() for x in (image_bge, image_tse, text_bge, text_tse)),
        gallery.image_id.to_numpy(),
        gallery.pid.to_numpy(),
        rows.caption_id.to_numpy(),
        rows.pid.to_numpy(),
    )


def open_store(rows: pd.DataFrame, root: Path, model: RDE) -> ImageStore:
    """The images of a split at the model's size."""
    patch = model.backbone.vision.embeddings.patch_size
    height, width = (side * patch for side in model.backbone.grid)
    return ImageStore(root, images_of(rows).image.tolist(), height, width)
