"""Opens a back-end, and looks before a run whether it answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from icl.mllm.backends import BACKENDS, is_served
from icl.mllm.protocol import Backend
from icl.mllm.settings import MLLMSettings

if TYPE_CHECKING:
    from icl.mllm.backends.served import Served


def open_backend(settings: MLLMSettings, adapter: str | None = None) -> Backend:
    """The back-end of the settings, with a LoRA adapter folder where given.

    Raises:
        InputError: unknown name; lists the known ones.
    """
    return BACKENDS[settings.backend](settings, adapter)


def adapter_of(judge: str, weights: list[str]) -> str | None:
    """What a judge's T_loc is answered with: the folder of its adapter's weights; `served` where a server holds it.

    Args:
        judge: base or lora. weights: the adapter's file, none where it is served.
    """
    if judge != "lora":
        return None
    return str(Path(weights[0]).parent) if weights else "served"


def check_server(settings: MLLMSettings, seeds: Sequence[int] = (1,)) -> None:
    """Whether the server of a served back-end answers, and each seed's adapter otherwise than the model without it.

    A line tells where images cost more than the configuration implies.

    Raises:
        InputError: it does not; says what to do.
    """
    if not is_served(settings.backend):
        return
    adapted = None if not settings.adapter_model else "served"
    each = [cast("Served", open_backend(s, adapted)) for s in dict.fromkeys(settings.of_seed(seed) for seed in seeds)]
    for backend in each:
        backend.check()
    if settings.backend == "replay":
        return
    from icl.mllm.backends.probe import for_every_task, require_adapter, tell_image_cost

    base = cast("Served", open_backend(settings))
    base.learn_from(each[0])
    tell_image_cost(base)
    for backend in each if adapted else []:
        require_adapter(base, for_every_task(backend))
