"""The trained retriever and adapter that come with the project: what is in their folder, and how it is written and opened."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from icl.errors import InputError
from icl.files import write_checksums, write_json
from icl.mllm.backends.registry import open_backend
from icl.mllm.protocol import Backend
from icl.mllm.settings import MLLMSettings
from icl.rerank.settings import THISettings

MODELS = Path(__file__).resolve().parents[2] / "models"
SHIPPED = MODELS / "synthpedes-icl"
"""Retriever of ICL for SynthPEDES, with its xi and the adapter of T_loc below `adapter/`."""
ADAPTER, XI, ORIGIN = "adapter", "xi.json", "origin.json"
WEIGHTS = f"{ADAPTER}/adapter_model.safetensors"


@dataclass(frozen=True)
class Judge:
    """Who answers in an interaction, and by which threshold it is asked.

    Attributes:
        backend: opened with the adapter. xi: similarity of the first image above which it is asked about that one alone.
    """

    backend: Backend
    mllm: MLLMSettings
    thi: THISettings
    xi: float


def shipped_judge(folder: Path = SHIPPED) -> Judge:
    """SynthVL with a folder's adapter and xi, under the default settings.

    Raises:
        InputError: a file is missing or damaged.
    """
    mllm = MLLMSettings(model=str(MODELS / "synthvl"))
    return Judge(open_backend(mllm, str(folder / ADAPTER)), mllm, THISettings(), read_xi(folder / XI))


def read_xi(path: Path) -> float:
    """The threshold that a run selected.

    Raises:
        InputError: no such file, or none in it.
    """
    try:
        return float(json.loads(path.read_text())["xi"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"no threshold ({type(error).__name__})"
        raise InputError(str(path), what, "the xi.json of a run", "Restore it, or run again.") from error


@dataclass(frozen=True)
class Trained:
    """Files of a finished run: `retriever` and `adapter` are folders, the rest JSON files.

    Attributes:
        plain, merged: test metrics without and with THI. judge: T_loc on held-out questions.
    """

    retriever: Path
    adapter: Path
    xi: Path
    plain: Path
    merged: Path
    judge: Path


def write_shipped(run: Trained, origin: dict, out: Path) -> None:
    """Write the folder that is shipped: weights, settings, tokenizer, xi, adapter, card and checksums.

    Args:
        origin: the settings that all this depends on (`icl.workflow.searching.origin_of`). out: removed first.
    """
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(run.retriever / "tokenizer", out / "tokenizer")
    (out / ADAPTER).mkdir()
    shutil.copyfile(run.retriever / "model.safetensors", out / "model.safetensors")
    shutil.copyfile(run.adapter / "adapter_model.safetensors", out / WEIGHTS)
    texts = {
        "model.json": run.retriever,
        "selection.json": run.retriever,
        f"{ADAPTER}/adapter_config.json": run.adapter,
    }
    for name, folder in texts.items():
        write_json(out / name, portable(_read(folder / Path(name).name)))
    write_json(out / XI, _read(run.xi))
    write_json(out / ORIGIN, portable(origin))
    (out / "README.md").write_text(card(run, portable(origin)))
    write_checksums(out, "**/*")


def portable(value):
    """A JSON value in which a path of one machine is only its last part."""
    if isinstance(value, dict):
        return {key: portable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [portable(item) for item in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def card(run: Trained, origin: dict) -> str:
    """The folder's README.md."""
    benchmark, plain, merged = next(iter(origin["datasets"])), _read(run.plain), _read(run.merged)
    before, after = (_read(run.judge)[name] for name in ("base", "lora"))
    chosen, xi = _read(run.retriever / "selection.json"), _read(run.xi)
    names = {"rank1": "Rank-1", "rank5": "Rank-5", "rank10": "Rank-10", "map": "mAP", "minp": "mINP"}
    rows = [f"| {title} | {plain[name]:.2f} | {merged[name]:.2f} |" for name, title in names.items()]
    asked = {"accuracy_own": "own images", "accuracy_easy": "easy negatives", "accuracy_hard": "worst confusions"}
    rows_judge = [f"| {title} | {before[name]:.1f} | {after[name]:.1f} |" for name, title in asked.items()]
    return _CARD.format(
        benchmark=benchmark,
        seed=origin["seed"],
        mllm=origin["mllm"]["model"],
        checkpoint=origin["retriever"]["checkpoint"],
        epoch=chosen["epoch"],
        rule=chosen["rule"],
        xi=xi["xi"],
        queries=plain["queries"],
        gallery=plain["gallery"],
        rows="\n".join(rows),
        judge="\n".join(rows_judge),
        folder=f"{benchmark}-icl",
    )


def _read(path: Path) -> dict:
    return json.loads(path.read_text())


_CARD = """# ICL for {benchmark}

The trained retriever of ICL (RDE with RDA) and the LoRA adapter of T_loc, as one run of this project leaves them. The target
`search` and `icl.apps.search.rank` answer with them.

| file | what |
|---|---|
| `model.safetensors`, `model.json`, `tokenizer/` | the retriever, float32, trained from `{checkpoint}` |
| `selection.json` | its epoch: {epoch}, by the rule {rule} |
| `xi.json` | THI's threshold, {xi:.4f}, and the values that were tried on val |
| `adapter/` | the adapter for `{mllm}` (PEFT) |
| `origin.json` | the settings that these depend on |
| `SHA256SUMS` | `sha256sum -c SHA256SUMS` |

## How it was made

    snakemake --cores all release --config 'seeds=[{seed}]'

on the default configuration (`config/config.yaml`) and two CPU cores; the folder is then
`results/release/{folder}`, which replaces this one. Weights differ slightly from one processor to another.

## Quality

Test split, {queries} queries against {gallery} images, in percent:

| | ICL | ICL+THI |
|---|---|---|
{rows}

Held-out questions of T_loc (val), accuracy in percent:

| | before LoRA | after LoRA |
|---|---|---|
{judge}

## Use and limits

It knows drawn pedestrians and a few hundred words, and never saw a photograph of a person: on real images its ranking means
nothing. Not for finding people; see "Responsible use" in the project's README.

Licence: Apache-2.0, as the project.
"""
