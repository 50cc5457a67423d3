"""Settings of RDA."""

from __future__ import annotations

from dataclasses import dataclass

from icl.fields import SEED_LIMIT, setting


@dataclass(frozen=True)
class RDASettings:
    """Reorganization data augmentation of the training captions."""

    variants: int = setting(5, "Rewrites m of each sub-sentence.", low=1, high=1000)
    temperature: float = setting(0.8, "Temperature of T_rwt: its variants should differ.", low=0, high=100)
    seed: int = setting(0, "Seed of T_rwt's draws.", low=0, high=SEED_LIMIT)
    shards: int = setting(2, "Independent shards of the MLLM stage.", low=1, high=100_000)
    source: str = setting("", "Published augmentation file to import in place of generation.")
