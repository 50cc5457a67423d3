"""Parity with the published implementation's numeric reference vectors."""

import json
import re

import numpy as np
import pytest
import torch
from vectors_at import GOLDEN, load

from icl.mllm.reading import VERDICT, vqa_subtexts
from icl.ranking.metrics import retrieval_metrics
from icl.retriever.ccd import clean_mask, divide, posterior_of_clean, variant_of
from icl.retriever.losses import LOSSES, total
from icl.retriever.settings import RetrieverSettings
from icl.retriever.training.schedule import rate_factor, rda_weight

pytestmark = pytest.mark.golden


@pytest.mark.parametrize("case", ["a", "b", "c", "d"])
@pytest.mark.parametrize("name", ["tal", "trl", "infonce", "sdm"])
def test_losses_and_gradients(case, name):
    meta, data = load("tal")
    scores = torch.tensor(data[f"{case}_scores"], dtype=torch.float64, requires_grad=True)
    pids, label = torch.tensor(data[f"{case}_pids"]), torch.tensor(data[f"{case}_label"])
    losses = LOSSES[name](scores, pids, meta["tau"], meta["margin"])
    (losses * label).sum().backward()
    # Scores of +-1 underflow in the published softmax; the log-softmax keeps the exact value.
    rtol = 1e-3 if (case, name) == ("d", "infonce") else 2e-5
    np.testing.assert_allclose(losses.detach(), data[f"{case}_{name}"], atol=2e-6, rtol=rtol)
    expected = data[f"{case}_{name}_grad"]
    finite = np.isfinite(expected)
    assert torch.isfinite(scores.grad).all()
    # Ours is computed in float64; the stored float32 sums are off by the rounding of their terms.
    atol = 2e-6 * max(1, np.abs(expected[finite]).max())
    if name == "sdm":  # terms: logit scale x (logit - log of the target)
        atol = np.finfo(np.float32).eps * 50 * (2 * 50 - np.log(1e-8))
    np.testing.assert_allclose(scores.grad.numpy()[finite], expected[finite], atol=atol, rtol=2e-4)


@pytest.mark.parametrize("case", ["a", "b", "c", "d"])
def test_the_gradient_of_sdm_is_exact(case):
    """In float64, against the formula written out with its softmax and against central differences."""
    _, data = load("tal")
    scores = torch.tensor(data[f"{case}_scores"], dtype=torch.float64)[:6, :6].clamp(-0.3, 0.3).requires_grad_()
    pids = torch.tensor(data[f"{case}_pids"])[:6]
    same = (pids[:, None] == pids[None]).double()
    targets = same / same.sum(1, keepdim=True)

    def written_out(s):
        p = (50 * s).softmax(1)
        return (p * (p.log() - (targets + 1e-8).log())).sum(1)

    ours = LOSSES["sdm"](scores, pids, 0.015, 0.1)
    torch.testing.assert_close(ours, written_out(scores) + written_out(scores.T))
    assert torch.autograd.gradcheck(lambda s: LOSSES["sdm"](s, pids, 0.015, 0.1), scores)


def test_metrics():
    meta, data = load("metrics")
    names = {"R1": "rank1", "R5": "rank5", "R10": "rank10", "mAP": "map", "mINP": "minp"}
    found = retrieval_metrics(data["sims"], data["q_pids"], data["g_pids"]).summary()
    for official, ours in names.items():
        assert found[ours] == pytest.approx(meta["plain"][official], abs=1e-4)
    ranked = retrieval_metrics(data["sims"], data["q_pids"], data["g_pids"]).first
    np.testing.assert_allclose([100 * (ranked <= k).mean() for k in range(1, 11)], data["plain_cmc10"], atol=1e-4)


def test_metrics_under_ties():
    """The lower column first: within the best and the worst order, and what a stable sort gives."""
    meta, data = load("metrics")
    tied = retrieval_metrics(data["sims_ties"], data["q_pids"], data["g_pids"]).summary()
    best, worst, stable = (meta["ties"][f"{order}_tie_order"] for order in ("best", "worst", "stable_index"))
    for k, ours in enumerate(("rank1", "rank5", "rank10", "map", "minp")):
        assert worst[k] - 1e-4 <= tied[ours] <= best[k] + 1e-4
        assert tied[ours] == pytest.approx(stable[k], abs=1e-4)


@pytest.mark.parametrize("name", ["TAL", "TRL", "InfoNCE", "SDM"])
def test_losses_from_raw_features(name):
    """Normalised, scored, and put together: sums for TAL and TRL, means over the clean pairs for InfoNCE and SDM."""
    meta, data = load("tal")
    image, text = (torch.nn.functional.normalize(torch.tensor(data[f"f_{kind}"]), dim=-1) for kind in ("img", "txt"))
    pids, label, loss = torch.tensor(data["f_pids"]), torch.tensor(data["f_label"]), LOSSES[name.lower()]
    values = loss(image @ text.T, pids, meta["tau"], meta["margin"])
    np.testing.assert_allclose((image @ text.T).diagonal(), data["f_diag"], atol=1e-6)
    np.testing.assert_allclose(values, data[f"f_{name}_per"], atol=2e-6, rtol=2e-5)
    np.testing.assert_allclose(total(loss, values, label), data[f"f_{name}_rbs"][0], rtol=2e-5)


