"""Which models the targets `index` and `search` answer with, and what they need before any job."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from icl.apps import shipped
from icl.apps.index.files import image_files, stamp
from icl.data.settings import DatasetSettings
from icl.errors import InputError
from icl.fields import decisive, to_mapping
from icl.mllm.settings import MLLMSettings, SFTSettings
from icl.rda.settings import RDASettings
from icl.retriever.settings import RetrieverSettings
from icl.workflow import paths, stages
from icl.workflow.settings import Settings

_MLLM = tuple(dict.fromkeys((*stages.MLLM_KEYS["augment"], *stages.MLLM_KEYS["lora"])))
_GIVEN = "--config 'search={query: a man in a red jacket, gallery: path/to/folder}'"
_PARTS = {"retriever": RetrieverSettings, "rda": RDASettings, "sft": SFTSettings, "mllm": MLLMSettings}


@dataclass(frozen=True)
class Models:
    """Attributes:
    model: the retriever's weights. adapter: of the MLLM; none where it is not asked, or where a server has it.
    chosen: parameters of the way to re-rank. who: which models these are, in words.
    """

    model: str
    adapter: list[str]
    chosen: list[str]
    who: str


def searched(settings: Settings) -> str:
    """The benchmark whose retriever answers: the first one of the table."""
    return next(iter(settings.tabled))


def asked(settings: Settings) -> str:
    """The folder to search.

    Raises:
        InputError: no query, no folder, or one that is not there.
    """
    for key in ("query", "gallery"):
        if not getattr(settings.search, key).strip():
            raise InputError(
                f"config key search.{key}", "an empty text", "a query and a gallery", f"Give both: {_GIVEN}"
            )
    return gallery(settings)


def gallery(settings: Settings) -> str:
    """The folder to index: the given one, or the test images of the first benchmark where the workflow draws it.

    Raises:
        InputError: none of them, or a folder that is not there.
    """
    given = settings.search.gallery
    if not given.strip():
        if settings.datasets[searched(settings)].generator:
            return f"{paths.image_root(settings, searched(settings))}/test"
        expected = "a folder of images"
        raise InputError("config key search.gallery", "an empty text", expected, f"Give one: {_GIVEN}")
    if not Path(given).is_dir():
        raise InputError(
            "config key search.gallery", f"'{given}', which is no folder", "a folder of images", "Correct it."
        )
    return given


def gallery_files(settings: Settings) -> list[str]:
    """What has to be there before the gallery is indexed.

    Raises:
        InputError: as `gallery`.
    """
    own = settings.search.gallery.strip()
    folder = gallery(settings)
    return [folder] if own else paths.generated_files(settings, searched(settings))


def gallery_state(settings: Settings) -> str:
    """What the given folder's images look like now, so that they are indexed again after one came, changed or went.

    Empty where none is given, or where there is none; that is said elsewhere.
    """
    folder = Path(settings.search.gallery)
    if not settings.search.gallery.strip():
        return ""
    try:
        stamps = [(name, stamp(folder / name)) for name in image_files(folder)]
    except InputError:
        return ""
    return hashlib.sha256(json.dumps(stamps).encode()).hexdigest()


def folder_of(name: str = "models/synthpedes-icl") -> Path:
    """The shipped folder below the working directory, or the project's own from elsewhere."""
    return Path(name) if Path(name).is_dir() else shipped.SHIPPED


def models(settings: Settings, folder: Path) -> Models:
    """The shipped models where they are asked for, or (auto) where this configuration would train the same; else the run's.

    Args:
        folder: the shipped ones (`folder_of()`).

    Raises:
        InputError: the shipped ones are asked for and not there.
    """
    choice, there = settings.search.models, (folder / shipped.ORIGIN).is_file()
    if choice == "shipped" and not there:
        remedy = "Restore it (git checkout models), or set search.models: run."
        raise InputError(str(folder), "no shipped retriever", "model.safetensors, origin.json and more", remedy)
    differing = differences(settings, json.loads((folder / shipped.ORIGIN).read_text())) if there else []
    if choice == "shipped" or (choice == "auto" and there and not differing):
        return _shipped(settings, folder, differing)
    return _own(settings, differing if choice == "auto" else [])


def _shipped(settings: Settings, folder: Path, differing: list[str]) -> Models:
    seed = json.loads((folder / shipped.ORIGIN).read_text())["seed"]
    who = f"the shipped ICL (models/{folder.name}, seed {seed})"
    if differing:
        who += f", although this configuration differs from its own: {'; '.join(differing)}"
    local = paths.adapter_file(settings, "lora", str(seed))  # none where a server holds the adapter
    way = settings.search.way
    adapter = [str(folder / shipped.WEIGHTS)] if way != "none" and local else []
    chosen = [str(folder / name) for name in shipped.chosen_names(way)] if way != "none" else []
    return Models(str(folder / "model.safetensors"), adapter, chosen, who)


def _own(settings: Settings, differing: list[str]) -> Models:
    seed, dataset = settings.seeds[0], searched(settings)
    who = f"this configuration's own ICL ({dataset}, seed {seed})"
    if differing:
        who += f"; it differs from the shipped one in {'; '.join(differing)}"
    way, on = settings.search.way, (dataset, "rda", "lora", str(seed))
    adapter = paths.adapter_file(settings, "lora", str(seed)) if way != "none" else []
    chosen = paths.chosen_files(settings, way, *on) if way != "none" else []
    return Models(paths.retriever_weights(settings, dataset, "rda", str(seed))[0], adapter, chosen, who)


def origin_of(settings: Settings) -> dict:
    """The settings that the searched retriever and the adapter depend on, and the seed."""
    datasets = {}
    for name, spec in settings.tabled.items():
        datasets[name] = stages.benchmark_part(settings, name) | {"sft_pairs": spec.sft_pairs}
    retriever, mllm = stages.retriever_part(settings, searched(settings), "rda"), decisive(settings.mllm, _MLLM)
    return {
        "seed": settings.seeds[0],
        "datasets": datasets,
        "retriever": retriever | {"checkpoint": _in_house(retriever["checkpoint"])},
        "rda": {key: value for key, value in decisive(settings.rda).items() if key != "shards"},
        "sft": decisive(settings.sft),
        "mllm": mllm | {"model": _in_house(mllm["model"])},
    }


def _in_house(source: str) -> str:
    """A shipped model's path as the default configuration names it, wherever the project lies."""
    home = shipped.MODELS.parent
    return Path(source).relative_to(home).as_posix() if Path(source).is_relative_to(home) else source


def differences(settings: Settings, origin: dict) -> list[str]:
    """Keys in which a configuration differs from the one that trained the shipped models, with both values.

    A key that is younger than the shipped models had its default then.
    """
    own = origin_of(settings)
    if list(own["datasets"]) != list(origin["datasets"]):
        return [f"datasets {', '.join(own['datasets'])} (shipped: {', '.join(origin['datasets'])})"]
    pairs = [("seed", own["seed"], origin["seed"])]
    parts = [(name, cls, own[name], origin[name]) for name, cls in _PARTS.items()]
    parts += [(f"datasets.{n}", DatasetSettings, own["datasets"][n], origin["datasets"][n]) for n in own["datasets"]]
    for where, cls, mine, theirs in parts:
        default = to_mapping(cls())
        pairs += [(f"{where}.{key}", value, theirs.get(key, default[key])) for key, value in mine.items()]
    return [f"{key} {mine} (shipped: {theirs})" for key, mine, theirs in pairs if mine != theirs]
