"""How the cost of the stages without a model grows with queries, gallery and captions: growth.json, and docs/growth.png."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from icl.mllm.protocol import Answer, Request
from icl.mllm.store import AnswerStore
from icl.ranking.metrics import retrieval_metrics
from icl.ranking.scores import blocks, top_candidates
from icl.report import style
from icl.rerank.k_reciprocal import by_neighbours
from icl.rerank.record import with_ranks
from icl.rerank.thi.merging import Reranked
from icl.retriever.ccd import divide
from icl.retriever.mining import top_k_negatives
from icl.workflow.resources import PORTION
from tests.bench.arithmetic import similarities
from tests.bench.bench_metrics import make
from tests.bench.harness import OUT, ceiling, cpu_seconds, shares, write

FIGURE = Path("docs/growth.png")
QUERIES, GALLERY, PER_IDENTITY = 1024, 3074, 3
"""What stays the same where the other grows, and images of an identity."""
ROUNDS = 3
Work = Callable[[], object]


@dataclass(frozen=True)
class Cost:
    """Attributes:
    what: the stage. against: what grows. sizes: of it. prepared: a size to a context that gives the work to time.
    flops: a size to the FLOP of the products that the work needs; None or 0 where it needs none.
    """

    what: str
    against: str
    sizes: tuple[int, ...]
    prepared: Callable
    flops: Callable[[int], int] | None = None


@contextmanager
def evaluation(queries: int, gallery: int) -> Iterator[Work]:
    scores, *pids = make(queries, gallery, gallery // PER_IDENTITY)
    yield lambda: retrieval_metrics(blocks(scores), *pids)


@contextmanager
def ranking(queries: int, gallery: int) -> Iterator[Work]:
    """Metrics of similarities that are there already."""
    scores, *pids = make(queries, gallery, gallery // PER_IDENTITY)
    whole = scores.rows(slice(None))
    yield lambda: retrieval_metrics(whole, *pids)


@contextmanager
def interaction(queries: int, gallery: int) -> Iterator[Work]:
    """THI's own work on similarities, without the model: candidates, re-ranking, metrics and the interaction record."""
    scores, texts, images = make(queries, gallery, gallery // PER_IDENTITY)
    emb = SimpleNamespace(
        text_pids=texts, image_pids=images, caption_ids=np.arange(queries), image_ids=np.arange(gallery)
    )

    def work() -> None:
        candidates, _ = top_candidates(scores, 5)
        after = Reranked(scores, scores, candidates[:, 0], 0.8)
        retrieval_metrics(blocks(after), texts, images)
        with_ranks([{"candidates": row.tolist()} for row in candidates], emb, scores, after)

    yield work


@contextmanager
def neighbours(size: int) -> Iterator[Work]:
    """As many queries as images."""
    scores, *_ = make(size, size, size // PER_IDENTITY)
    yield lambda: by_neighbours(scores)


@contextmanager
def mining(captions: int) -> Iterator[Work]:
    """Hard negatives of all captions among their own images, two captions each."""
    scores, texts, images = make(captions, captions // 2, captions // 2 // PER_IDENTITY)

    def work() -> None:
        for start in range(0, captions, PORTION):
            part = np.arange(start, min(start + PORTION, captions))
            top_k_negatives(scores.rows(part), texts[part], images, 10)

    yield work


@contextmanager
def division(captions: int) -> Iterator[Work]:
    """CCD of two losses."""
    rng = np.random.default_rng(0)
    losses = rng.gamma(2.0, 1.0, (2, captions)) + 3 * (rng.random(captions) < 0.2)
    yield lambda: divide(*losses, "default", 0)


@contextmanager
def store(captions: int) -> Iterator[Work]:
    """Opening a store with eight answers for each caption, as RDA leaves them."""
    with tempfile.TemporaryDirectory() as folder:
        request, answer = Request("rewrite", "a caption", None, 8), Answer("a description of a person " * 8)
        AnswerStore(Path(folder), "a").add([(f"{n:064x}", request, answer) for n in range(8 * captions)])
        yield lambda: AnswerStore(Path(folder), "b")


def doubled(first: int, count: int) -> tuple[int, ...]:
    return tuple(first * 2**n for n in range(count))


def costs() -> list[Cost]:
    """All curves; each ends well below the official counts, so that the whole takes about two minutes."""
    found = []
    for what, work, products in (
        ("evaluation from embeddings", evaluation, 1),
        ("metrics of similarities", ranking, 0),
        ("THI without the model", interaction, 2),
    ):
        fixed_gallery, fixed_queries = partial(work, gallery=GALLERY), partial(work, QUERIES)
        found.append(Cost(what, "queries", doubled(512, 5), fixed_gallery, partial(pairs, products, gallery=GALLERY)))
        found.append(Cost(what, "gallery", doubled(1024, 5), fixed_queries, partial(pairs, products, QUERIES)))
    return [
        *found,
        Cost("k-reciprocal", "queries = gallery", doubled(512, 4), neighbours, among_all),
        Cost(
            "hard negatives",
            "captions",
            doubled(2048, 4),
            mining,
            lambda captions: similarities(captions, captions // 2),
        ),
        Cost("CCD", "captions", doubled(2048, 5), division),
        Cost("opening the answer store", "captions", doubled(2048, 5), store),
    ]


def among_all(size: int) -> int:
    """FLOP of the queries' similarities to the images, and of all vectors' products with each other."""
    return similarities(size, size) + similarities(2 * size, 2 * size)


def pairs(products: int, queries: int, gallery: int) -> int:
    """FLOP of so many similarity matrices."""
    return products * similarities(queries, gallery)


def measured(cost: Cost, most: float) -> list[dict]:
    """A row for each size."""
    rows = []
    for size in cost.sizes:
        with cost.prepared(size) as work:
            spent = min(cpu_seconds(work) for _ in range(ROUNDS))
        row = {"what": cost.what, "against": cost.against, "size": size, "seconds": spent}
        flops = cost.flops(size) if cost.flops else None
        rows.append(row | (shares(flops, flops / most, ours=spent) if flops else {}))
    return rows


def slope(sizes: list[int], seconds: list[float]) -> float:
    """Exponent of the growth: of the straight line through the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def curves(rows: list[dict]) -> dict[tuple[str, str], tuple[list[int], list[float]]]:
    """Sizes and seconds by (what grows, stage)."""
    found: dict = {}
    for row in rows:
        sizes, seconds = found.setdefault((row["against"], row["what"]), ([], []))
        sizes.append(row["size"])
        seconds.append(row["seconds"])
    return found


def draw(path: Path, out: Path) -> None:
    """The figure from growth.json: a panel for each of queries, gallery and captions, with slopes."""
    data = json.loads(path.read_text())
    figure, axes = style.new_figure(1, 3, width=9.2, height=2.9)
    for axis, wanted in zip(axes, ("queries", "gallery", "captions"), strict=True):
        chosen = [(k, v) for k, v in curves(data["rows"]).items() if k[0].split(" = ")[0] == wanted]
        colours = (style.BLUE, style.ORANGE, style.GREEN, style.PURPLE)[: len(chosen)]
        for colour, ((against, what), (sizes, seconds)) in zip(colours, chosen, strict=True):
            name = f"{what} ({against})" if "=" in against else what
            axis.loglog(sizes, seconds, "o-", color=colour, label=f"{name}: {slope(sizes, seconds):.2f}")
        low, high = axis.get_ylim()
        axis.set(xlabel=wanted, ylim=(low, 60 * high))  # room for the legend
        axis.set_xticks(sorted({size for _, (sizes, _) in chosen for size in sizes})[::2])
        axis.xaxis.set_major_formatter("{x:,.0f}")
        axis.yaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter("")
        axis.legend(title="slope", alignment="left", loc="upper left")
    axes[0].set_ylabel("CPU seconds")
    figure.suptitle(f"{data['machine']}, threads: {data['threads']}", fontsize=7, color=style.GREY)
    figure.savefig(out, dpi=120, metadata={"Software": None})
    style.plt.close(figure)


def main() -> None:
    most = ceiling("float32")
    write("growth", [row for cost in costs() for row in measured(cost, most)], {"float32": most})
    draw(OUT / "growth.json", FIGURE)
    for (against, what), (sizes, seconds) in curves(json.loads((OUT / "growth.json").read_text())["rows"]).items():
        print(f"{what} against {against}: slope {slope(sizes, seconds):.2f}")


if __name__ == "__main__":
    main()
