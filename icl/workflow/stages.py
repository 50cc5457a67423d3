"""What a configuration asks for: retrievers, judges, and the settings that each stage depends on.

The workflow's rules read this module, so that they hold no logic. It knows neither Snakemake nor any stage. What a rule
gets as params decides when it runs again, so each part below holds the keys that can change the stage's result, and no other:
operational keys (see `icl.fields.setting`) reach the scripts by the configuration.
"""

from __future__ import annotations

import dataclasses

from icl.fields import decisive
from icl.rerank.ways import WAYS
from icl.retriever.ccd import variant_of
from icl.workflow.names import noise_changes
from icl.workflow.rows import rows, transfers
from icl.workflow.settings import Settings

#: Raise a stage's number when its code changes what its output means: it then reruns, and what follows it.
STAGE_VERSIONS = {
    "benchmark": 1,
    "pairs": 1,
    "retriever": 4,
    "embed": 2,
    "metrics": 3,
    "mine": 1,
    "records": 1,
    "lora": 3,
    "judge": 4,
    "augment": 6,
    "sweeps": 7,
    "rerank": 6,
    "describe": 1,
    "index": 1,
    "pack": 1,
    "people": 1,
    "report": 4,
    "figures": 2,
    "pretrain": 1,
}

GENERATOR = ("layout", "root", "generator", "domain", "seed", "images_per_identity") + tuple(
    f"{split}_identities" for split in ("train", "val", "test")
)
_ANSWERER = ("backend", "model", "revision", "max_pixels", "precision")
_JUDGE = (*_ANSWERER, "adapter_model", "adapter_tasks")
_TEXTS = ("max_new_tokens_vqa", "max_new_tokens_text")
#: Keys of `mllm` by what asks it.
MLLM_KEYS = {
    "augment": (*_ANSWERER, *_TEXTS),
    "lora": ("model", "max_pixels", "precision"),
    "judge": _JUDGE,
    "thi": (*_JUDGE, *_TEXTS, "reading"),
    "rounds": (*_JUDGE, "reading"),
    "describe": (*_ANSWERER, *_TEXTS, "reading"),
    "merge": ("model",),
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
    changes |= noise_changes(method)
    rate = changes.get("noise_rate", settings.retriever.noise_rate)
    changes["ccd_variant"] = variant_of(settings.retriever.ccd_variant, rate, spec.layout)
    part = decisive(dataclasses.replace(settings.retriever, **changes))
    if method != "rda":
        part = {key: value for key, value in part.items() if not key.startswith("rda_")}
    return part


def benchmark_part(settings: Settings, dataset: str) -> dict:
    """What the generator depends on."""
    return decisive(settings.datasets[dataset], GENERATOR)


def way_part(settings: Settings, way: str) -> dict:
    """What a re-ranking's result depends on, beside its input files and the MLLM: its own keys of `thi` and `rerank`."""
    return {section: decisive(getattr(settings, section), keys) for section, keys in WAYS[way].uses.items()}


def way_version(way: str) -> list[int]:
    """Of what all re-rankings share, and of one alone."""
    return [STAGE_VERSIONS["rerank"], WAYS[way].version]


def answering_part(settings: Settings, way: str) -> dict:
    """The MLLM's settings that a re-ranking's answers depend on; none where it asks nothing."""
    return mllm_part(settings, WAYS[way].asks) if WAYS[way].asks else {}


def fixed_parameters(settings: Settings, way: str, dataset: str) -> dict | None:
    """Parameters that nothing has to be chosen for (see `Way.fixed`)."""
    spec = settings.datasets[dataset]
    return WAYS[way].fixed(settings.rerank, spec.xi, spec.has_val)


def lora_part(settings: Settings) -> dict:
    """LoRA's settings without those of the records."""
    part = decisive(settings.sft)
    return {key: value for key, value in part.items() if key != "negatives_top_k"}


def rda_part(settings: Settings) -> dict:
    """RDA's settings that its texts depend on."""
    return decisive(settings.rda, ("variants", "temperature", "seed"))


def mllm_part(settings: Settings, stage: str) -> dict:
    """The MLLM's settings that a stage depends on.

    Args:
        stage: a key of `MLLM_KEYS`.
    """
    return decisive(settings.mllm, MLLM_KEYS[stage])


def table_part(settings: Settings) -> dict:
    """What the tables depend on beside their input files: which rows there are, and the draws of the intervals."""
    return {
        "rows": [(dataset, method, seed) for dataset, method, _, seed in rows(settings)],
        "transfers": [(source, target, method, seed) for source, target, method, _, seed in transfers(settings)],
        "layouts": {name: spec.layout for name, spec in settings.datasets.items()},
        "fine_grained": [name for name, spec in settings.datasets.items() if spec.fine_grained],
        "bootstrap": settings.bootstrap,
    }
