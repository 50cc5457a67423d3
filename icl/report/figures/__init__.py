"""The figures of the paper that show numbers, and those it lacks. One file a figure, and one line here."""

from __future__ import annotations

from icl.registry import Registry
from icl.report.figures.base import Figure, Place
from icl.workflow.paths import first_ccd, pairs_file
from icl.workflow.rows import shown

__all__ = ["FIGURES", "Figure", "Place"]
_HERE = "icl.report.figures"

FIGURES: Registry[Figure] = Registry(
    "figure",
    {
        "main": Figure(lambda s, d: [f"{s.results}/table.csv"], f"{_HERE}.main"),
        "density": Figure(lambda s, d: [shown(s, d, "record.jsonl"), shown(s, d, "chosen.json")], f"{_HERE}.density"),
        "sweeps": Figure(lambda s, d: [shown(s, d, "sweeps.json")], f"{_HERE}.sweeps"),
        "rounds": Figure(lambda s, d: [shown(s, d, "sweeps.json")], f"{_HERE}.rounds"),
        "examples": Figure(lambda s, d: [shown(s, d, "record.jsonl"), pairs_file(s, d)], f"{_HERE}.examples"),
        "method": Figure(
            lambda s, d: [shown(s, d, "record.jsonl"), pairs_file(s, d), f"{s.results}/table.csv"], f"{_HERE}.method"
        ),
        "ccd": Figure(lambda s, d: [first_ccd(s, d)], f"{_HERE}.ccd"),
        "noise": Figure(lambda s, d: [f"{s.results}/noise_epochs.csv"], f"{_HERE}.noise", shown=False),
        "frontier": Figure(lambda s, d: [f"{s.results}/beyond.csv"], f"{_HERE}.frontier", shown=False),
        "sizes": Figure(
            lambda s, d: [f"{s.results}/sizes/{d}/seed{n}.csv" for n in s.seeds], f"{_HERE}.sizes", shown=False
        ),
        "calibration": Figure(
            lambda s, d: [f"{s.results}/lora/seed{s.seeds[0]}/evaluation.json"], f"{_HERE}.calibration", shown=False
        ),
    },
)
