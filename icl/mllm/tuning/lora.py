"""LoRA fine-tuning for anchor localisation: the language model learns, the vision tower stays as it is."""

from __future__ import annotations

import math
import random
import time
from pathlib import Path

import pandas as pd
import torch
from peft import LoraConfig, get_peft_model
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor
from torch.nn import functional as F

from icl.errors import InputError
from icl.files import make_readable, resume, same_shapes
from icl.mllm import prompts
from icl.mllm.protocol import Request
from icl.mllm.qwen.model import load_qwen_vl
from icl.mllm.qwen.sequences import build_sequences, collate
from icl.mllm.settings import MLLMSettings, SFTSettings
from icl.progress import Task, task

TARGETS = r".*language_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"
"""All linear layers of the decoder."""
SAVE_STEPS = 200
"""Steps between two saved states within an epoch, which takes hours at paper scale."""


def epoch_batches(lengths: list[int], size: int, rng: random.Random) -> list[list[int]]:
    """Random batches of similar lengths: shuffled, sorted within windows of 16 batches, shuffled again."""
    order = rng.sample(range(len(lengths)), len(lengths))
    batches = []
    for start in range(0, len(order), size * 16):
        window = sorted(order[start : start + size * 16], key=lengths.__getitem__)
        batches += [window[k : k + size] for k in range(0, len(window), size)]
    rng.shuffle(batches)
    return batches


STATE = ("epoch", "step", "done", "sums", "history")
START = {"loss": 0.0, "accuracy": 0.0, "seconds": 0.0}


