"""Plug-ins by name: one entry a loss, layout, back-end, way to re-rank or figure.

The project's own stand in the registries; those of other packages are found by their entry points, so that nobody has to change
this project to add one:

    [project.entry-points."icl.losses"]
    mine = "my_package.my_loss:my_loss"
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from icl.errors import InputError

T = TypeVar("T")


class Registry(Mapping[str, T]):
    """Plug-ins by name, the project's own first. One is imported when it is asked for; the names are known before.

    Args:
        where: the configuration key that chooses among them. group: of the entry points that add to them.
        entries: the project's own; a text `module:attribute` stands for what is imported later.
        kind: class of the plug-ins; a function, where there is none.
    """

    def __init__(self, where: str, group: str, entries: Mapping[str, T | str], kind: type | None = None) -> None:
        self.where, self.group, self._own, self.kind = where, group, dict(entries), kind

    @cached_property
    def _outside(self) -> dict[str, EntryPoint]:
        found: dict[str, EntryPoint] = {}
        for point in sorted(entry_points(group=self.group), key=lambda point: point.name):
            if point.name in self._own or point.name in found:
                what = f"the name {point.name!r}, which is taken"
                raise InputError(_words(point, self.group), what, "a name of its own", "Rename that entry point.")
            found[point.name] = point
        return found

    @property
    def own(self) -> tuple[str, ...]:
        """Names of the project's own."""
        return tuple(self._own)

    def __iter__(self) -> Iterator[str]:
        yield from self._own
        yield from self._outside

    def __len__(self) -> int:
        return len(self._own) + len(self._outside)

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._outside

    def __getitem__(self, name: str) -> T:
        """The plug-in of a name.

        Raises:
            InputError: no such name, or one of another package that cannot be imported.
        """
        if name not in self._own:
            return self._loaded(name)
        entry = self._own[name]
        if isinstance(entry, str):
            module, attribute = entry.split(":")
            entry = self._own[name] = getattr(import_module(module), attribute)
        return entry

    def _loaded(self, name: str) -> T:
        if name not in self._outside:
            raise InputError(self.where, repr(name), f"one of {', '.join(self)}", f"Correct {self.where}.")
        point = self._outside[name]
        try:
            found = point.load()
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            remedy = "Mend that package, or uninstall it."
            raise InputError(_words(point, self.group), what, f"{point.value}", remedy) from error
        if not (isinstance(found, self.kind) if self.kind else callable(found)):
            expected = f"an instance of {self.kind.__name__}" if self.kind else "something that can be called"
            raise InputError(_words(point, self.group), repr(found), expected, "Correct that entry point.")
        return found

    def origin(self, name: str) -> str:
        """Package and version of a plug-in from outside; empty for the project's own."""
        point = self._outside.get(name)
        return "" if point is None or point.dist is None else f"{point.dist.name} {point.dist.version}"


def _words(point: EntryPoint, group: str) -> str:
    return f"entry point {point.name} of {group}, package {point.dist.name if point.dist else 'unknown'}"
