"""Back-ends by name; a new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable

from icl.mllm.protocol import Backend
from icl.registry import Registry

_HERE = "icl.mllm.backends"

BACKENDS: Registry[Callable[..., Backend]] = Registry(
    "mllm.backend",
    "icl.backends",
    {
        "transformers": f"{_HERE}.transformers_backend:TransformersBackend",
        "ollama": f"{_HERE}.ollama_backend:OllamaBackend",
        "openai": f"{_HERE}.openai_backend:OpenAIBackend",
        "replay": f"{_HERE}.replay_backend:ReplayBackend",
    },
)
"""(`MLLMSettings`, folder of the adapter, `served`, or None) to the back-end."""
_SERVED = {"transformers": False, "ollama": True, "openai": True, "replay": True}  # known without importing PyTorch


def is_served(name: str) -> bool:
    """Whether a back-end brings its own adapter: behind a server, which can be down, or in stored answers."""
    return _SERVED[name] if name in _SERVED else bool(getattr(BACKENDS[name], "served", False))
