"""The methods that a table can show."""

from __future__ import annotations

from dataclasses import dataclass

from icl.rerank.ways import WAYS
from icl.retriever.losses import LOSSES


@dataclass(frozen=True)
class Row:
    """One method of the table.

    Attributes:
        retriever: whose similarities. way: how they are re-ranked (one of `WAYS`), or None.
        judge: who answers T_loc: `base` is the MLLM as it comes, `lora` the fine-tuned one; `none` where nobody is asked.
    """

    retriever: str
    way: str | None = None
    judge: str = "none"

    def folder(self, dataset: str, seed: int) -> str:
        """Where its results are, below the results folder."""
        if self.way is None:
            return f"metrics/{dataset}/{self.retriever}/seed{seed}"
        return f"{self.way}/{dataset}/{self.retriever}/{self.judge}/seed{seed}"

    def metrics(self, dataset: str, seed: int) -> str:
        """Its metrics file there."""
        return f"{self.folder(dataset, seed)}/{'metrics' if self.way else 'test'}.json"


#: Retrievers by the name that rows give them.
RETRIEVERS = {"RDE": "rde", "ICL": "rda"}

#: The paper's rows.
PAPER = {
    "RDE": Row("rde"),
    "RDE+THI": Row("rde", "thi", "lora"),
    "ICL": Row("rda"),
    "ICL+THI (no LoRA)": Row("rda", "thi", "base"),
    "ICL+THI": Row("rda", "thi", "lora"),
}


def _rows_of(key: str) -> dict[str, Row]:
    way = WAYS[key]
    return {f"{name}+{way.label}": Row(RETRIEVERS[name], key, way.judge) for name in way.on}


#: Rows by their name: the paper's, then those of every way to re-rank.
ROWS = PAPER | {name: row for key in WAYS for name, row in _rows_of(key).items()}

#: Their names: the choices of the key `methods`.
METHODS = tuple(ROWS)
OWN_METHODS = (*PAPER, *(name for key in WAYS.own for name in _rows_of(key) if name not in PAPER))
"""Without those of plug-ins."""

#: Rows of the default table: the others have a target of their own (`beyond`), as they take longer.
DEFAULT_METHODS = (*PAPER, "ICL+k-reciprocal", "ICL+Yes", "ICL+Evidence")

NOISE_VARIANTS: dict[str, dict] = {
    "tal": {},
    "noccd": {"ccd": False},
    **{name: {"loss": name} for name in LOSSES if name != "tal"},
}
"""Trainings that the noise study compares: RDE as it is (TAL with CCD), without CCD, and with other matching losses."""
OWN_VARIANTS = ("tal", "noccd", *(name for name in LOSSES.own if name != "tal"))
