"""Settings of the pre-training."""

from __future__ import annotations

from dataclasses import dataclass

from icl.fields import setting


@dataclass(frozen=True)
class PretrainSettings:
    """Pre-training of the embedded models (rule target `pretrained`)."""

    seed: int = setting(1000, "Seed of the pre-training identities (disjoint from every benchmark).")
    threads: int = setting(2, "CPU threads.", low=1, operational=True)
    clip_identities: int = setting(4000, "Identities seen by SynthCLIP.")
    clip_steps: int = setting(800, "Training steps of SynthCLIP.")
    clip_batch: int = setting(128, "Pairs in a batch of SynthCLIP.")
    vl_identities: int = setting(7000, "Identities seen by SynthVL.")
    vl_vision_steps: int = setting(1500, "Steps of the vision tower's attribute stage.")
    vl_text_steps: int = setting(400, "Steps of the decoder's text-only stage.")
    vl_mixture_steps: tuple[int, ...] = setting(
        (600, 420, 160), "Steps of the stages joint, assistant and lenient (synthvl.MIXTURES)."
    )
    held_out_identities: int = setting(150, "Unseen identities on which a trained model is measured.", low=1)
