"""Settings of the re-rankings."""

from __future__ import annotations

from dataclasses import dataclass

from icl.fields import setting


@dataclass(frozen=True)
class THISettings:
    """Test-time human-centered interaction (Algorithm 1)."""

    rounds: int = setting(5, "Rounds K.", low=1, high=10_000)
    lambda_: float = setting(0.8, "Weight of the raw similarity in the re-ranking.", key="lambda", low=0, high=1)
    xi_grid: int = setting(41, "Candidates of xi tried on val (quantiles of the top-1 similarity).", low=1, high=10_000)
    yes_top_k: int = setting(
        5, "First images that the row ICL+Yes re-ranks by their Yes probability.", low=1, high=1_000_000
    )
    timing_queries: int = setting(
        48, "Queries that are timed, together and one by one (p50 and p95).", low=1, high=1_000_000
    )
    timing_passes: int = setting(3, "Passes over them; the table shows the median and the spread.", low=1, high=10_000)


@dataclass(frozen=True)
class RerankSettings:
    """Re-rankings beyond the paper's. What may be null is chosen on val, or a stated default where there is no val split."""

    evidence_top_k: int = setting(
        10, "First images that the evidence rows ask T_loc about, at most.", low=1, high=1_000_000
    )
    beta: float | None = setting(
        None, "Weight of T_loc's log-odds beside a similarity; null: chosen on val.", low=0, high=1000
    )
    budget: float = setting(
        2.5, "T_loc questions a query of ICL+Evidence (sequential), in the mean over val.", low=0, high=1_000_000
    )
    margin: float | None = setting(
        None,
        "What an answer is expected to move a similarity by (sequential); null: chosen on val within the budget.",
        low=0,
        high=1000,
    )
    caption_weight: float | None = setting(
        None, "Weight of the similarity to a gallery image's caption; null: chosen on val.", low=0, high=1
    )
