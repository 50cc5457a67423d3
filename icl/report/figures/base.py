"""What a figure is: the files that it is drawn from, and the module that draws it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from icl.workflow.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure


@dataclass(frozen=True)
class Place:
    """Attributes:
    dataset: the benchmark of the figure. root: its image root. drawn: whether this project drew its images.
    """

    dataset: str
    root: Path
    drawn: bool = False


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        title: in the report. caption: what a reader needs to know to read it.
        inputs: settings and benchmark to the files that it is drawn from.
        module: where its `draw(paths, place)` is; imported only to draw, as the workflow reads `inputs` at every start.
        shown: whether the target `all` draws it for every benchmark of the table.
    """

    title: str
    caption: str
    inputs: Callable[[Settings, str], list[str]]
    module: str
    shown: bool = True

    def draw(self, paths: list[Path], place: Place) -> MatplotlibFigure:
        """The matplotlib figure."""
        return import_module(self.module).draw(paths, place)
