"""Train RDE, with CCD at every epoch and RDA's augmented texts where given (Eq. 1 to 3)."""

from __future__ import annotations

import json
import math
import random
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from icl.data.images import ImageStore
from icl.data.pairs import images_of, split_of
from icl.data.reorganize import reorganize
from icl.errors import InputError
from icl.metrics import retrieval_metrics
from icl.progress import progress
from icl.retriever.ccd import Division, divide
from icl.retriever.checkpoints import new_retriever, save_retriever
from icl.retriever.embeddings import embed, encode_images, encode_texts, open_store
from icl.retriever.losses import loss_named
from icl.retriever.model import RDE
from icl.settings import RetrieverSettings


def rate_factor(epoch: int, settings: RetrieverSettings) -> float:
    """Factor of the learning rates during an epoch (from 1): linear warm-up, then cosine to 0."""
    done = epoch - 1
    if done < settings.warmup_epochs:
        alpha = done / settings.warmup_epochs
        return settings.warmup_factor * (1 - alpha) + alpha
    return 0.5 * (1 + math.cos(math.pi * (done - settings.warmup_epochs) / (settings.epochs - settings.warmup_epochs)))


def rda_weight(epoch: int, settings: RetrieverSettings) -> float:
    """gamma of Eq. (3) for an epoch counted from 1."""
    return max(settings.rda_gamma_floor, 1 - settings.rda_gamma_slope * epoch)


def build_optimizer(model: RDE, settings: RetrieverSettings) -> torch.optim.Adam:
    """Adam with RDE's groups: TSE layers at their own rate, biases of the backbone at twice the rate, no decay on biases."""
    groups = []
    for name, parameter in model.named_parameters():
        bias, tse = name.endswith("bias"), "_tse." in name
        rate = settings.lr_tse if tse else settings.lr * (settings.bias_lr_factor if bias else 1.0)
        decay = 0.0 if bias else settings.weight_decay
        groups.append({"params": [parameter], "base": rate, "lr": rate, "weight_decay": decay})
    return torch.optim.Adam(groups, eps=settings.adam_eps)


@dataclass
class TrainingData:
    """The train split in memory: captions, their image's row in the store, identities, augmented texts."""

    rows: pd.DataFrame
    store: ImageStore
    image_rows: Tensor
    pids: Tensor
    diversity: dict[int, list[list[str]] | str] | None

    @classmethod
    def open(cls, pairs: pd.DataFrame, root: Path, model: RDE, augmented: Path | None) -> TrainingData:
        rows = split_of(pairs, "train")
        number = {image_id: k for k, image_id in enumerate(images_of(rows).image_id)}
        image_rows = torch.tensor([number[i] for i in rows.image_id])
        pids = torch.tensor(rows.pid.tolist())
        diversity = read_augmented(augmented, rows) if augmented else None
        return cls(rows, open_store(rows, root, model), image_rows, pids, diversity)


def read_augmented(path: Path, rows: pd.DataFrame) -> dict[int, list[list[str]] | str]:
    """Augmented captions by caption_id.

    Raises:
        InputError: a training caption has none.
    """
    table = {row["caption_id"]: row["diversity_captions"] for row in json.loads(path.read_text())}
    for caption_id in rows.caption_id:
        if caption_id not in table:
            raise InputError(
                str(path), f"no entry for caption {caption_id}", "one for every training caption", "Redo it."
            )
    return table


def inject_noise(rows: pd.DataFrame, rate: float, seed: int) -> pd.DataFrame:
    """Permute the captions of a share of the pairs (noise study); `caption_id` stays with the place."""
    if rate == 0:
        return rows
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(rows), round(rate * len(rows)), replace=False)
    rows, captions = rows.copy(), rows.caption.to_numpy().copy()
    captions[chosen] = captions[np.roll(chosen, 1)]
    rows["caption"] = captions
    return rows


