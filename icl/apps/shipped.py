"""The trained retriever and adapter that come with the project: what is in their folder, and how it is written and opened."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from icl.errors import InputError
from icl.files import write_checksums, write_json
from icl.home import HOME
from icl.mllm.backends.registry import open_backend
from icl.mllm.protocol import Backend
from icl.mllm.settings import MLLMSettings
from icl.rerank.settings import RerankSettings, THISettings
from icl.rerank.ways import WAYS, parameters_of

MODELS = HOME / "models"
SHIPPED = MODELS / "synthpedes-icl"
"""Retriever of ICL for SynthPEDES, with the parameters of its re-rankings and the adapter of T_loc below `adapter/`."""
ADAPTER, ORIGIN = "adapter", "origin.json"
WEIGHTS = f"{ADAPTER}/adapter_model.safetensors"
CHOSEN = ("thi", "evidence", "captions", "captionsevidence")
"""Ways to re-rank whose chosen parameters are shipped, as chosen/<way>.json."""


@dataclass(frozen=True)
class Judge:
    """Who answers in a search, how the answers re-rank, and with which parameters.

    Attributes:
        backend: opened with the adapter. way: one of `icl.rerank.ways.WAYS`. chosen: its parameters.
    """

    backend: Backend
    mllm: MLLMSettings
    way: str
    chosen: dict
    thi: THISettings = THISettings()
    rerank: RerankSettings = RerankSettings()


def shipped_judge(folder: Path = SHIPPED, way: str = "evidence") -> Judge:
    """SynthVL with a folder's adapter and parameters, under the default settings.

    Raises:
        InputError: a file is missing or damaged.
    """
    mllm = MLLMSettings(model=str(MODELS / "synthvl"))
    chosen = read_chosen(way, [folder / name for name in chosen_names(way)])
    return Judge(open_backend(mllm, str(folder / ADAPTER)), mllm, way, chosen)


def chosen_names(way: str) -> list[str]:
    """Where a shipped folder holds the parameters of a way, and of those that it builds on."""
    names = [name for name in (*WAYS[way].builds_on, way) if WAYS[name].parameters]
    return [f"chosen/{name}.json" for name in names]


def read_chosen(way: str, paths: list[Path]) -> dict:
    """The parameters that a run chose on val.

    Raises:
        InputError: no such file, or a parameter of this way in none of them.
    """
    found: dict = {}
    for path in paths:
        try:
            found |= json.loads(path.read_text())
        except (OSError, ValueError, TypeError) as error:
            what = f"no parameters ({type(error).__name__})"
            raise InputError(str(path), what, "the chosen.json of a run", "Restore it, or run again.") from error
    if absent := [name for name in parameters_of(WAYS[way]) if name not in found]:
        raise InputError(str(paths[-1]), f"no {absent[0]}", "the chosen.json of a run", "Restore it, or run again.")
    return found


@dataclass(frozen=True)
class Trained:
    """Files of a finished run: `retriever` and `adapter` are folders, the rest JSON files.

    Attributes:
        chosen: parameters of the ways in `CHOSEN`. plain: test metrics of the retriever alone. merged: of THI, evidence and
            captions with evidence. judge: T_loc on held-out questions.
    """

    retriever: Path
    adapter: Path
    chosen: list[Path]
    plain: Path
    merged: list[Path]
    judge: Path


def write_shipped(run: Trained, origin: dict, out: Path) -> None:
    """Write the folder that is shipped: weights, settings, tokenizer, parameters, adapter, card and checksums.

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
    for name, path in zip(CHOSEN, run.chosen, strict=True):
        write_json(out / f"chosen/{name}.json", _read(path))
    write_json(out / ORIGIN, portable(origin))
    (out / "README.md").write_text(card(run, portable(origin)))
    write_checksums(out, "**/*")


def portable(value: Any) -> Any:
    """A JSON value in which a path of one machine is only its last part."""
    if isinstance(value, dict):
        return {key: portable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [portable(item) for item in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def card(run: Trained, origin: dict) -> str:
    """The folder's README.md."""
    benchmark, columns = next(iter(origin["datasets"])), [_read(path) for path in (run.plain, *run.merged)]
    before, after = (_read(run.judge)[name] for name in ("base", "lora"))
    chosen = _read(run.retriever / "selection.json")
    names = {"rank1": "Rank-1", "rank5": "Rank-5", "rank10": "Rank-10", "map": "mAP", "minp": "mINP"}
    rows = [f"| {title} | {' | '.join(f'{found[name]:.2f}' for found in columns)} |" for name, title in names.items()]
    asked = {"accuracy_own": "own images", "accuracy_easy": "easy negatives", "accuracy_hard": "worst confusions"}
    rows_judge = [f"| {title} | {before[name]:.1f} | {after[name]:.1f} |" for name, title in asked.items()]
    return _CARD.format(
        benchmark=benchmark,
        seed=origin["seed"],
        mllm=origin["mllm"]["model"],
        checkpoint=origin["retriever"]["checkpoint"],
        epoch=chosen["epoch"],
        rule=chosen["rule"],
        queries=columns[0]["queries"],
        gallery=columns[0]["gallery"],
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
| `chosen/` | parameters of the re-rankings, chosen on val, with the values that were tried |
| `adapter/` | the adapter for `{mllm}` (PEFT) |
| `origin.json` | the settings that these depend on |
| `SHA256SUMS` | `sha256sum -c SHA256SUMS` |

## How it was made

    snakemake --cores all release --config 'seeds=[{seed}]'

on the default configuration (`config/config.yaml`) and two CPU cores; the folder is then
`results/release/{folder}`, which replaces this one. Weights differ slightly from one processor to another.

## Quality

Test split, {queries} queries against {gallery} images, in percent:

| | ICL | ICL+THI | ICL+Evidence | ICL+Captions+Evidence |
|---|---|---|---|---|
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
