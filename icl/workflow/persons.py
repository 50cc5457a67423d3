"""What the stages with people need: the models of the pack, its benchmark, and the journals of sessions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from icl.fields import decisive
from icl.human.journal import SUFFIX
from icl.workflow import searching
from icl.workflow.settings import Settings

PACK_KEYS = ("shared", "own", "shown", "pool")
"""Keys of `human` that a pack depends on."""


def models(settings: Settings) -> searching.Models:
    """The retriever, adapter and xi of THI, by the choice of `search.models`.

    Raises:
        InputError: the shipped ones are asked for and not there.
    """
    thi = replace(settings, search=replace(settings.search, way="thi"))
    return searching.models(thi, searching.folder_of())


def pack_part(settings: Settings) -> dict:
    """What a pack depends on beside its input files and the MLLM."""
    return {"thi": decisive(settings.thi, ("rounds", "lambda")), "human": decisive(settings.human, PACK_KEYS)}


def truth_file(settings: Settings) -> list[str]:
    """Attributes of the benchmark's images, where it is generated."""
    name = searching.searched(settings)
    return [f"{settings.results}/truth/{name}.parquet"] if settings.datasets[name].generator else []


def answers_folder(settings: Settings) -> str:
    """Where the pack's answers are kept: beside those of the run whose models answer, or on their own."""
    name, seed = searching.searched(settings), settings.seeds[0]
    own = Path(models(settings).model).is_relative_to(f"{settings.results}/retriever")
    return f"{settings.results}/answers/{f'{name}-rda-lora-seed{seed}-test' if own else 'human'}"


def journals(settings: Settings) -> list[str]:
    """The journals of people's sessions that are there."""
    return sorted(str(path) for path in Path(f"{settings.results}/human/sessions").glob(f"*{SUFFIX}"))


def simulated_codes(settings: Settings) -> list[str]:
    """Whose queries simulated people answer: those of people's sessions, so that all rows stand on the same queries; where
    nobody took part yet, those of codes of their own."""
    found = [Path(path).name.removesuffix(SUFFIX) for path in journals(settings)]
    return found or [f"simulated-{n:04d}" for n in range(1, settings.human.simulated + 1)]
