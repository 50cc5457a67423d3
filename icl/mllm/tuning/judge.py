"""How well an MLLM localises: accuracy, AUROC and calibration of T_loc on held-out questions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from icl.errors import InputError
from icl.mllm import prompts
from icl.mllm.protocol import YES_NO, Backend, Request, require_answers
from icl.mllm.reading import unscored, yes_share


def auroc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Chance that a positive scores above a negative (ties count half)."""
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(positive, negative).statistic / (len(positive) * len(negative)))


def calibration_error(shares: np.ndarray, truth: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error of Yes probabilities."""
    return sum(abs(said - right) * count for said, right, count in reliability(shares, truth, bins)) / len(shares)


def reliability(shares: np.ndarray, truth: np.ndarray, bins: int = 10) -> list[tuple[float, float, int]]:
    """(mean Yes probability, share of true ones, questions) of each bin of probabilities that has any."""
    place = np.minimum((shares * bins).astype(int), bins - 1)
    chosen = [place == b for b in sorted(set(place.tolist()))]
    return [(float(shares[c].mean()), float(truth[c].mean()), int(c.sum())) for c in chosen]


def evaluate_localisation(backend: Backend, records: list[dict], root: Path) -> dict[str, Any]:
    """Ask T_loc on held-out records of kinds own, easy and hard.

    Returns:
        accuracy_own, accuracy_easy, accuracy_hard (percent), auroc_easy, auroc_hard, calibration_error, questions, reliability;
        those of a kind without records are left out. `unscored`, where there are any: answers that are 0 or 1 for want of
        probabilities.

    Raises:
        InputError: no records.
    """
    if not records:
        remedy = "Leave the judge out, or give a benchmark with a val split of two identities or more."
        raise InputError("held-out questions", "none", "captions of a val split", remedy)
    requests = [Request("localise", prompts.localise_text(r["caption"]), root / r["image"], 4, YES_NO) for r in records]
    answers = backend.answer(requests)
    require_answers(requests, answers, backend)
    shares = np.array([yes_share(answer) for answer in answers])
    kinds = np.array([record["kind"] for record in records])
    own = shares[kinds == "own"]
    out: dict[str, Any] = {"accuracy_own": 100 * float((own > 0.5).mean())}
    for kind in ("easy", "hard"):
        wrong = shares[kinds == kind]
        if len(wrong):
            out[f"accuracy_{kind}"] = 100 * float((wrong <= 0.5).mean())
            out[f"auroc_{kind}"] = auroc(own, wrong)
    out["calibration_error"] = calibration_error(shares, kinds == "own")
    if count := unscored(answers):
        out["unscored"] = count
    return {**out, "questions": len(records), "reliability": reliability(shares, kinds == "own")}
