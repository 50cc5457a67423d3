"""Settings of the pre-training."""

from __future__ import annotations

from dataclasses import dataclass

from icl.fields import SEED_LIMIT, setting


@dataclass(frozen=True)
class PretrainSettings:
    """Pre-training of the embedded models (rule target `pretrained`)."""

    seed: int = setting(
        1000, "Seed of the pre-training identities (disjoint from every benchmark).", low=0, high=SEED_LIMIT
    )
    threads: int = setting(2, "CPU threads.", low=1, high=4096, operational=True)
    clip_identities: int = setting(4000, "Identities seen by SynthCLIP.", low=1, high=1_000_000)
    clip_steps: int = setting(800, "Training steps of SynthCLIP.", low=1, high=100_000_000)
    clip_batch: int = setting(128, "Pairs in a batch of SynthCLIP, at most three an identity.", low=2, high=1_000_000)
    vl_identities: int = setting(7000, "Identities seen by SynthVL.", low=22, high=1_000_000)
    vl_vision_steps: int = setting(1500, "Steps of the vision tower's attribute stage.", low=1, high=100_000_000)
    vl_text_steps: int = setting(400, "Steps of the decoder's text-only stage.", low=1, high=100_000_000)
    vl_mixture_steps: tuple[int, ...] = setting(
        (600, 420, 160), "Steps of the stages joint, assistant and lenient (synthvl.MIXTURES).", low=1, high=100_000_000
    )
    held_out_identities: int = setting(
        150, "Unseen identities on which a trained model is measured.", low=2, high=1_000_000
    )
