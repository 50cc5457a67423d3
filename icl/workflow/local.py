"""Files that a configuration names: looked for before any job, and refused where they are missing."""

from __future__ import annotations

import dataclasses
import difflib
import re
from pathlib import Path

from icl.errors import InputError
from icl.workflow.settings import Settings

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_FILE = (".pt", ".pth", ".bin", ".safetensors", ".json", ".npy")
HUB = "a hub id such as openai/clip-vit-base-patch16"


def located(settings: Settings, home: Path) -> Settings:
    """The shipped models are found from any working directory: where it lacks a model folder, the workflow's own is taken."""

    def find(source: str) -> str:
        """With a mistake in the last part of a name, too, the folder above tells that it is a path."""
        there = (home / source).exists() or ("/" in source and (home / source).parent.is_dir())
        here = Path(source).exists() or ("/" in source and Path(source).parent.is_dir())
        return str(home / source) if there and not here else source

    retriever = dataclasses.replace(settings.retriever, checkpoint=find(settings.retriever.checkpoint))
    return dataclasses.replace(
        settings, retriever=retriever, mllm=dataclasses.replace(settings.mllm, model=find(settings.mllm.model))
    )


def weights(source: str, key: str) -> list[str]:
    """The weights of a model, so that new ones rerun what uses them; none for a hub id.

    Args:
        source: folder, file or hub id. key: the configuration key that names it.

    Raises:
        InputError: neither of them; names the nearest path that is there.
    """
    path = Path(source)
    if path.is_file():
        return [source]
    if path.is_dir():
        found = [str(file) for kind in ("safetensors", "bin") for file in sorted(path.glob(f"*.{kind}"))]
        if not found:
            expected = "*.safetensors or *.bin beside config.json"
            raise InputError(f"config key {key}", f"the folder {source} without weights", expected, "Restore them.")
        return found
    if is_hub_id(source):
        return []
    raise _missing(key, source, f"a model's folder or file, or {HUB}")


def file(source: str, key: str) -> list[str]:
    """A file that the configuration names; none where it names none.

    Raises:
        InputError: it is not there.
    """
    if source and not Path(source).is_file():
        raise _missing(key, source, "a file")
    return [source] if source else []


def is_hub_id(source: str) -> bool:
    """Whether a name is a hub's rather than a path: organisation/model, where no such folder is here."""
    named = _HUB_ID.fullmatch(source) and not source.endswith(_FILE)
    return bool(named) and not Path(source).parent.is_dir()


def _missing(key: str, source: str, expected: str) -> InputError:
    path = Path(source)
    try:
        names = sorted(other.name for other in path.parent.iterdir())
    except OSError:
        names = []
    near = difflib.get_close_matches(path.name, names, n=1)
    remedy = f"Did you mean '{path.parent / near[0]}'?" if near else "Correct the path."
    return InputError(f"config key {key}", f"'{source}', which is not there", expected, remedy)
