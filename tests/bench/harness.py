"""Time and memory of two ways, as a ratio."""

from __future__ import annotations

import json
import multiprocessing
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch

OUT = Path("results/bench")


def seconds(way: Callable[[], object], other: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Least time of each of two ways over `rounds`, run in turn so that a busy moment hits both."""
    best = [float("inf"), float("inf")]
    for _ in range(rounds):
        for k, run in enumerate((way, other)):
            start = time.perf_counter()
            run()
            best[k] = min(best[k], time.perf_counter() - start)
    return best[0], best[1]


def _peak_mb() -> float:
    """Highest resident memory of this process; `ru_maxrss` would begin at that of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _child(function: Callable, arguments: tuple, pipe) -> None:
    start = time.perf_counter()
    result = function(*arguments)
    pipe.send({"result": result, "seconds": time.perf_counter() - start, "peak_mb": _peak_mb()})


def alone(function: Callable, *arguments) -> dict:
    """Run in a process of its own: {"result", "seconds", "peak_mb" of the whole process}."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_child, args=(function, arguments, theirs))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    finally:
        process.join()


def write(name: str, rows: list[dict]) -> None:
    """Print the rows as a table and keep them with the machine they were measured on."""
    OUT.mkdir(parents=True, exist_ok=True)
    machine = {"machine": platform.processor() or platform.machine(), "threads": torch.get_num_threads()}
    machine |= {"torch": torch.__version__, "capability": torch.backends.cpu.get_cpu_capability()}
    (OUT / f"{name}.json").write_text(json.dumps({**machine, "rows": rows}, indent=1) + "\n")
    for row in rows:
        print("  ".join(f"{key} {value:.3g}" if isinstance(value, float) else f"{value}" for key, value in row.items()))
