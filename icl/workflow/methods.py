"""The methods that a table can show."""

from __future__ import annotations

from dataclasses import dataclass


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


#: Ways to re-rank: THI, the Yes probability of the first images, k-reciprocal neighbours.
WAYS = ("thi", "yes", "neighbours")


#: Rows by their name: the paper's, then two re-rankings to compare THI with.
ROWS = {
    "RDE": Row("rde"),
    "RDE+THI": Row("rde", "thi", "lora"),
    "ICL": Row("rda"),
    "ICL+THI (no LoRA)": Row("rda", "thi", "base"),
    "ICL+THI": Row("rda", "thi", "lora"),
    "ICL+k-reciprocal": Row("rda", "neighbours"),
    "ICL+Yes": Row("rda", "yes", "lora"),
}

#: Their names: the choices of the key `methods`.
METHODS = tuple(ROWS)
