"""One's own image folder, encoded once: `Index`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from icl.apps.index.gallery import Index

__all__ = ["Index"]


def __getattr__(name: str) -> object:
    """`Index` brings PyTorch along, which the workflow, that only lists files, is not to wait for at every start."""
    if name != "Index":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from icl.apps.index.gallery import Index

    return Index
