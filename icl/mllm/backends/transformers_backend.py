"""Local back-end: Qwen2-VL, Qwen2.5-VL or Qwen3-VL through transformers, batched by length.

Visual tokens are computed once an image, beginnings that prompts share once a window of batches. Yes/No is one forward
pass: the probabilities of the two answers' first tokens. Finished rows leave the batch. Where words are drawn, each row
draws by itself, so that no answer depends on its batch.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence as Many
from contextlib import nullcontext
from dataclasses import replace

import torch
from torch import Tensor
from transformers import DynamicCache

from icl.files import file_digest, folder_digest
from icl.mllm.protocol import Answer, Request
from icl.mllm.qwen.model import QwenVL, arithmetic, load_qwen_vl
from icl.mllm.qwen.prefix import Prefix, share
from icl.mllm.qwen.sequences import Batch, Sequence, build_sequences, collate
from icl.mllm.settings import MLLMSettings
from icl.progress import progress

WINDOW = 4
"""Batches whose prompts' beginnings are at hand together: 128 of 96 tokens are 0.7 GB at Qwen2-VL-7B's width."""


class Draws:
    """Chooses the next words of a batch; every row has a generator of its own, seeded by its question."""

    def __init__(self, requests: list[Request], temperature: float) -> None:
        self.temperature, self.generators = temperature, []
        if temperature > 0:
            for r in requests:
                image = file_digest(r.image) if r.image else ""
                seed = hashlib.sha256(f"{r.seed}|{r.task}|{r.text}|{image}".encode()).digest()[:8]
                self.generators.append(torch.Generator().manual_seed(int.from_bytes(seed) >> 1))

    def choose(self, logits: Tensor, rows: Tensor) -> Tensor:
        """(B, vocabulary) logits of the requests numbered `rows` to (B,) tokens."""
        if self.temperature == 0:
            return logits.argmax(-1)
        uniform = torch.stack([torch.rand(logits.shape[1], generator=self.generators[k]) for k in rows.tolist()])
        gumbel = -(
            -uniform.clamp_min(1e-20).log()
        ).log()  # adding it to the logits and taking the best draws from the softmax
        return (logits / self.temperature + gumbel.to(logits.device)).argmax(-1)


class TransformersBackend:
    """Answers requests with a local model folder or hub id, and a LoRA adapter for some of the tasks."""

    def __init__(self, settings: MLLMSettings, adapter: str | None = None) -> None:
        self.settings, self.adapter = settings, adapter
        self.portion = WINDOW * settings.batch_size
        """Answers that are stored together."""
        self.qwen: QwenVL = load_qwen_vl(settings.model, adapter, precision=settings.precision)
        self._digests = {"model": folder_digest(settings.model), "adapter": folder_digest(adapter) if adapter else ""}
        self._verdicts: dict[tuple[str, ...], list[int]] = {}

    def identity(self, task: str) -> dict[str, str]:
        """Back-end, model and arithmetic; the adapter's digest for the tasks that it serves."""
        adapter = self._digests["adapter"] if self._adapted(task) else ""
        found = {"backend": "transformers", "model": self._digests["model"], "adapter": adapter}
        precision = str(arithmetic(self.settings.precision)).removeprefix("torch.")
        return {**found, "max_pixels": str(self.settings.max_pixels), "precision": precision}

    def _adapted(self, task: str) -> bool:
        return self.adapter is not None and task in self.settings.adapter_tasks

    def forget_images(self) -> None:
        """Drop the kept visual tokens (for timing)."""
        self.qwen.forget_images()

    @torch.inference_mode()
    def answer(self, requests: Many[Request]) -> list[Answer]:
        """Answers in the order of the requests."""
        seen = self.qwen.see((r.image for r in requests if r.image is not None), self.settings.max_pixels)
        sequences = build_sequences(self.qwen, requests, seen)
        answers: dict[int, Answer] = {}
        groups: dict[tuple, list[int]] = {}
        for k, request in enumerate(requests):
            kind = (request.choices, request.max_new_tokens, request.temperature)
            groups.setdefault((self._adapted(request.task), *kind), []).append(k)
        jobs = [(key, window) for key, rows in groups.items() for window in self._windows(rows, requests, sequences)]
        for (adapted, choices, limit, temperature), rows in progress(jobs, len(jobs), "MLLM windows"):
            with nullcontext() if adapted or self.adapter is None else self.qwen.model.disable_adapter():
                start = time.perf_counter()
                prefix = share(self.qwen, [sequences[k] for k in rows], self.settings.batch_size)
                before = (time.perf_counter() - start) / len(rows)
                for part in self._portions(rows, sequences):
                    batch = self._open(rows, part, sequences, prefix)
                    if choices:
                        found = self._judge(batch, choices)
                    else:
                        found = self._generate(batch, limit, Draws([requests[k] for k in part], temperature))
                    for k, answer in zip(part, found, strict=True):
                        answers[k] = replace(answer, prompt_tokens=len(sequences[k]), seconds=answer.seconds + before)
        return [answers[k] for k in range(len(requests))]

    def _windows(self, rows: list[int], requests: Many[Request], sequences: list[Sequence]) -> list[list[int]]:
        """Some batches each, with the questions about an image together, and images of one size."""

        def place(k: int) -> tuple[int, str]:
            visual = sequences[k].visual
            return (0 if visual is None else len(visual)), str(requests[k].image or "")

        rows, size = sorted(rows, key=place), WINDOW * self.settings.batch_size
        return [rows[k : k + size] for k in range(0, len(rows), size)]

    def _portions(self, rows: list[int], sequences: list[Sequence]) -> list[list[int]]:
        rows = sorted(rows, key=lambda k: len(sequences[k]))
        size = self.settings.batch_size
        return [rows[k : k + size] for k in range(0, len(rows), size)]

    def _open(
        self, window: list[int], rows: list[int], sequences: list[Sequence], prefix: Prefix | None
    ) -> tuple[Batch, DynamicCache]:
        """What is left to compute of a batch's prompts, and the cache that it goes on from."""
        if prefix is None:
            return collate(self.qwen, [sequences[k] for k in rows]), DynamicCache()
        at = {k: number for number, k in enumerate(window)}
        rest = [sequences[k].part(prefix.length) for k in rows]
        return collate(self.qwen, rest, prefix.length), prefix.cache([at[k] for k in rows])

    def _judge(self, opened: tuple[Batch, DynamicCache], choices: tuple[str, ...]) -> list[Answer]:
        start = time.perf_counter()
        if choices not in self._verdicts:
            self._verdicts[choices] = [
                self.qwen.tokenizer(c, add_special_tokens=False)["input_ids"][0] for c in choices
            ]
        shares = self.qwen.logits(*opened)[:, self._verdicts[choices]].softmax(-1).tolist()
        seconds = (time.perf_counter() - start) / len(shares)
        out = []
        for row in shares:
            best = max(range(len(choices)), key=row.__getitem__)
            out.append(Answer(choices[best], dict(zip(choices, row, strict=True)), 0, 1, seconds))
        return out

    def _generate(self, opened: tuple[Batch, DynamicCache], limit: int, draws: Draws) -> list[Answer]:
        start, (batch, cache) = time.perf_counter(), opened
        stop = self.qwen.base.generation_config.eos_token_id
        stops = torch.tensor(stop if isinstance(stop, list) else [stop], device=self.qwen.device)
        written: list[list[int]] = [[] for _ in batch.embeds]
        rows = torch.arange(len(written), device=self.qwen.device)  # the request of each row still in the batch
        alive = torch.ones_like(rows, dtype=torch.bool)
        position = batch.positions[:, :, -1:]  # the last token is text: all three axes agree
        for _ in range(limit):
            token = draws.choose(self.qwen.logits(batch, cache), rows)
            alive &= ~torch.isin(token, stops)
            for row, value in zip(rows[alive].tolist(), token[alive].tolist(), strict=True):
                written[row].append(value)
            if not alive.any():
                break
            if alive.float().mean() < 0.75:
                cache.batch_select_indices(alive.nonzero()[:, 0])
                rows, token, position, mask = rows[alive], token[alive], position[:, alive], batch.mask[alive]
                alive = torch.ones_like(rows, dtype=torch.bool)
            else:
                mask = batch.mask
            position = position + 1
            mask = torch.cat([mask, mask.new_ones(len(token), 1)], dim=1)
            batch = Batch(self.qwen.base.model.language_model.embed_tokens(token[:, None]), mask, position)
        seconds = (time.perf_counter() - start) / len(written)
        texts = self.qwen.tokenizer.batch_decode(written, skip_special_tokens=True)
        return [
            Answer(text.strip(), None, 0, len(tokens), seconds) for text, tokens in zip(texts, written, strict=True)
        ]
