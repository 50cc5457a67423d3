"""CPU time and memory of several ways, and their distance to what this machine can multiply."""

from __future__ import annotations

import json
import multiprocessing
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

OUT = Path("results/bench")
SHAPES = ((2048, 2048, 2048), (1544, 768, 3072), (1544, 3072, 768))
"""Products (rows, inner, columns) that the ceiling is taken from: a large one, and those of ViT-B/16's MLP."""


def cpu_seconds(run: Callable[[], object]) -> float:
    """CPU seconds of all threads of this process: what other processes do meanwhile does not count."""
    start = time.process_time()
    run()
    return time.process_time() - start


def seconds(ways: list[Callable[[], object]], rounds: int) -> list[float]:
    """Least CPU seconds of each way over `rounds`, run in turn so that a slow moment of the machine hits all."""
    return [min(column) for column in zip(*([cpu_seconds(way) for way in ways] for _ in range(rounds)), strict=True)]


def ceiling(precision: str, rounds: int = 5) -> float:
    """FLOP in a CPU second of the fastest matrix product of this machine in one precision.

    The best of `rounds` over SHAPES, by PyTorch, and by NumPy too in float32. A product of (m, k) and (k, n) is 2 m k n FLOP.
    """
    best = 0.0
    for m, k, n in SHAPES:
        a, b = (torch.randn(shape, dtype=getattr(torch, precision)) for shape in ((m, k), (n, k)))
        ways = [lambda a=a, b=b: torch.nn.functional.linear(a, b)]
        if precision == "float32":
            x, y = a.numpy(), b.numpy()
            ways.append(lambda x=x, y=y: np.matmul(x, y.T))
        for way in ways:
            way()
        best = max(best, 2 * m * k * n / min(seconds(ways, rounds)))
    return best


def shares(flops: float, least: float, **spent: float) -> dict[str, float]:
    """What share of the ceiling each way reaches on the products that the task needs.

    Args:
        flops: as `tests.bench.arithmetic` counts them: the same for every way, so that work in vain counts against it.
        least: CPU seconds that they take at the ceiling. spent: CPU seconds of each way, by name.
    """
    return {"tflop": flops / 1e12} | {f"{name}_of_ceiling": least / value for name, value in spent.items()}


def _peak_mb() -> float:
    """Highest resident memory of this process; `ru_maxrss` would begin at that of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _child(function: Callable, arguments: tuple, threads: int, pipe) -> None:
    torch.set_num_threads(threads)
    result = function(*arguments)
    pipe.send({"result": result, "peak_mb": _peak_mb()})


def alone(function: Callable, *arguments) -> dict:
    """Run in a process of its own: {"result", "peak_mb" of the whole process}."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_child, args=(function, arguments, torch.get_num_threads(), theirs))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    finally:
        process.join()


def processor() -> str:
    """Name of the CPU, and what it multiplies with as far as PyTorch knows."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    name = info.split("model name")[1].split(":")[1].split("\n")[0].strip() if "model name" in info else ""
    units = {"AVX-512 bf16": torch.cpu._is_avx512_bf16_supported(), "AMX": torch.cpu._is_amx_tile_supported()}
    names = [torch.backends.cpu.get_cpu_capability(), *(unit for unit, there in units.items() if there)]
    return f"{name or platform.machine()} ({', '.join(names)})"


def write(name: str, rows: list[dict], ceilings: dict[str, float]) -> None:
    """Print the rows as a table and keep them with the machine they were measured on.

    Args:
        ceilings: by precision, as `ceiling` measures them in this run.
    """
    OUT.mkdir(parents=True, exist_ok=True)
    machine = {"machine": processor(), "threads": torch.get_num_threads(), "torch": torch.__version__}
    machine["ceiling_gflops"] = {precision: value / 1e9 for precision, value in ceilings.items()}
    (OUT / f"{name}.json").write_text(json.dumps({**machine, "rows": rows}, indent=1) + "\n")
    print("  ".join(f"{key} {value}" for key, value in machine.items()))
    for row in rows:
        print("  ".join(f"{key} {value:.3g}" if isinstance(value, float) else f"{value}" for key, value in row.items()))
