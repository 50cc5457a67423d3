"""The only reader of configuration: mapping -> typed settings -> mapping, and the schema of both.

`python -m icl.workflow.config` prints the schema that is committed as `config/schema.yaml`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from icl.data.settings import DatasetSettings
from icl.errors import InputError
from icl.fields import build, object_schema, wrong_value
from icl.rerank.ways import WAYS
from icl.retriever.settings import check_sizes
from icl.workflow.methods import ROWS
from icl.workflow.names import TRAINED
from icl.workflow.settings import Settings


def load_settings(mapping: dict) -> Settings:
    """Build the typed settings.

    Raises:
        InputError: unknown key (with the nearest known one), wrong type, value out of range, impossible
            combination; the message names the full path of the key.
    """
    settings = build(Settings, mapping, "")
    _check_datasets(settings)
    _check_training(settings)
    _check_retrievers(settings)
    _check_mllm(settings)
    _check_pretraining(settings)
    return settings


def settings_schema() -> dict:
    """JSON schema of the configuration."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **object_schema(Settings)}


def _check_datasets(settings: Settings) -> None:
    if not settings.results.strip():
        raise wrong_value("results", settings.results, "a folder")
    if not settings.datasets:
        raise InputError("config key datasets", "no benchmark", "at least one", "Add one under `datasets:`.")
    for key in ("methods", "seeds", "noise_variants"):
        values = getattr(settings, key)
        if not values or len(set(values)) < len(values):
            raise wrong_value(key, list(values), "a non-empty list without repeats")
    if settings.retriever.selection == "best-test" and not settings.retriever.watch_test:
        raise wrong_value("retriever.watch_test", False, "true, since retriever.selection is best-test")
    for name, dataset in settings.datasets.items():
        path = f"config key datasets.{name}"
        if bool(dataset.root) == bool(dataset.generator):
            found = "both root and generator" if dataset.root else "neither root nor generator"
            raise InputError(path, found, "exactly one of them", "Set root to the benchmark's folder.")
        if dataset.download and dataset.layout != "rstpreid" and not dataset.download_url:
            raise wrong_value(f"datasets.{name}.download", True, "false: its owners hand the files out on request only")
        if dataset.generator:
            _check_identities(name, dataset)
        ways = [way for method in settings.methods if (way := ROWS[method].way)]
        interacts = settings.retrievers or any("thi" in (way, *WAYS[way].builds_on) for way in ways)
        if interacts and dataset.xi is None and not dataset.has_val:
            raise InputError(f"{path}.xi", "null", "a number, since there is no val split to choose it on", "Set it.")


def _check_identities(name: str, dataset: DatasetSettings) -> None:
    """A generated benchmark has somebody to find, and in training and validation somebody to mistake for another."""
    if not (dataset.train_identities and dataset.test_identities):
        found, remedy = "no identities", "Set both."
        raise InputError(f"config key datasets.{name}", found, "train_identities and test_identities", remedy)
    if dataset.train_identities == 1:
        raise wrong_value(f"datasets.{name}.train_identities", 1, "at least 2: one alone has no negatives")
    if dataset.val_identities == 1:
        raise wrong_value(f"datasets.{name}.val_identities", 1, "0 or at least 2: one alone is always found")


def _check_training(settings: Settings) -> None:
    retriever, jobs = settings.retriever, settings.jobs
    patch = _patch_size(retriever.checkpoint)
    check_sizes(retriever, retriever.text_length, patch)
    for name, dataset in settings.datasets.items():
        if dataset.text_length is not None:
            check_sizes(retriever, dataset.text_length, patch, key=f"datasets.{name}.text_length")
    if retriever.warmup_epochs and retriever.warmup_epochs >= retriever.epochs:
        expected = f"fewer than the {retriever.epochs} of retriever.epochs"
        raise wrong_value("retriever.warmup_epochs", retriever.warmup_epochs, expected)
    if jobs.training_processes % jobs.training_nodes:
        expected = f"a divisor of jobs.training_processes, {jobs.training_processes}"
        raise wrong_value("jobs.training_nodes", jobs.training_nodes, expected)
    if retriever.batch_size < jobs.training_processes:
        expected = f"at least jobs.training_processes, {jobs.training_processes}: each takes a share of a batch"
        raise wrong_value("retriever.batch_size", retriever.batch_size, expected)
    percents = [round(100 * share, 6) for share in settings.noise_study]
    if any(p != int(p) for p in percents) or len(set(percents)) < len(percents):
        raise wrong_value("noise_study", list(settings.noise_study), "shares in whole percent, without repeats")


def _patch_size(checkpoint: str) -> int | None:
    """Of a transformers folder; None where it is not there yet, or of another form."""
    try:
        found = json.loads((Path(checkpoint) / "config.json").read_text())["vision_config"]["patch_size"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, int) and found > 0 else None


def _check_pretraining(settings: Settings) -> None:
    p = settings.pretrain
    if len(p.vl_mixture_steps) != 3:
        raise wrong_value("pretrain.vl_mixture_steps", list(p.vl_mixture_steps), "three numbers, one a stage")
    if p.clip_batch > 3 * p.clip_identities:
        expected = f"at most {3 * p.clip_identities}, three an identity of pretrain.clip_identities"
        raise wrong_value("pretrain.clip_batch", p.clip_batch, expected)


def _check_retrievers(settings: Settings) -> None:
    for name, given in settings.retrievers.items():
        path = f"retrievers.{name}"
        if name in TRAINED or name in settings.methods:
            raise wrong_value(path, name, f"a name of its own ({', '.join(TRAINED)} and the methods are taken)")
        if not given.source:
            raise wrong_value(f"{path}.source", "", "a checkpoint, or a folder of scores")


def _check_mllm(settings: Settings) -> None:
    if settings.mllm.backend == "openai" and not settings.mllm.url:
        raise wrong_value("mllm.url", "", "the server's address, such as http://localhost:8000/v1")
    name = settings.mllm.adapter_model
    if settings.mllm.backend not in ("openai", "ollama") or not name:
        return
    if unknown := set(re.findall(r"{(.*?)}", name)) - {"seed"}:
        raise wrong_value("mllm.adapter_model", name, f"a name; {{seed}} stands for the seed, not {{{min(unknown)}}}")
    if name == settings.mllm.model:
        raise wrong_value("mllm.adapter_model", name, "another name than mllm.model: the model with the adapter")
    if "{seed}" not in name and len(settings.seeds) > 1:
        remedy = "Serve one adapter a seed, and write {seed} where their names differ, as in icl-lora-seed{seed}."
        found, expected = f"'{name}', one adapter for the seeds {list(settings.seeds)}", "one adapter a seed"
        raise InputError("config key mllm.adapter_model", found, expected, remedy)


if __name__ == "__main__":
    import sys

    import yaml

    sys.stdout.write("# Generated by `python -m icl.workflow.config` from the settings.py of the rooms; do not edit.\n")
    sys.stdout.write(yaml.safe_dump(settings_schema(), sort_keys=False, width=110))
