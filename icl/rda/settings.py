"""Settings of RDA."""

from __future__ import annotations

from dataclasses import dataclass

from icl.fields import setting


@dataclass(frozen=True)
class RDASettings:
    """Reorganization data augmentation of the training captions."""

    variants: int = setting(5, "Rewrites m of each sub-sentence.", low=1)
    temperature: float = setting(0.8, "Temperature of T_rwt: its variants should differ.", low=0)
    seed: int = setting(0, "Seed of T_rwt's draws.")
    shards: int = setting(2, "Independent shards of the MLLM stage.", low=1)
    source: str = setting("", "Published augmentation file to import in place of generation.")
