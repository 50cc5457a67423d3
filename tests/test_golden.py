"""Parity with the published implementation's numeric reference vectors."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from icl.interaction import Interaction, top_candidates
from icl.metrics import retrieval_metrics
from icl.mllm.parsing import vqa_subtexts
from icl.retriever.ccd import clean_mask, divide, posterior_of_clean
from icl.retriever.losses import LOSSES
from icl.retriever.schedule import rate_factor, rda_weight
from icl.scores import MatrixScores, Reranked
from icl.settings import RetrieverSettings

GOLDEN = Path(os.environ.get("ICL_GOLDEN", Path(__file__).parents[1] / ".." / "shared" / "golden"))
needs_golden = [
    pytest.mark.golden,
    pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"no golden vectors at {GOLDEN} (set ICL_GOLDEN)"),
]
pytestmark = needs_golden


def load(name: str):
    return json.loads((GOLDEN / f"{name}.json").read_text()), np.load(GOLDEN / f"{name}.npz")


@pytest.mark.parametrize("case", ["a", "b", "c", "d"])
@pytest.mark.parametrize("name", ["tal", "trl", "infonce", "sdm"])
def test_losses_and_gradients(case, name):
    meta, data = load("tal")
    scores = torch.tensor(data[f"{case}_scores"], requires_grad=True)
    pids, label = torch.tensor(data[f"{case}_pids"]), torch.tensor(data[f"{case}_label"])
    losses = LOSSES[name](scores, pids, meta["tau"], meta["margin"])
    (losses * label).sum().backward()
    # Scores of +-1 underflow in the published softmax; the log-softmax keeps the exact value.
    rtol = 1e-3 if (case, name) == ("d", "infonce") else 2e-5
    np.testing.assert_allclose(losses.detach(), data[f"{case}_{name}"], atol=2e-6, rtol=rtol)
    expected = data[f"{case}_{name}_grad"]
    finite = np.isfinite(expected)
    assert torch.isfinite(scores.grad).all()
    scale = np.abs(expected[finite]).max()  # float32 sums of terms of this size
    np.testing.assert_allclose(scores.grad.numpy()[finite], expected[finite], atol=2e-6 * max(1, scale), rtol=2e-4)


def test_metrics():
    meta, data = load("metrics")
    names = {"R1": "rank1", "R5": "rank5", "R10": "rank10", "mAP": "map", "mINP": "minp"}
    found = retrieval_metrics(data["sims"], data["q_pids"], data["g_pids"]).summary()
    for official, ours in names.items():
        assert found[ours] == pytest.approx(meta["plain"][official], abs=1e-4)
    tied = retrieval_metrics(data["sims_ties"], data["q_pids"], data["g_pids"]).summary()
    best, worst = meta["ties"]["best_tie_order"], meta["ties"]["worst_tie_order"]
    for k, ours in enumerate(names.values()):
        assert worst[k] - 1e-4 <= tied[ours] <= best[k] + 1e-4


def test_schedule_and_rda_weight():
    meta = json.loads((GOLDEN / "schedule.json").read_text())
    settings = RetrieverSettings(epochs=60, warmup_epochs=5, lr=1e-5, rda_gamma_slope=0.03)
    rates = meta["default"]["lr_per_epoch"]["clip_weight"]
    assert [1e-5 * rate_factor(e, settings) for e in range(1, 61)] == pytest.approx(rates, rel=1e-9)
    weights = meta["aug_weight_per_epoch"]["values"]
    assert [rda_weight(e, settings) for e in range(1, len(weights) + 1)] == pytest.approx(weights)


def thi_round(meta, data, xi):
    """Drive our state machine with the stored answers; returns anchors, calls."""
    answers = {(a["caption"], a["image"]): a["answer"] for a in meta["localisation_answers"]}
    sims, anchors, asked = data["sims_base"], [], 0
    for q, (caption, candidates) in enumerate(
        zip(meta["captions"], top_candidates(MatrixScores(sims), meta["K"])[0], strict=True)
    ):
        one = Interaction(candidates.tolist(), float(sims[q, candidates[0]]), xi)
        while (column := one.question()) is not None:
            asked += 1
            one.tell("yes" in answers[caption, column].lower())  # the published substring test
        anchors.append(-1 if one.anchor is None else one.anchor)
    return anchors, asked


def test_thi_anchors_matrices_and_calls():
    meta, data = load("thi")
    assert np.array_equal(top_candidates(MatrixScores(data["sims_base"]), meta["K"])[0], data["topk_index"])
    anchors, asked = thi_round(meta, data, meta["xi"])
    assert anchors == meta["final_anchor"]
    assert asked <= meta["call_counts"]["minimum_for_identical_results"]["localisation"]
    rows = {text: row for text, row in zip(meta["refined_texts"], data["refined_rows"], strict=True)}
    refined = np.array([rows[meta["final_captions"][q]] for q, anchor in enumerate(anchors) if anchor >= 0])
    merged = Reranked(MatrixScores(data["sims_base"]), MatrixScores(refined), np.array(anchors), meta["lam"])
    np.testing.assert_allclose(merged.rows(slice(None)), data["sims_round5"], atol=1e-6)


def test_vqa_parser_keeps_every_answer_that_the_published_one_keeps():
    meta, _ = load("thi")
    for answer in meta["vqa_answers"]:
        ours = vqa_subtexts(answer)
        assert all(text.strip() for text in ours)
    for example in meta["process_examples"]:
        kept = [s.strip() for s in example["subtexts"] if s.strip(" .\r")]
        assert len(vqa_subtexts(example["raw"])) >= len(kept), example


@pytest.mark.parametrize("view", ["A", "B"])
@pytest.mark.parametrize(("case", "variant"), [("default", "default"), ("tight", "strict")])
def test_ccd_posteriors(view, case, variant):
    _, data = load("ccd")
    posterior = posterior_of_clean(data[f"loss_{view}"], variant, seed=0)
    np.testing.assert_allclose(posterior, data[f"{case}_prob_{view}"], atol=2e-3)
    assert np.array_equal(clean_mask(posterior), data[f"{case}_pred_{view}"].astype(bool))


@pytest.mark.parametrize("case", ["above", "above_ties", "mixed", "n_lt_100", "min_equals_half"])
def test_ccd_one_percent_rule(case):
    _, data = load("ccd")
    assert np.array_equal(clean_mask(data[f"split_{case}_prob"]), data[f"split_{case}_pred"].astype(bool))


def test_ccd_consensus_outside_disagreement():
    _, data = load("ccd")
    a, b, label = (data[k].astype(int) for k in ("default_pred_A", "default_pred_B", "label_hat"))
    found = divide(data["loss_A"], data["loss_B"], "default", seed=0)
    assert np.array_equal(found.clean[a == b], label[a == b])
    assert np.array_equal(found.agreed, a == b)
