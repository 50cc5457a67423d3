"""LoRA fine-tuning for anchor localisation: the language model learns, the vision tower stays as it is."""

from __future__ import annotations

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
from icl.mllm import prompts
from icl.mllm.protocol import Request
from icl.mllm.qwen2vl import Qwen2VL, load_qwen2vl
from icl.mllm.sequences import Sequence, build_sequence, collate
from icl.progress import progress
from icl.settings import MLLMSettings, SFTSettings

TARGETS = r".*language_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"
"""All linear layers of the decoder."""


def build_sequences(qwen: Qwen2VL, records: list[dict], root: Path, max_pixels: int) -> list[Sequence]:
    """T_loc prompts of records; the visual tokens of an image are computed once."""
    images = sorted({root / record["image"] for record in records})
    visual = dict(zip(images, qwen.visual_tokens(images, max_pixels), strict=True))
    out = []
    for record in records:
        image = root / record["image"]
        request = Request("localise", prompts.localise_text(record["caption"]), image, 1)
        out.append(build_sequence(qwen, request, visual[image]))
    return out


def epoch_batches(lengths: list[int], size: int, rng: random.Random) -> list[list[int]]:
    """Random batches of similar lengths: shuffled, sorted within windows of 16 batches, shuffled again."""
    order = rng.sample(range(len(lengths)), len(lengths))
    batches = []
    for start in range(0, len(order), size * 16):
        window = sorted(order[start : start + size * 16], key=lengths.__getitem__)
        batches += [window[k : k + size] for k in range(0, len(window), size)]
    rng.shuffle(batches)
    return batches


class LoraTrainer:
    """One fine-tuning run; `run` resumes after the last finished epoch."""

    def __init__(
        self, sft: SFTSettings, mllm: MLLMSettings, records: list[dict], root: Path, seed: int, out: Path
    ) -> None:
        if not records:
            raise InputError("SFT set", "no records", "at least one clean pair", "Look at the CCD labels.")
        torch.manual_seed(seed)
        self.sft, self.seed, self.out, self.records = sft, seed, out, records
        self.qwen = load_qwen2vl(mllm.model)
        self.sequences = build_sequences(self.qwen, records, root, mllm.max_pixels)
        config = LoraConfig(r=sft.lora_r, lora_alpha=sft.lora_alpha, target_modules=TARGETS, task_type="CAUSAL_LM")
        self.qwen.model = get_peft_model(self.qwen.model, config)
        self.qwen.model.train()
        self.parameters = [p for p in self.qwen.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=sft.lr, weight_decay=0.0)
        verdicts = {a: self.qwen.tokenizer(a, add_special_tokens=False)["input_ids"][0] for a in ("Yes", "No")}
        self.targets = torch.tensor([verdicts[record["answer"]] for record in records])
        self.epoch, self.step, self.history = 0, 0, []

    def run(self) -> None:
        """Train to the end and write the adapter."""
        self._resume()
        while self.epoch < self.sft.epochs:
            self._epoch(self.epoch + 1)
        self.qwen.model.save_pretrained(self.out)
        pd.DataFrame(self.history).to_csv(self.out / "history.csv", index=False)
        (self.out / "state.pt").unlink(missing_ok=True)

    def _epoch(self, epoch: int) -> None:
        start, total, right = time.time(), 0.0, 0
        rng = random.Random(f"{self.seed}-{epoch}")
        batches = epoch_batches([len(s) for s in self.sequences], self.sft.batch_size, rng)
        for batch in progress(batches, len(batches), f"LoRA epoch {epoch}/{self.sft.epochs}"):
            for group in self.optimizer.param_groups:
                group["lr"] = self.sft.lr * self._rate(len(batches) * self.sft.epochs)
            logits = self._logits(batch)
            targets = self.targets[batch].to(logits.device)
            loss = F.cross_entropy(logits, targets)  # only the answer's token carries loss
            if not torch.isfinite(loss):
                raise FloatingPointError(f"LoRA epoch {epoch}: loss {loss.item()}; records {batch[:8]}...")
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.optimizer.step()
            self.step += 1
            total += loss.item() * len(batch)
            right += int((logits.argmax(-1) == targets).sum())
        count = len(self.records)
        self.epoch = epoch
        self.history.append(
            {"epoch": epoch, "loss": total / count, "accuracy": right / count, "seconds": time.time() - start}
        )
        self._save_state()

    def _rate(self, steps: int) -> float:
        """Linear warm-up, then linear decay to zero."""
        warmup = max(1, round(self.sft.warmup_ratio * steps))
        return min((self.step + 1) / warmup, max(0.0, (steps - self.step) / max(1, steps - warmup)))

    def _logits(self, batch: list[int]) -> Tensor:
        """(B, vocabulary) at the place of the answer; the head is run there alone."""
        inputs = collate(self.qwen, [self.sequences[k] for k in batch])
        hidden = self.qwen.base.model.language_model(
            inputs_embeds=inputs.embeds, attention_mask=inputs.mask, position_ids=inputs.positions, use_cache=False
        ).last_hidden_state
        return self.qwen.base.lm_head(hidden[:, -1]).float()

    def _save_state(self) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        adapter = get_peft_model_state_dict(self.qwen.model)
        state = {"epoch": self.epoch, "step": self.step, "history": self.history, "adapter": adapter}
        torch.save({**state, "optimizer": self.optimizer.state_dict()}, self.out / "state.part")
        (self.out / "state.part").replace(self.out / "state.pt")

    def _resume(self) -> None:
        if not (self.out / "state.pt").exists():
            return
        state = torch.load(self.out / "state.pt", weights_only=True)
        set_peft_model_state_dict(self.qwen.model, state["adapter"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.step, self.history = state["epoch"], state["step"], state["history"]


def finetune(sft: SFTSettings, mllm: MLLMSettings, records: list[dict], root: Path, seed: int, out: Path) -> None:
    """Fine-tune the MLLM on T_loc records and write a peft adapter.

    Args:
        records: as `sft.build_records` gives. root: image root. seed: of initialisation and order.
        out: receives the adapter and history.csv; an interrupted run resumes from its last epoch.

    Raises:
        InputError: no records, or the model does not load. FloatingPointError: the loss is not finite.
    """
    LoraTrainer(sft, mllm, records, root, seed, out).run()