class LoraTrainer:
    """One fine-tuning run; `run` resumes at the last saved state: of an epoch's end, or within a long one."""

    def __init__(
        self, sft: SFTSettings, mllm: MLLMSettings, records: list[dict], root: Path, seed: int, out: Path
    ) -> None:
        if not records:
            raise InputError("SFT set", "no records", "at least one clean pair", "Look at the CCD labels.")
        torch.manual_seed(seed)
        self.sft, self.seed, self.out, self.records = sft, seed, out, records
        self.qwen = load_qwen_vl(mllm.model, precision=mllm.precision)
        self.requests = [
            Request("localise", prompts.localise_text(r["caption"]), root / r["image"], 1) for r in records
        ]
        self.max_pixels, self.device = mllm.max_pixels, self.qwen.device
        config = LoraConfig(r=sft.lora_r, lora_alpha=sft.lora_alpha, target_modules=TARGETS, task_type="CAUSAL_LM")
        self.qwen.model = get_peft_model(self.qwen.model, config)
        self.qwen.model.train()
        if sft.gradient_checkpointing:
            self.qwen.base.model.language_model.gradient_checkpointing_enable({"use_reentrant": False})
        self.parameters = [p for p in self.qwen.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=sft.lr, weight_decay=0.0)
        verdicts = {a: self.qwen.tokenizer(a, add_special_tokens=False)["input_ids"][0] for a in ("Yes", "No")}
        self.targets = torch.tensor([verdicts[record["answer"]] for record in records])
        self.epoch, self.step = 0, 0
        self.history: list[dict] = []
        self.work = Task(0, "", silent=True)
        self.done, self.sums = 0, dict(START)  # steps of the epoch under way, and what they add up to

    def run(self) -> None:
        """Train to the end and write the adapter."""
        self._resume()
        each = -(-len(self.records) // self.sft.batch_size)
        with task(each * self.sft.epochs, done=each * self.epoch + self.done, counted=False) as self.work:
            while self.epoch < self.sft.epochs:
                self._epoch(self.epoch + 1)
        self.qwen.model.save_pretrained(self.out)
        make_readable(self.out)
        pd.DataFrame(self.history).to_csv(self.out / "history.csv", index=False)
        (self.out / "state.pt").unlink(missing_ok=True)

    def _epoch(self, epoch: int) -> None:
        rng = random.Random(f"{self.seed}-{epoch}")
        batches = epoch_batches([len(r.text) for r in self.requests], self.sft.batch_size, rng)
        self.work.label = f"LoRA epoch {epoch}/{self.sft.epochs}"
        for batch in batches[self.done :]:
            start = time.time()
            loss, hits = self._learn(batch, len(batches) * self.sft.epochs)
            for name, value in (("loss", loss * len(batch)), ("accuracy", hits), ("seconds", time.time() - start)):
                self.sums[name] += value
            self.done += 1
            self.work.advance()
            if self.done % SAVE_STEPS == 0:
                self._save_state()
        count = len(self.records)
        means = {"loss": self.sums["loss"] / count, "accuracy": self.sums["accuracy"] / count}
        self.history.append({"epoch": epoch, **means, "seconds": self.sums["seconds"]})
        self.work.note(f"after epoch {epoch}: loss {means['loss']:.4g}, right answers {100 * means['accuracy']:.1f}%")
        self.epoch, self.done, self.sums = epoch, 0, dict(START)
        self._save_state()

    def _learn(self, batch: list[int], steps: int) -> tuple[float, int]:
        """One step of all `steps`; its mean loss, and how many answers were right."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.sft.lr * self._rate(steps)
        self.optimizer.zero_grad(set_to_none=True)
        loss, hits = self._backward(batch)
        if not math.isfinite(loss):
            remedy = "Lower sft.lr, or take mllm.precision bfloat16 or float32."
            raise InputError(f"LoRA step {self.step}", f"loss {loss} on records {batch[:8]}", "a finite loss", remedy)
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.step += 1
        return loss, hits

    def _rate(self, steps: int) -> float:
        """Linear warm-up, then linear decay to zero."""
        warmup = max(1, round(self.sft.warmup_ratio * steps))
        return min((self.step + 1) / warmup, max(0.0, (steps - self.step) / max(1, steps - warmup)))

    def _backward(self, batch: list[int]) -> tuple[float, int]:
        """Add a batch's gradients, piece by piece; its mean loss over the answers' tokens, and how many are right."""
        size, loss, right = self.sft.piece or len(batch), 0.0, 0
        for start in range(0, len(batch), size):
            part = batch[start : start + size]
            logits, targets = self._logits(part), self.targets[part].to(self.device)
            mean = F.cross_entropy(logits, targets, reduction="sum") / len(batch)
            mean.backward()
            loss, right = loss + mean.item(), right + int((logits.argmax(-1) == targets).sum())
        return loss, right

    def _logits(self, batch: list[int]) -> Tensor:
        """(B, vocabulary) at the place of the answer; the head is run there alone."""
        requests = [self.requests[k] for k in batch]
        seen = self.qwen.see((r.image for r in requests if r.image), self.max_pixels)
        return self.qwen.logits(collate(self.qwen, build_sequences(self.qwen, requests, seen)))

    def _save_state(self) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        torch.save(self._state(), self.out / "state.part")
        (self.out / "state.part").replace(self.out / "state.pt")

    def _state(self) -> dict:
        state = {name: getattr(self, name) for name in STATE}
        return {
            **state,
            "adapter": get_peft_model_state_dict(self.qwen.model),
            "optimizer": self.optimizer.state_dict(),
        }

    def _resume(self) -> None:
        resume(self.out / "state.pt", self._state, self._take)

    def _take(self, state: dict) -> None:
        """Go on from a state.

        Raises:
            KeyError, RuntimeError, TypeError, ValueError: it is not one of this training.
        """
        if not 0 <= state["epoch"] == len(state["history"]) <= self.sft.epochs or set(state["sums"]) != set(START):
            raise ValueError(f"epoch {state['epoch']} with a history of {len(state['history'])}")
        if min(state["step"], state["done"]) < 0:
            raise ValueError(f"step {state['step']}, {state['done']} of the epoch")
        same_shapes(state["adapter"], get_peft_model_state_dict(self.qwen.model))  # peft takes what fits, in silence
        self.optimizer.load_state_dict(state["optimizer"])
        set_peft_model_state_dict(self.qwen.model, state["adapter"])
        for name in STATE:
            setattr(self, name, state[name])


def finetune(sft: SFTSettings, mllm: MLLMSettings, records: list[dict], root: Path, seed: int, out: Path) -> None:
    """Fine-tune the MLLM on T_loc records and write a peft adapter.

    Args:
        records: as `sft.build_records` gives. root: image root. seed: of initialisation and order.
        out: receives the adapter and history.csv; an interrupted run resumes at its last saved state.

    Raises:
        InputError: no records, the model does not load, or the loss is not finite.
    """
    LoraTrainer(sft, mllm, records, root, seed, out).run()