def test_batches_that_break_the_published_gradient_have_a_finite_one():
    """One pair, one identity: no negatives, loss 0; a temperature so low that the published sum overflows."""
    meta, _ = load("tal")
    for name, case in meta["edge"].items():
        scores, pids = torch.tensor(case["scores"], requires_grad=True), torch.tensor(case["pids"])
        tau = float(name.removeprefix("tau_")) if name.startswith("tau_") else meta["tau"]
        losses = LOSSES["tal"](scores, pids, tau, meta["margin"])
        losses.sum().backward()
        assert torch.isfinite(losses).all() and torch.isfinite(scores.grad).all(), name
        told = np.array([float(value) for value in case["loss"]])
        finite = np.isfinite(told)
        np.testing.assert_allclose(losses.detach().numpy()[finite], told[finite], atol=1e-6, err_msg=name)
        if (
            pids.unique().numel() == 1
        ):  # not by the positives' similarity, but because there is nothing to be apart from
            assert (LOSSES["tal"](scores.detach() - 1, pids, tau, meta["margin"]) == 0).all(), name


def test_schedule_and_rda_weight():
    meta = json.loads((GOLDEN / "schedule.json").read_text())
    settings = RetrieverSettings(epochs=60, warmup_epochs=5, lr=1e-5, rda_gamma_slope=0.03)
    rates = meta["default"]["lr_per_epoch"]["clip_weight"]
    assert [1e-5 * rate_factor(e, settings) for e in range(1, 61)] == pytest.approx(rates, rel=1e-9)
    weights = meta["aug_weight_per_epoch"]["values"]
    assert [rda_weight(e, settings) for e in range(1, len(weights) + 1)] == pytest.approx(weights)


def test_vqa_parser_keeps_every_answer_that_the_published_one_keeps():
    """All words of it, in their order; but for verdicts, of which the published reading leaves or takes others."""
    meta, _ = load("thi")
    examples = [(example["raw"], example["subtexts"]) for example in meta["process_examples"]]
    for raw, published in examples + [(answer, []) for answer in meta["vqa_answers"]]:
        ours, kept = vqa_subtexts(raw), [text for text in published if text.strip(" .\r")]
        assert len(ours) >= len(kept), raw
        for text in kept:
            assert words(text) in "".join(map(words, ours)), (raw, text)
        for text in ours:
            assert re.search(r"\w", text) and text[-1] in ".!?。" and text[0] == text[0].upper(), (raw, text)
            assert words(text) in words(raw), (raw, "nothing is added")
            begins = VERDICT.match(text)
            assert not begins or not text[begins.end() :].lstrip().startswith(","), (raw, "a verdict was left")


def words(text: str) -> str:
    """Its words without verdicts and numbers of items, with a blank before and after each."""
    plain = re.sub(r"\b\d{1,2}[.)](?!\d)", " ", VERDICT.sub(" ", text).lower().replace("ss", "ß"))
    return "".join(f" {word} " for word in re.findall(r"\w+", plain))


@pytest.mark.parametrize("view", ["A", "B"])
@pytest.mark.parametrize("case", ["default", "tight", "tight_noise", "overlap"])
def test_ccd_posteriors(view, case):
    """With the variant that `auto` takes for the case's noise and benchmark; mixtures that overlap depend on the seed."""
    meta, data = load("ccd")
    told = meta["cases"][case]
    layout = "rstpreid" if told["dataset_name"] == "RSTPReid" else "cuhk-pedes"
    variant = variant_of("auto", told["noisy_rate"], layout)
    losses = data[f"loss_{view}{'2' if case == 'overlap' else ''}"]
    posterior = posterior_of_clean(losses, variant, seed=0)
    slack = 2e-3 + 5 * told["max_prob_change_over_5_other_seeds"]
    np.testing.assert_allclose(posterior, data[f"{case}_prob_{view}"], atol=slack)
    flipped = clean_mask(posterior) != data[f"{case}_pred_{view}"].astype(bool)
    assert flipped.sum() <= 3 * told["max_pred_flips_over_5_other_seeds"]


@pytest.mark.parametrize("case", ["above", "above_ties", "mixed", "n_lt_100", "min_equals_half"])
def test_ccd_one_percent_rule(case):
    _, data = load("ccd")
    assert np.array_equal(clean_mask(data[f"split_{case}_prob"]), data[f"split_{case}_pred"].astype(bool))


def test_ccd_consensus_and_a_fair_coin_where_views_disagree():
    meta, data = load("ccd")
    a, b, label = (data[k].astype(int) for k in ("default_pred_A", "default_pred_B", "label_hat"))
    found = divide(data["loss_A"], data["loss_B"], "default", seed=0)
    assert np.array_equal(found.clean[a == b], label[a == b])
    assert np.array_equal(found.agreed, a == b)
    draws = [divide(data["loss_A"], data["loss_B"], "default", seed).clean[a != b].mean() for seed in range(20)]
    told, spread = meta["label_rule"]["mean_coin_over_200_seeds"], 0.5 / (20 * (a != b).sum()) ** 0.5
    assert abs(np.mean(draws) - told) < 5 * spread and len(set(draws)) > 1
