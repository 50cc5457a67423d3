"""Every way to re-rank, on a benchmark of a few queries, against loops over everything."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from icl.mllm.protocol import Answer
from icl.mllm.settings import MLLMSettings
from icl.ranking.metrics import retrieval_metrics
from icl.ranking.scores import MatrixScores, Mixed, Raised
from icl.rerank.judging import judge, log_odds
from icl.rerank.meter import Meter
from icl.rerank.settings import RerankSettings, THISettings
from icl.rerank.sizes import by_size
from icl.rerank.split import Split
from icl.rerank.ways import WAYS, parameters_of
from icl.rerank.ways.dual_softmax import by_both
from icl.rerank.ways.evidence import expectations
from icl.rerank.ways.sequential import Questions
from icl.retriever.encoding.vectors import Embeddings

Q, G, K = 24, 15, 4


class Witness:
    """T_loc by a table of (caption, image) to Yes probability; says little else."""

    def __init__(self, shares: dict[tuple[str, str], float]) -> None:
        self.shares, self.asked = shares, []

    def identity(self, task):
        return {}

    def forget_images(self):
        pass

    def answer(self, requests):
        self.asked += requests
        return [self._one(request) for request in requests]

    def _one(self, request):
        if request.task != "localise":
            return Answer("1. A hat." if request.task == "vqa" else "A man in a hat.", None, 9, 3)
        share = self.shares[request.text.split("Text: ")[1].split("\n")[0], request.image.name]
        return Answer("Yes" if share > 0.5 else "No", {"Yes": share, "No": 1 - share}, 30, 1)


def unit(rng, *shape):
    rows = rng.normal(size=shape).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def split():
    """Answers are right more often than not, and as sure as they are right."""
    rng = np.random.default_rng(5)
    gallery_pids, pids = np.arange(G) % 6, np.arange(Q) % 6
    emb = Embeddings(
        unit(rng, G, 8),
        unit(rng, G, 5),
        unit(rng, Q, 8),
        unit(rng, Q, 5),
        np.arange(G),
        gallery_pids,
        np.arange(Q),
        pids,
    )
    captions, images = [f"caption {q}" for q in range(Q)], [Path(f"{g}.png") for g in range(G)]
    shares = {
        (captions[q], images[g].name): float(
            np.clip(0.25 + 0.5 * (pids[q] == gallery_pids[g]) + rng.normal() / 5, 0, 1)
        )
        for q in range(Q)
        for g in range(G)
    }
    told = [f"caption of {g}" for g in range(G)]
    vectors = {text: unit(np.random.default_rng(n), 1, 13)[0] for n, text in enumerate([*told, "A man in a hat."])}

    def encode(texts):
        both = np.array([vectors[text] for text in texts])
        return tuple(part / np.linalg.norm(part, axis=1, keepdims=True) for part in (both[:, :8], both[:, 8:]))

    thi, rerank = THISettings(rounds=K, yes_top_k=K), RerankSettings(evidence_top_k=K)
    return Split(emb, captions, images, encode, told, Witness(shares), MLLMSettings(), thi, rerank)


def chosen_for(way: str, split: Split) -> dict:
    found = {}
    for name in (*WAYS[way].builds_on, way):
        if WAYS[name].parameters:
            found |= WAYS[name].choose(split, split.backend, found)
    return found


def first(split: Split, raw: np.ndarray | None = None) -> np.ndarray:
    raw = split.embeddings.scores.rows(slice(None)) if raw is None else raw
    return np.argsort(-raw, axis=1, kind="stable")[:, :K]


def share(split: Split, q: int, g: int) -> float:
    return split.backend.shares[split.captions[q], split.images[g].name]


@pytest.mark.parametrize("name", WAYS)
def test_a_way_chooses_by_name_ranks_every_query_and_any_part_of_them(name, split):
    way, chosen = WAYS[name], chosen_for(name, split)
    assert set(parameters_of(way)) <= set(chosen) and (not way.parameters or chosen["selection"])
    split.backend.asked.clear()
    meter = Meter(split.backend)
    found = way.rerank(split, meter, chosen)
    scores = found.scores.rows(slice(None))
    assert scores.shape == (Q, G) and np.isfinite(scores).all() and found.seconds
    assert bool(split.backend.asked) == (way.judge != "none") and len(split.backend.asked) == sum(meter.calls.values())
    if not way.whole:
        some = way.rerank(split, split.backend, chosen, [3, 11, 20])
        np.testing.assert_allclose(some.scores.rows(slice(None)), scores[[3, 11, 20]], atol=1e-6)
        assert [r["caption"] for r in some.records] == [split.captions[q] for q in (3, 11, 20)]


@pytest.mark.parametrize("name", [name for name, way in WAYS.items() if way.parameters])
def test_what_is_chosen_on_val_is_the_best_of_its_sweep_and_is_what_a_run_gives(name, split):
    chosen, emb = chosen_for(name, split), split.embeddings
    metric = "rank1" if name == "thi" else "map"
    rows = [r for r in chosen["sweep"] if r.get("questions", 0) <= split.rerank.budget]
    assert chosen[metric] == max(row[metric] for row in rows)
    for row in chosen["sweep"][:: max(1, len(chosen["sweep"]) // 5)]:
        scores = WAYS[name].rerank(split, split.backend, chosen | row).scores.rows(slice(None))
        again = retrieval_metrics(scores, emb.text_pids, emb.image_pids)
        assert (again.rank1, again.map) == pytest.approx((row["rank1"], row["map"]), abs=1e-4)


def test_yes_puts_the_first_images_in_the_order_of_their_probability(split):
    scores = WAYS["yes"].rerank(split, split.backend, {}).scores.rows(slice(None))
    for q, columns in enumerate(first(split)):
        expected = sorted(columns, key=lambda g: -share(split, q, g))  # noqa: B023
        assert np.argsort(-scores[q], kind="stable")[:K].tolist() == [int(g) for g in expected]


def test_first_yes_and_anchors_move_one_image_alone(split):
    raw, xi = split.embeddings.scores.rows(slice(None)), chosen_for("thi", split)["xi"]
    moved = {name: WAYS[name].rerank(split, split.backend, {"xi": xi}) for name in ("firstyes", "anchors")}
    thi = WAYS["thi"].rerank(split, split.backend, {"xi": xi})
    for q, columns in enumerate(first(split)):
        yes = [int(g) for g in columns if share(split, q, g) > 0.5]
        for name, expected in (("firstyes", yes[0] if yes else None), ("anchors", thi.records[q]["anchor"])):
            order = np.argsort(-moved[name].scores.rows(slice(None))[q], kind="stable").tolist()
            rest = [g for g in np.argsort(-raw[q], kind="stable").tolist() if g != expected]
            assert order == ([] if expected is None else [expected]) + rest
            assert moved[name].records[q]["anchor"] == expected
    assert sum(len(r["yes"]) for r in moved["anchors"].records) == sum(len(r["yes"]) for r in thi.records)


@pytest.mark.parametrize("name", ["evidence", "captionsevidence"])
def test_evidence_adds_the_log_odds_of_the_first_images(name, split):
    raw = split.embeddings.scores.rows(slice(None))
    if name == "captionsevidence":
        own, told = split.embeddings, split.encoder(split.described)
        text = (own.text_bge @ told[0].T + own.text_tse @ told[1].T) / 2
        raw = 0.7 * raw + 0.3 * text
    found = WAYS[name].rerank(split, split.backend, {"beta": 0.1, "expected": [1.0, -2.0], "caption_weight": 0.3})
    scores = found.scores.rows(slice(None))
    for q, columns in enumerate(first(split, raw)):
        for g in range(G):
            p = np.clip(share(split, q, g), 1e-3, 1 - 1e-3)
            assert scores[q, g] == pytest.approx(
                raw[q, g] + (0.1 * (np.log(p / (1 - p)) + 2) if g in columns else 0), abs=1e-5
            )


def test_dual_softmax_is_the_product_of_both(split):
    raw, t = split.embeddings.scores.rows(slice(None)).astype(float), 0.2
    rows = np.exp(raw / t) / np.exp(raw / t).sum(1, keepdims=True)
    columns = np.exp(raw / t) / np.exp(raw / t).sum(0, keepdims=True)
    found = by_both(split.embeddings.scores, t).rows(slice(None))
    for q in range(Q):
        expected = t / 2 * np.log(rows[q] * columns[q])
        assert np.ptp(found[q] - expected) < 1e-5, "the same but for a constant of the query"


def naive_questions(similarities, shares, expected, beta, margin):
    """Asks as long as somebody could still pass the leader; every bound computed anew from a list."""
    known = {}
    while True:
        value = [
            s + beta * (float(log_odds(np.array(known[k]))) if k in known else expected[k])
            for k, s in enumerate(similarities)
        ]
        room = [0 if k in known else margin for k in range(len(value))]
        leader = max(range(len(value)), key=lambda k: (value[k], -k))
        rivals = [k for k in range(len(value)) if k != leader and value[k] + room[k] > value[leader] - room[leader]]
        if not rivals:
            return known
        asked = leader if leader not in known else max(rivals, key=lambda k: (value[k] + room[k], -k))
        known[asked] = shares[asked]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=6),
    st.lists(st.floats(0, 1), min_size=6, max_size=6),
    st.lists(st.floats(-6, 6), min_size=6, max_size=6),
    st.floats(0, 0.3),
    st.floats(0, 2),
)
def test_questions_stop_when_the_leader_is_safe(similarities, shares, expected, beta, margin):
    similarities = sorted(similarities, reverse=True)
    expected = expected[: len(similarities)]
    game = Questions(np.array(similarities), np.array(expected), beta, margin)
    while (place := game.question()) is not None:
        assert place not in game.shares, "nothing is asked twice"
        game.tell(shares[place])
    assert game.shares == naive_questions(similarities, shares, expected, beta, margin)


def test_sequential_asks_less_than_evidence_and_keeps_its_budget(split):
    chosen = chosen_for("sequential", split)
    assert chosen["questions"] <= split.rerank.budget < K
    meter = Meter(split.backend)
    found = WAYS["sequential"].rerank(split, meter, chosen)
    assert meter.calls["localise"] == pytest.approx(chosen["questions"] * Q)
    assert [len(r["asked"]) for r in found.records] == [len(r["yes_probability"]) for r in found.records]
    every = (
        WAYS["sequential"]
        .rerank(split, split.backend, {"beta": 0.05, "expected": [0.5, -1], "margin": 1e3})
        .scores.rows(slice(None))
    )
    evidence = (
        WAYS["evidence"].rerank(split, split.backend, {"beta": 0.05, "expected": [0.5, -1]}).scores.rows(slice(None))
    )
    np.testing.assert_allclose(every, evidence, atol=1e-6, err_msg="with room for everything, everything is asked")


def test_parameters_are_given_or_a_stated_default_where_nothing_can_be_chosen():
    given = RerankSettings(beta=0.2, margin=0.3, caption_weight=0.1)
    for name, way in WAYS.items():
        if not way.parameters:
            continue
        if name != "thi":  # the configuration refuses a benchmark without val and xi
            assert set(way.parameters) <= set(way.fixed(RerankSettings(), None, False))
        assert way.fixed(RerankSettings(), None, True) is None
        fixed = way.fixed(given, 0.4, True)
        assert fixed is None or "configuration" in fixed["selection"]
    assert WAYS["evidence"].fixed(given, None, False)["beta"] == 0.2


def test_a_given_beta_is_kept_and_what_to_expect_is_still_learnt(split):
    fixed = dataclasses.replace(split, rerank=RerankSettings(evidence_top_k=K, beta=0.07))
    chosen, evidence = WAYS["evidence"].choose(fixed, split.backend, {}), []
    for q, columns in enumerate(first(split)):
        evidence.append([log_odds(np.array(share(split, q, g))) for g in columns])
    assert chosen["beta"] == 0.07 and np.allclose(chosen["expected"], np.mean(evidence, axis=0))
    assert expectations(chosen, K + 2).tolist() == [*chosen["expected"], *chosen["expected"][-1:] * 2]


def test_other_parameters_can_be_given():
    given = RerankSettings(beta=0.2, margin=0.3, caption_weight=0.1)
    assert WAYS["sequential"].fixed(given, None, True)["margin"] == 0.3
    assert WAYS["captions"].fixed(given, None, True)["caption_weight"] == 0.1
    assert WAYS["thi"].fixed(given, 0.4, True)["xi"] == 0.4


def test_a_meter_counts_what_passes(split):
    meter = Meter(split.backend)
    judge(split.captions, split.images, first(split), meter)
    assert meter.spent == {
        "localise": {"questions": Q * K, "prompt_tokens": 30 * Q * K, "answer_tokens": Q * K, "seconds": 0.0}
    }


def test_scores_that_are_made_of_others():
    rng = np.random.default_rng(0)
    one, other = rng.random((4, 5)), rng.random((4, 5))
    mixed = Mixed(MatrixScores(one), MatrixScores(other), 0.25)
    assert np.allclose(mixed.rows(slice(1, 3)), 0.75 * one[1:3] + 0.25 * other[1:3])
    columns, values = np.array([[0, 2], [1, 3], [4, 0], [2, 1]]), rng.random((4, 2))
    expected = one.copy()
    for q in range(4):
        for column, value in zip(columns[q], values[q], strict=True):
            expected[q, column] += value
    raised = Raised(MatrixScores(one), columns, values)
    assert np.allclose(raised.rows(slice(None)), expected) and np.allclose(
        raised.rows(np.array([2, 0])), expected[[2, 0]]
    )


def test_smaller_galleries_are_parts_that_hold_every_query_once(split):
    chosen = {way: chosen_for(way, split) for way in ("thi", "evidence")}
    found = {(row["gallery"], row["way"]): row for row in by_size(split, split.backend, chosen)}
    assert sorted({gallery for gallery, _ in found}) == [2.5, 5, 7.5, 15]
    own = split.embeddings
    whole = WAYS["evidence"].rerank(split, split.backend, chosen["evidence"]).scores
    metrics = retrieval_metrics(whole.rows(slice(None)), own.text_pids, own.image_pids)
    assert found[15, "evidence"]["rank1"] == pytest.approx(metrics.rank1)
    assert found[15, "evidence"]["minp"] == pytest.approx(metrics.minp) and found[15, ""]["tokens"] == 0
    assert found[2.5, ""]["rank1"] == 100, "one identity a part"
    part = split.of_identities(np.array([1, 4]))
    numbers = [q for q in range(Q) if own.text_pids[q] in (1, 4)]
    assert part.captions == [split.captions[q] for q in numbers] and len(part.images) == len(part.described) == 5
    columns = [g for g in range(G) if own.image_pids[g] in (1, 4)]
    expected = own.scores.rows(slice(None))[np.ix_(numbers, columns)]
    np.testing.assert_allclose(part.embeddings.scores.rows(slice(None)), expected, atol=1e-6)
    np.testing.assert_allclose(
        part.caption_part().rows(slice(None)),
        split.caption_part().rows(slice(None))[np.ix_(numbers, columns)],
        atol=1e-6,
    )
