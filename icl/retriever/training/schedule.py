"""RDE's optimiser and the course of its rates and of RDA's weight over the epochs."""

from __future__ import annotations

import math

import torch

from icl.retriever.model import RDE
from icl.retriever.settings import RetrieverSettings

CLIP_TEXT_LENGTH = 77


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
    """Adam with RDE's groups: TSE layers at their own rate, biases of the backbone at twice the rate, no decay on biases;
    the text positions at five times the rate where they were stretched beyond CLIP's 77 (as published)."""
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}  # few and large: a card takes a group at once
    for name, parameter in model.named_parameters():
        bias, tse = name.endswith("bias"), "_tse." in name
        rate = settings.lr_tse if tse else settings.lr * (settings.bias_lr_factor if bias else 1.0)
        if name.endswith("text_positions") and len(parameter) > CLIP_TEXT_LENGTH:
            rate *= settings.stretched_positions_lr_factor
        decay = 0.0 if bias else settings.weight_decay
        groups.setdefault((rate, decay), []).append(parameter)
    members = [{"params": p, "base": rate, "lr": rate, "weight_decay": decay} for (rate, decay), p in groups.items()]
    return torch.optim.Adam(members, eps=settings.adam_eps)
