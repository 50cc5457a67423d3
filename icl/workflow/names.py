"""Names that stand in paths: trained, transferred, noisy and given retrievers; splits."""

from __future__ import annotations

import re
from collections.abc import Iterable

from icl.workflow.methods import NOISE_VARIANTS
from icl.workflow.settings import Settings

#: Wildcards of the retrievers that are trained here: without and with RDA.
TRAINED = ("rde", "rda")


def one_of(names: Iterable[str]) -> str:
    """A pattern of exactly these names; one that matches nothing where there are none."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


def given(settings: Settings, kind: str) -> list[str]:
    """Names of the given retrievers of one kind."""
    return [name for name, spec in settings.retrievers.items() if spec.kind == kind]


def given_source(settings: Settings, dataset: str, method: str) -> str:
    """Where a given retriever is read from; `{dataset}` in the setting is the benchmark's name."""
    return settings.retrievers[method].source.replace("{dataset}", dataset)


TRANSFERRED_RETRIEVER = re.compile(rf"({'|'.join(TRAINED)})-from-(.+)")


def transferred(method: str, source: str) -> str:
    """Wildcard of a retriever that was trained on another benchmark."""
    return f"{method}-from-{source}"


def transfer_names(settings: Settings) -> list[str]:
    """All of these wildcards."""
    return [transferred(method, source) for source in settings.datasets for method in TRAINED]


NOISY_RETRIEVER = re.compile(rf"rde-noise(\d+)(?:-({'|'.join(list(NOISE_VARIANTS)[1:])}))?")
"""Wildcard of the noise study's retrievers: percent of permuted captions, and the variant where it is not RDE itself."""


def noise_methods(settings: Settings) -> dict[str, tuple[float, str]]:
    """Retrievers of the noise study: (rate, variant) by wildcard."""
    found = {}
    for rate in settings.noise_study:
        for variant in settings.noise_variants:
            found[f"rde-noise{round(100 * rate)}" + ("" if variant == "tal" else f"-{variant}")] = (rate, variant)
    return found


def noise_changes(method: str) -> dict:
    """Keys of `retriever` that a retriever of the noise study changes; none for another one.

    The test split is watched, so that the last epoch and the best one can be told beside the one that val selects.
    """
    found = NOISY_RETRIEVER.fullmatch(method)
    if not found:
        return {}
    return {"noise_rate": int(found[1]) / 100, "watch_test": True, **NOISE_VARIANTS[found[2] or "tal"]}


def splits(settings: Settings, dataset: str, method: str) -> list[str]:
    """Splits to embed: val where there is one; train for the baseline, whose confusions make the SFT set."""
    if TRANSFERRED_RETRIEVER.fullmatch(method):
        return ["test"]
    train, val = ["train"] * (method == "rde"), ["val"] * settings.datasets[dataset].has_val
    return [*train, *val, "test"]


def augmentation_source(settings: Settings, dataset: str) -> str:
    """Published augmentation file of a benchmark, or empty; `{dataset}` in the setting is its name."""
    return settings.rda.source.replace("{dataset}", dataset)


def generated(settings: Settings) -> list[str]:
    """Names of the benchmarks that the workflow writes itself."""
    return [name for name, spec in settings.datasets.items() if spec.generator]
