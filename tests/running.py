"""The workflow as its users call it, in folders of the tests' own; the smoke configuration."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd

HOUSE = Path(__file__).resolve().parents[1]


def command(folder: Path, *words: str) -> list[str]:
    """Snakemake on this Snakefile, in a working directory of its own that sees the shipped models."""
    if not (folder / "models").exists():
        (folder / "models").symlink_to(HOUSE / "models")
        (folder / "config").symlink_to(HOUSE / "config")
    start = [sys.executable, "-m", "snakemake", "--snakefile", str(HOUSE / "Snakefile"), "--directory", str(folder)]
    return [*start, "--cores", "2", *words]


def snakemake(folder: Path, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(command(folder, *words), capture_output=True, text=True, timeout=900)


TARGETS = ("results/smoke/table.csv", "results/smoke/figures/contact_sheet.png")
SMOKE = ("--configfile", str(HOUSE / "config" / "smoke.yaml"))


def jobs(done: subprocess.CompletedProcess) -> dict[str, int]:
    """The job table that Snakemake prints."""
    text = done.stdout + done.stderr
    if "Job stats:" not in text:
        return {}
    block = text.split("Job stats:")[1].split("\n\n")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", block, re.M) if name != "total"}


def table_of(folder: Path) -> pd.DataFrame:
    """The smoke run's table without what depends on the machine's speed."""
    return pd.read_csv(folder / "results/smoke/table.csv").drop(columns="seconds_per_query")


def text_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""