class Trainer:
    """One training run; `run` resumes after the last finished epoch."""

    def __init__(
        self, settings: RetrieverSettings, pairs: pd.DataFrame, root: Path, seed: int, out: Path, augmented: Path | None
    ) -> None:
        torch.manual_seed(seed)
        self.settings, self.seed, self.out = settings, seed, out
        self.model, self.tokenizer = new_retriever(settings)
        self.data = TrainingData.open(pairs, root, self.model, augmented)
        self.data.rows = inject_noise(self.data.rows, settings.noise_rate, seed)
        self.ids = self.tokenizer.encode(self.data.rows.caption.tolist())
        self.val = split_of(pairs, "val") if (pairs.split == "val").any() else None
        self.val_store = open_store(self.val, root, self.model) if self.val is not None else None
        self.optimizer = build_optimizer(self.model, settings)
        self.loss = loss_named(settings.loss)
        self.epoch, self.history, self.best = 0, [], {"rank1": -1.0, "map": -1.0, "epoch": 0}
        self.best_weights: dict[str, Tensor] = {}
        self.division: Division | None = None
        self.pair_losses = np.zeros((2, len(self.data.rows)))

    def run(self) -> None:
        """Train to the end and write the checkpoint, the history and the last division."""
        self._resume()
        while self.epoch < self.settings.epochs:
            self._epoch(self.epoch + 1)
        self._finish()

    def _epoch(self, epoch: int) -> None:
        start, generator = time.time(), torch.Generator().manual_seed(self.seed * 1009 + epoch)
        labels = self._labels(epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = group["base"] * rate_factor(epoch, self.settings)
        self.model.train(self.settings.batchnorm == "train")
        texts = self._augmented_ids(epoch)
        order = torch.randperm(len(labels), generator=generator)
        batches = [
            b
            for b in order.split(self.settings.batch_size)
            if len(b) == self.settings.batch_size or len(order) < 2 * len(b)
        ]
        total = 0.0
        for number, batch in enumerate(progress(batches, len(batches), f"epoch {epoch}/{self.settings.epochs}")):
            loss = self._batch_loss(batch, labels, texts, epoch, generator)
            if not torch.isfinite(loss):
                raise FloatingPointError(
                    f"epoch {epoch}, batch {number}: loss {loss.item()}; captions {batch.tolist()[:8]}..."
                )
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            total += loss.item()
        self.epoch = epoch
        row = {"epoch": epoch, "loss": total / len(batches), "clean_share": float(labels.float().mean())}
        self.history.append({**row, **self._validate(epoch), "seconds": time.time() - start})
        self._save_state()

    def _batch_loss(self, batch: Tensor, labels: Tensor, texts: Tensor | None, epoch: int, generator) -> Tensor:
        """Eq. (3) on one batch; the images are encoded once for both texts."""
        s = self.settings
        image = self.model.encode_images(self.data.store.batch(self.data.image_rows[batch], generator))
        pids, label = self.data.pids[batch], labels[batch]
        loss = self._matching(image, self._text(self.ids[batch], generator), pids, label)
        if texts is not None:
            loss = loss + rda_weight(epoch, s) * self._matching(image, self._text(texts[batch], generator), pids, label)
        return loss

    def _text(self, ids: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        longest = int((ids != 0).sum(1).max())
        ids = self.tokenizer.mask_tokens(ids[:, :longest], self.settings.token_mask_rate, generator)
        if self.settings.batchnorm_padding:
            ids = torch.nn.functional.pad(ids, (0, self.tokenizer.length - longest))
        return self.model.encode_texts(ids)

    def _matching(self, image, text, pids: Tensor, label: Tensor) -> Tensor:
        """Eq. (1): sum over the pairs of label * (BGE loss + TSE loss)."""
        s = self.settings
        losses = [self.loss(i @ t.T, pids, s.tau, s.margin) for i, t in zip(image, text, strict=True)]
        return (label * sum(losses)).sum()

    def _augmented_ids(self, epoch: int) -> Tensor | None:
        if self.data.diversity is None:
            return None
        rng = random.Random(f"{self.seed}-{epoch}")
        return self.tokenizer.encode([reorganize(self.data.diversity[c], rng) for c in self.data.rows.caption_id])

    @torch.inference_mode()
    def _labels(self, epoch: int) -> Tensor:
        """CCD labels (N,); all clean in the first epoch, when the TSE layers know nothing yet (as published)."""
        if epoch == 1:
            return torch.ones(len(self.data.rows), dtype=torch.long)
        self.model.eval()
        image, text = (
            encode_images(self.model, self.data.store),
            encode_texts(self.model, self.tokenizer, self.data.rows.caption.tolist()),
        )
        generator = torch.Generator().manual_seed(self.seed * 2003 + epoch)
        for batch in torch.randperm(len(self.data.rows), generator=generator).split(self.settings.batch_size):
            rows, pids = self.data.image_rows[batch], self.data.pids[batch]
            for k in range(2):
                scores = image[k][rows] @ text[k][batch].T
                self.pair_losses[k, batch] = self.loss(scores, pids, self.settings.tau, self.settings.margin).numpy()
        variant = self.settings.ccd_variant
        if variant == "auto":
            variant = "strict" if self.settings.noise_rate > 0.4 else "default"
        self.division = divide(*self.pair_losses, variant, self.seed * 31 + epoch)
        return torch.from_numpy(self.division.clean)

    def _validate(self, epoch: int) -> dict[str, float]:
        if self.val is None:
            self.best, self.best_weights = {"epoch": epoch}, self._weights()
            return {}
        self.model.eval()
        emb = embed(self.model, self.tokenizer, self.val, self.val_store)
        found = retrieval_metrics(emb.similarity(), emb.text_pids, emb.image_pids)
        better = (found.rank1, found.map) > (self.best["rank1"], self.best["map"])
        if better or self.settings.selection == "last":
            self.best = {"rank1": found.rank1, "map": found.map, "epoch": epoch}
            self.best_weights = self._weights()
        return {"val_rank1": found.rank1, "val_map": found.map}

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.model.state_dict().items()}

    # An interrupted run resumes at the last finished epoch: all draws of an epoch come from generators seeded by it.
    def _save_state(self) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        state = {
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
            "best_weights": self.best_weights,
            "history": self.history,
        }
        torch.save(state, self.out / "state.part")
        (self.out / "state.part").replace(self.out / "state.pt")

    def _resume(self) -> None:
        path = self.out / "state.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.best, self.history = state["epoch"], state["best"], state["history"]
        self.best_weights = state["best_weights"]

    def _finish(self) -> None:
        if self.settings.epochs > 1 or self.division is None:
            self._labels(self.settings.epochs + 1)  # the final division is the trained model's own
        self.model.load_state_dict(self.best_weights)
        rows = {
            "caption_id": self.data.rows.caption_id,
            "loss_bge": self.pair_losses[0],
            "loss_tse": self.pair_losses[1],
        }
        d = self.division
        table = {**rows, "posterior_bge": d.posterior_bge, "posterior_tse": d.posterior_tse, "agreed": d.agreed}
        pd.DataFrame({**table, "label": d.clean}).to_parquet(self.out / "ccd.parquet", index=False)
        pd.DataFrame(self.history).to_csv(self.out / "history.csv", index=False)
        (self.out / "selection.json").write_text(json.dumps({"rule": self.settings.selection, **self.best}))
        save_retriever(self.model, self.tokenizer, self.settings, self.out)
        (self.out / "state.pt").unlink(missing_ok=True)


def train_retriever(
    settings: RetrieverSettings, pairs: pd.DataFrame, root: Path, seed: int, out: Path, augmented: Path | None = None
) -> None:
    """Train a retriever.

    Args:
        pairs: pairs table. root: image root. seed: of everything random.
        out: receives model.safetensors, model.json, tokenizer/, ccd.parquet, history.csv, selection.json.
        augmented: RDA's augmented captions; None trains the baseline.

    Raises:
        FloatingPointError: a loss is not finite; names epoch and batch, and the last epoch's state is kept.
        InputError: checkpoint, image or augmented caption missing.
    """
    Trainer(settings, pairs, root, seed, out, augmented).run()
