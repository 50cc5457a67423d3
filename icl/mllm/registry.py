"""Back-ends by name; a new one is one file and one line here."""

from __future__ import annotations

from icl.errors import InputError
from icl.mllm.protocol import Backend
from icl.settings import MLLMSettings


def _transformers(settings: MLLMSettings, adapter: str | None) -> Backend:
    from icl.mllm.transformers_backend import TransformersBackend

    return TransformersBackend(settings, adapter)


BACKENDS = {"transformers": _transformers}


def open_backend(settings: MLLMSettings, adapter: str | None = None) -> Backend:
    """The back-end of the settings, with a LoRA adapter folder where given.

    Raises:
        InputError: unknown name; lists the known ones.
    """
    if settings.backend not in BACKENDS:
        raise InputError("mllm.backend", repr(settings.backend), f"one of {', '.join(BACKENDS)}", "Correct the config.")
    return BACKENDS[settings.backend](settings, adapter)
