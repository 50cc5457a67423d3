"""Time per query of the re-rankings (supplementary, Table 1): several passes, their spread, and how busy the machine was."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from icl.progress import progress

STAGES = ("localisation", "vqa", "aggregation", "reencoding", "reranking")
"""What the time of a query is split into."""
SPREAD_BOUND = 0.25
"""A time is unsteady where slowest and fastest pass differ by more than this share of the median."""
OTHERS_BOUND = 0.1
"""A time is unsteady where other processes used more than this share of all cores meanwhile."""

Run = Callable[[list[int]], dict[str, float]]
"""Re-ranks the queries with these numbers, asked together and without a store; gives its seconds by stage."""


def machine_seconds() -> float | None:
    """CPU seconds that all processes have used since the machine started; None where nothing counts them.

    Time that a hypervisor gave to other machines ("steal") counts as used.
    """
    try:
        import psutil
    except ImportError:  # comes with Snakemake; the library works without it
        return None
    times = psutil.cpu_times()._asdict()
    return sum(times.get(name, 0.0) for name in ("user", "nice", "system", "irq", "softirq", "steal"))


@dataclass(frozen=True)
class Load:
    """Attributes:
    own: CPU seconds of this process in a second. others: of all other processes; None where unknown. cores: of the machine.
    """

    own: float
    others: float | None
    cores: int


class Watch:
    """Looks at the CPU time of this process and of the machine, from its creation to `load`.

    Args:
        clock, own, machine: seconds of wall time, of this process' CPU time, and of all processes' (None: not counted).
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        own: Callable[[], float] = time.process_time,
        machine: Callable[[], float | None] = machine_seconds,
    ) -> None:
        self._read = lambda: (clock(), own(), machine())
        self._start = self._read()

    def load(self) -> Load:
        """How busy the machine has been since."""
        (wall, own, machine), (wall0, own0, machine0) = self._read(), self._start
        span, others = max(wall - wall0, 1e-9), None
        if machine is not None and machine0 is not None and machine > machine0:
            others = max(0.0, (machine - machine0) - (own - own0)) / span
        return Load((own - own0) / span, others, os.cpu_count() or 1)


def unsteadiness(spread: float | None, load: Load, local: bool) -> str:
    """Why a time cannot be trusted; empty where nothing speaks against it.

    Args:
        spread: slowest less fastest pass, as a share of the median; None where there was one pass. load: meanwhile.
        local: the model runs in this process. A server of one's own is another process, so others' load says nothing then.
    """
    why = []
    if spread is not None and spread > SPREAD_BOUND:
        why.append(f"passes differ by {100 * spread:.0f}%")
    if local and load.others is not None and load.others > OTHERS_BOUND * load.cores:
        why.append(f"other processes used {load.others:.1f} of {load.cores} cores")
    return "; ".join(why)


CacheUse = dict[str, tuple[int, int]]
"""What a server has used of each kind, and how much of that came from a cache of its own."""


def cache_words(before: CacheUse, after: CacheUse) -> str:
    """Whether a server answered from its caches of prompts' beginnings and images, which make a later pass faster.

    Args:
        before, after: its `cache_use` when the timing began, and when it ended.
    """
    said = []
    for name, (used, cached) in after.items():
        early = before.get(name, (0, 0))
        if used > early[0]:
            said.append(f"{(cached - early[1]) / (used - early[0]):.0%} of {name}")
    return ", ".join(said) or "not told"


def time_of(
    run: Run,
    calls: dict[str, int],
    queries: int,
    count: int | None,
    passes: int,
    local: bool = True,
    watch: Callable[[], Watch] = Watch,
) -> dict:
    """Time per query: the median of several passes over the same queries, asked together; and of queries asked alone.

    The first pass also plans kernels and is not counted. All rows of a table are timed on the same queries.

    Args:
        calls: MLLM questions of the whole split by kind. queries: of the split.
        count: queries to time, evenly spread; None times the whole split and none of them alone.
        passes: how many are counted. local: see `unsteadiness`.

    Returns:
        seconds_per_query: of the median pass (of an even number, the faster of the middle two), and its split by stage.
        seconds_low, seconds_high, spread: of the passes. passes, timed_together: passes, and queries of each.
        own_load, others_load (CPU seconds in a second), cores; unsteady: a reason, or empty.
        p50, p95, timed_alone: seconds of queries asked one by one. calls, queries: as given.
        server_cache: empty, as no server is asked (`cache_words`).
    """
    size = queries if count is None else min(count, queries)
    chosen = np.unique(np.linspace(0, queries - 1, size).astype(int)).tolist()
    run(chosen)
    watched, runs = watch(), []
    for _ in progress(range(passes), passes, f"timing {len(chosen)} queries together, pass"):
        runs.append(run(chosen))
    load = watched.load()
    totals = [sum(seconds.values()) / len(chosen) for seconds in runs]
    median = statistics.median_low(totals)
    middle = runs[totals.index(median)]
    spread = (max(totals) - min(totals)) / median if passes > 1 and median > 0 else None
    found = {
        "seconds_per_query": median,
        "split": {stage: middle.get(stage, 0.0) / len(chosen) for stage in STAGES},
        "seconds_low": min(totals),
        "seconds_high": max(totals),
        "spread": spread,
        "passes": passes,
        "timed_together": len(chosen),
        "own_load": load.own,
        "others_load": load.others,
        "cores": load.cores,
        "unsteady": unsteadiness(spread, load, local),
        "server_cache": "",
        "calls": calls,
        "queries": queries,
    }
    if count is None:
        return found | {"p50": None, "p95": None, "timed_alone": 0}
    seconds = [sum(run([query]).values()) for query in progress(chosen, len(chosen), "timing queries one by one")]
    p50, p95 = (float(np.percentile(seconds, p)) for p in (50, 95))
    return found | {"p50": p50, "p95": p95, "timed_alone": len(chosen)}


def untimed(calls: dict[str, int], queries: int) -> dict:
    """The same form where answers were only replayed: no seconds."""
    numbers = ("seconds_per_query", "seconds_low", "seconds_high", "spread", "own_load", "others_load", "cores")
    counts = dict.fromkeys(("passes", "timed_together", "timed_alone"), 0)
    times = dict.fromkeys((*numbers, "p50", "p95")) | counts
    return times | {
        "split": dict.fromkeys(STAGES),
        "unsteady": "",
        "server_cache": "",
        "calls": calls,
        "queries": queries,
    }
