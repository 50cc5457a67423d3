"""What a configuration asks for: retrievers, judges, and the settings that each stage depends on.

The workflow's rules read this module, so that they hold no logic. It knows neither Snakemake nor any stage.
"""

from __future__ import annotations

import dataclasses

from icl.fields import to_mapping
from icl.retriever.ccd import variant_of
from icl.workflow.names import NOISY_RETRIEVER
from icl.workflow.settings import Settings

#: Raise a stage's number when its code changes what its output means: it then reruns, and what follows it.
STAGE_VERSIONS = {
    "benchmark": 1,
    "pairs": 1,
    "retriever": 4,
    "embed": 2,
    "metrics": 2,
    "mine": 1,
    "records": 1,
    "lora": 3,
    "judge": 2,
    "augment": 4,
    "thi": 3,
    "rerank": 1,
    "report": 2,
    "figures": 2,
    "pretrain": 1,
}


def retriever_part(settings: Settings, dataset: str, method: str) -> dict:
    """The retriever's settings for one benchmark: its text length; the last epoch where it has no val split.

    The two keys of Eq. (3) are left out for the baseline, which they do not touch.
    """
    spec, changes = settings.datasets[dataset], {}
    if spec.text_length is not None:
        changes["text_length"] = spec.text_length
    if not spec.has_val:
        changes["selection"] = "last"
    if noisy := NOISY_RETRIEVER.fullmatch(method):
        changes |= {"noise_rate": int(noisy[1]) / 100, "ccd": not noisy[2]}
    rate = changes.get("noise_rate", settings.retriever.noise_rate)
    changes["ccd_variant"] = variant_of(settings.retriever.ccd_variant, rate, spec.layout)
    part = to_mapping(dataclasses.replace(settings.retriever, **changes))
    if method != "rda":
        part = {key: value for key, value in part.items() if not key.startswith("rda_")}
    return part


def benchmark_part(settings: Settings, dataset: str) -> dict:
    """What the generator and the reader depend on."""
    part = to_mapping(settings.datasets[dataset])
    aside = ("sft_pairs", "xi", "text_length", "table", "fine_grained", "download", "download_url")
    return {key: value for key, value in part.items() if key not in aside}


def interaction_part(settings: Settings) -> dict:
    """THI's settings without those of its timing and of other re-rankings."""
    part = to_mapping(settings.thi)
    return {key: value for key, value in part.items() if key not in ("timing_queries", "yes_top_k")}


def lora_part(settings: Settings) -> dict:
    """LoRA's settings without those of the records."""
    part = to_mapping(settings.sft)
    return {key: value for key, value in part.items() if key != "negatives_top_k"}


def rda_part(settings: Settings) -> dict:
    """RDA's settings that its texts depend on."""
    part = to_mapping(settings.rda)
    return {key: value for key, value in part.items() if key not in ("shards", "source")}


def mllm_part(settings: Settings) -> dict:
    """The MLLM's settings."""
    return to_mapping(settings.mllm)
