"""Train RDE, with CCD at every epoch and RDA's augmented texts where given (Eq. 1 to 3)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from icl.data.images import Augmentation
from icl.data.pairs import split_of
from icl.data.tokenizer import PAD, longest
from icl.errors import InputError
from icl.files import resume, same_shapes
from icl.memory import keep_freed_memory
from icl.progress import Task, task
from icl.ranking.metrics import Metrics, retrieval_metrics
from icl.ranking.scores import blocks
from icl.retriever.ccd import Division, divide, quality, variant_of
from icl.retriever.encoding.embeddings import embed, encode_images, encode_texts, open_store
from icl.retriever.losses import LOSSES
from icl.retriever.losses.tal import tal
from icl.retriever.precision import concrete
from icl.retriever.settings import RetrieverSettings
from icl.retriever.training.data import TrainingData, check_splits, division_batches
from icl.retriever.training.schedule import build_optimizer, rate_factor, rda_weight
from icl.retriever.training.step import Batch, TrainingStep
from icl.retriever.weights.checkpoints import new_retriever, save_retriever
from icl.retriever.world import World


def epoch_words(row: dict) -> str:
    """A line of the history in words: "after epoch 5: loss 1.234, val Rank-1 54.2, mAP 57.0"."""
    words = [f"loss {row['loss']:.4g}"]
    for split in ("val", "test"):
        if f"{split}_rank1" in row:
            words.append(f"{split} Rank-1 {row[f'{split}_rank1']:.1f}, mAP {row[f'{split}_map']:.1f}")
    return f"after epoch {row['epoch']}: " + ", ".join(words)


class Trainer:
    """One training run; `run` resumes after the last finished epoch.

    Under `torchrun` every process holds a share of each batch; all compute the same loss of the whole batch, and only
    the first writes files.
    """

    def __init__(
        self, settings: RetrieverSettings, pairs: pd.DataFrame, root: Path, seed: int, out: Path, augmented: Path | None
    ) -> None:
        settings = replace(settings, precision=concrete(settings.precision))  # the model is then used in the same
        torch.manual_seed(seed)
        check_splits(pairs, settings.selection)
        self.settings, self.seed, self.out, self.world = settings, seed, out, World.current()
        self.model, self.tokenizer = new_retriever(settings)
        self.data = TrainingData.open(settings, pairs, root, self.model, augmented, seed)
        self.model.to(self.world.device)
        self.ids = self.tokenizer.encode(self.data.rows.caption.tolist())
        self.watched = [s for s in ("val", "test") if (pairs.split == s).any() and (s == "val" or settings.watch_test)]
        self.watched_rows = {split: split_of(pairs, split) for split in self.watched}
        self.stores = {split: open_store(rows, root, self.model) for split, rows in self.watched_rows.items()}
        self.optimizer = build_optimizer(self.model, settings)
        loss, s = LOSSES[settings.loss], settings
        self.loss = loss
        self.step = TrainingStep(
            self.model, loss, s.tau, s.margin, self.world, s.piece, tal if s.rda_loss == "tal" else None
        )
        self.epoch = 0
        self.history: list[dict] = []
        self.best: dict = {"epoch": 0}
        self.work = Task(0, "", silent=True)
        self.best_weights: dict[str, Tensor] = {}
        self.division: Division | None = None
        self.pair_losses = np.zeros((2, len(self.data.rows)))

    def run(self) -> None:
        """Train to the end and write the checkpoint, the history and the last division."""
        self._resume()
        each = len(self._batches(torch.arange(len(self.data.rows))))
        with task(each * self.settings.epochs, done=each * self.epoch, counted=False) as self.work:
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
        batches = self._batches(torch.randperm(len(labels), generator=generator))
        total, self.work.label = 0.0, f"epoch {epoch}/{self.settings.epochs}"
        prepared = self._prepared(batches, labels, texts, epoch, generator)
        for number, batch in enumerate(prepared):
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.step.backward(batch)
            if not torch.isfinite(loss):
                raise self._diverged(f"epoch {epoch}, batch {number}", loss.item(), batches[number])
            self.step.optimise(self.optimizer)
            total += loss.item()
            self.work.advance()
        self.epoch = epoch
        row = {"epoch": epoch, "loss": total / len(batches), "clean_share": float(labels.float().mean())}
        row |= quality(self.division, self.data.clean)
        self.history.append({**row, **self._validate(epoch), "seconds": time.time() - start})
        self.work.note(epoch_words(self.history[-1]))
        self._save_state()

    def _diverged(self, where: str, loss: float, rows: Tensor) -> InputError:
        captions = self.data.rows.caption_id.to_numpy()[rows.numpy()].tolist()
        found = f"loss {loss} on captions {captions[:8]}"
        remedy = "Lower retriever.lr or lr_tse, or raise adam_eps, warmup_epochs or tau; float16 may need bfloat16."
        return InputError(f"retriever training, {where}", found, "a finite loss", remedy)

    def _batches(self, order: Tensor) -> list[Tensor]:
        """Batches of an epoch; a last one that is too small is left out, where there are others."""
        size = self.settings.batch_size
        return [b for b in order.split(size) if len(b) == size or len(order) < 2 * len(b)]

    def _prepared(
        self, batches: list[Tensor], labels: Tensor, texts: Tensor | None, epoch: int, generator: torch.Generator
    ) -> Iterator[Batch]:
        """Batches in turn; the next is drawn and put together while the model works on the last."""
        with ThreadPoolExecutor(1) as pool:
            waiting: Future[Batch] | None = None
            for rows in batches:
                coming = pool.submit(self._batch, rows, labels, texts, epoch, generator)
                if waiting is not None:
                    yield waiting.result()
                waiting = coming
            if waiting is not None:
                yield waiting.result()

    def _batch(
        self, rows: Tensor, labels: Tensor, texts: Tensor | None, epoch: int, generator: torch.Generator
    ) -> Batch:
        """This process' share of a batch; all processes make the same draws, for the whole batch."""
        share, device, store = self.world.share(len(rows)), self.world.device, self.data.store
        height, width = store.pixels.shape[2:]
        draws = Augmentation.draw(len(rows), height, width, generator)
        pixels = store.batch(self.data.image_rows[rows[share]], draws.part(share), device)
        encoded = [(self._masked(self.ids[rows], generator)[share].to(device), 1.0)]
        if texts is not None:
            weight = rda_weight(epoch, self.settings)
            encoded.append((self._masked(texts[rows], generator)[share].to(device), weight))
        return Batch(pixels, encoded, self.data.pids[rows].to(device), labels[rows].to(device))

    def _masked(self, ids: Tensor, generator: torch.Generator) -> Tensor:
        ids = ids[:, : longest(ids)]
        ids = self.tokenizer.mask_tokens(ids, self.settings.token_mask_rate, generator)
        if self.settings.batchnorm_padding:
            ids = torch.nn.functional.pad(ids, (0, self.tokenizer.length - ids.shape[1]), value=PAD)
        return ids

    def _augmented_ids(self, epoch: int) -> Tensor | None:
        if self.data.diversity is None:
            return None
        return self.tokenizer.encode(self.data.augmented_captions(f"{self.seed}-{epoch}"))

    @torch.inference_mode()
    def _labels(self, epoch: int) -> Tensor:
        """CCD labels (N,); all clean without CCD, and in the first epoch (as published: the TSE layers know nothing yet)."""
        if epoch == 1 or not self.settings.ccd:
            return torch.ones(len(self.data.rows), dtype=torch.long)
        self.model.eval()
        generator = torch.Generator().manual_seed(self.seed * 2003 + epoch)
        batches = division_batches(torch.randperm(len(self.ids), generator=generator), self.settings.batch_size)
        views = self._plain_views if self.settings.ccd_views == "plain" else self._augmented_views
        for batch, *pairs in views(batches, epoch, generator):
            for k, (image, text) in enumerate(pairs):
                scores = image @ text.T
                values = self.loss(scores, self.data.pids[batch], self.settings.tau, self.settings.margin)
                self.pair_losses[k, batch.numpy()] = values.numpy()
        if not np.isfinite(self.pair_losses).all():
            spoilt = np.flatnonzero(~np.isfinite(self.pair_losses).all(0))
            raise self._diverged(f"CCD before epoch {epoch}", float("nan"), torch.from_numpy(spoilt))
        variant = variant_of(self.settings.ccd_variant, self.settings.noise_rate)
        bge, tse = self.pair_losses
        self.division = divide(bge, tse, variant, self.seed * 31 + epoch)
        return torch.from_numpy(self.division.clean)

    def _plain_views(self, batches: list[Tensor], epoch: int, generator: torch.Generator) -> Iterator[tuple]:
        """Batches, each with its (image, text) BGE and TSE: encoded once, from images and captions as they are."""
        image = encode_images(self.model, self.data.store, self.world)
        text = encode_texts(self.model, self.tokenizer, self.data.rows.caption.tolist(), self.world)
        for batch in batches:
            rows = self.data.image_rows[batch]
            yield batch, *((i[rows], t[batch]) for i, t in zip(image, text, strict=True))

    def _augmented_views(self, batches: list[Tensor], epoch: int, generator: torch.Generator) -> Iterator[tuple]:
        """The same from augmented images and masked captions, batch by batch."""
        labels = torch.ones(len(self.ids), dtype=torch.long)
        for batch, ready in zip(batches, self._prepared(batches, labels, None, epoch, generator), strict=True):
            image, text = self.model.encode_images(ready.pixels), self.model.encode_texts(ready.texts[0][0])
            both = [[self.world.gather(part, len(batch)).cpu() for part in kind] for kind in (image, text)]
            yield batch, *zip(*both, strict=True)

    def _measure(self, split: str) -> Metrics:
        self.model.eval()
        emb = embed(self.model, self.tokenizer, self.watched_rows[split], self.stores[split], self.world)
        return retrieval_metrics(blocks(emb.scores), emb.text_pids, emb.image_pids)

    def _validate(self, epoch: int) -> dict[str, float]:
        """Metrics of the watched splits; keeps the weights where the selection rule prefers them.

        On val that is mAP, which moves less by chance than Rank-1; on test it is Rank-1, as published.
        """
        found = {split: self._measure(split) for split in self.watched}
        judge = found.get(self.settings.selection.removeprefix("best-"))
        if judge is None:
            self.best, self.best_weights = {"epoch": epoch}, self._weights()
        else:
            first, second = ("map", "rank1") if self.settings.selection == "best-val" else ("rank1", "map")
            score = (getattr(judge, first), getattr(judge, second))
            if score > (self.best.get(first, -1.0), self.best.get(second, -1.0)):
                self.best = {"epoch": epoch, first: score[0], second: score[1]}
                self.best_weights = self._weights()
        return {f"{split}_{name}": getattr(m, name) for split, m in found.items() for name in ("rank1", "map")}

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.model.state_dict().items()}

    # An interrupted run resumes at the last finished epoch: all draws of an epoch come from generators seeded by it.
    def _save_state(self) -> None:
        if self.world.first:
            self.out.mkdir(parents=True, exist_ok=True)
            torch.save(self._state(), self.out / "state.part")
            (self.out / "state.part").replace(self.out / "state.pt")
        self.world.wait()

    def _state(self) -> dict:
        return {
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.step.scaler.state_dict(),
            "best": self.best,
            "best_weights": self.best_weights,
            "history": self.history,
        }

    def _resume(self) -> None:
        resume(self.out / "state.pt", self._state, self._take)

    def _take(self, state: dict) -> None:
        """Go on from a state.

        Raises:
            KeyError, RuntimeError, TypeError, ValueError: it is not one of this training.
        """
        if not 0 <= state["epoch"] == len(state["history"]) <= self.settings.epochs or "epoch" not in state["best"]:
            raise ValueError(f"epoch {state['epoch']} with a history of {len(state['history'])}")
        if state["best_weights"] or state["epoch"]:
            same_shapes(state["best_weights"], self.model.state_dict())
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step.scaler.load_state_dict(state["scaler"])
        self.epoch, self.best, self.history = state["epoch"], state["best"], state["history"]
        self.best_weights = state["best_weights"]

    def _finish(self) -> None:
        if self.settings.ccd:
            self._labels(self.settings.epochs + 1)  # the final division is the trained model's own
        self.world.wait()
        if not self.world.first:
            return
        self.model.load_state_dict(self.best_weights)
        self._division_table().to_parquet(self.out / "ccd.parquet", index=False)
        pd.DataFrame(self.history).to_csv(self.out / "history.csv", index=False)
        chosen = {"rule": self.settings.selection, **self.best, **self._published_protocol()}
        chosen["precision"] = self.settings.precision
        (self.out / "selection.json").write_text(json.dumps(chosen))
        save_retriever(self.model.cpu(), self.tokenizer, self.settings, self.out)
        (self.out / "state.pt").unlink(missing_ok=True)

    def _division_table(self) -> pd.DataFrame:
        """Losses, posteriors and labels by pair; without CCD all pairs count as clean."""
        table = {"caption_id": self.data.rows.caption_id, "really_clean": self.data.clean}
        if self.division is None:
            return pd.DataFrame({**table, "label": 1})
        d = self.division
        table |= {"loss_bge": self.pair_losses[0], "loss_tse": self.pair_losses[1]}
        table |= {"posterior_bge": d.posterior_bge, "posterior_tse": d.posterior_tse, "agreed": d.agreed}
        return pd.DataFrame({**table, "label": d.clean})

    def _published_protocol(self) -> dict:
        """The best epoch on the test split, where that was watched: what published numbers report."""
        if "test" not in self.watched:
            return {}
        best = max(self.history, key=lambda row: (row["test_rank1"], row["test_map"]))
        return {"best_on_test": {"epoch": best["epoch"], "rank1": best["test_rank1"], "map": best["test_map"]}}


def train_retriever(
    settings: RetrieverSettings, pairs: pd.DataFrame, root: Path, seed: int, out: Path, augmented: Path | None = None
) -> None:
    """Train a retriever.

    Args:
        pairs: pairs table. root: image root. seed: of everything random.
        out: receives model.safetensors, model.json, tokenizer/, ccd.parquet, history.csv, selection.json.
        augmented: RDA's augmented captions; None trains the baseline.

    Raises:
        InputError: checkpoint, image or augmented caption missing; a split of one identity; a loss that is not finite
            (names epoch and batch; the last epoch's state is kept).
    """
    keep_freed_memory()
    Trainer(settings, pairs, root, seed, out, augmented).run()
