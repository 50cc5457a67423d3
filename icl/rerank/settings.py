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
    timing_queries: int = setting(48, "Queries timed one by one for p50 and p95.", low=1, high=1_000_000)
