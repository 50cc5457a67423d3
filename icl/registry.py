"""Plug-ins by name: one entry a loss, layout, back-end or figure."""

from __future__ import annotations

from typing import Generic, TypeVar

from icl.errors import InputError

T = TypeVar("T")


class Registry(dict[str, T], Generic[T]):
    """A dictionary whose missing names are an InputError that lists the known ones.

    Args:
        where: the configuration key that chooses among the entries.
    """

    def __init__(self, where: str, entries: dict[str, T]) -> None:
        super().__init__(entries)
        self.where = where

    def __missing__(self, name: str) -> T:
        raise InputError(self.where, repr(name), f"one of {', '.join(self)}", f"Correct {self.where}.")
