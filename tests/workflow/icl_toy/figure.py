"""A figure: Rank-1 of every row as dots."""

import pandas as pd

from icl.report.figures import Figure
from icl.report.style import new_figure


def draw(paths, place):
    table = pd.read_csv(paths[0])
    figure, axis = new_figure()
    axis.plot(table.rank1, table["method"], "o")
    return figure


FIGURE = Figure(
    "Rank-1 as dots", "One dot a row.", lambda settings, dataset: [f"{settings.results}/table.csv"], __name__
)
