"""One process, or the processes that `torchrun` started: who has which rows, and how they put them together."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from icl.device import chosen_device


@dataclass(frozen=True)
class World:
    """Attributes:
    rank, size: this process among all. device: where it computes.
    """

    rank: int
    size: int
    device: torch.device

    @classmethod
    def current(cls) -> World:
        """Join the processes of `torchrun` (NCCL on GPUs, gloo on CPUs); alone where it did not start this one."""
        rank, size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        device = chosen_device()
        if device.type == "cuda":
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
            torch.cuda.set_device(device)
        if size > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        return cls(rank, size, device)

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """This process' part of `count` rows: as equal as can be, in the order of the ranks."""
        return slice(*(count * r // self.size for r in (self.rank, self.rank + 1)))

    def gather(self, rows: Tensor, count: int) -> Tensor:
        """All `count` rows, of which every process brings its share; no gradient passes."""
        if self.size == 1:
            return rows
        longest = -(-count // self.size)
        padded = rows.new_zeros((longest, *rows.shape[1:]))
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(parts, padded.contiguous())
        sizes = [World(r, self.size, self.device).share(count) for r in range(self.size)]
        return torch.cat([part[: s.stop - s.start] for part, s in zip(parts, sizes, strict=True)])

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Add up the gradients of all processes, in one message."""
        if self.size == 1:
            return
        own = [p for p in parameters if p.requires_grad]
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in own])
        dist.all_reduce(flat)
        for p, part in zip(own, flat.split([p.numel() for p in own]), strict=True):
            p.grad = part.view_as(p).clone()

    def wait(self) -> None:
        """Until all are here."""
        if self.size > 1:
            dist.barrier()
