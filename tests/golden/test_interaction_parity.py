"""Parity of THI with the published implementation: answers read, every round's anchors, texts, matrices and metrics."""

from pathlib import Path

import numpy as np
import pytest
from vectors_at import load

from icl.mllm import prompts, reading
from icl.mllm.protocol import Answer
from icl.mllm.settings import MLLMSettings
from icl.ranking.metrics import retrieval_metrics
from icl.ranking.scores import MatrixScores
from icl.rerank.thi.session import run_thi
from icl.rerank.thi.threshold import select_xi

pytestmark = pytest.mark.golden
PUBLISHED = MLLMSettings(reading="published")


class Scripted:
    """Gives the stored answers, to the questions as our prompts put them; counts."""

    def __init__(self, meta: dict) -> None:
        self.judge = {(a["caption"], a["image"]): a["answer"] for a in meta["localisation_answers"]}
        self.captions = {prompts.localise_text(caption): caption for caption in meta["captions"]}
        self.images = {Path(path): k for k, path in enumerate(meta["image_paths"])}
        self.seen = meta["vqa_answers"]
        self.merged = {str(row["subtexts"]): row["merged"] for row in meta["aggregation_table"]}
        self.before, self.after = prompts.load_prompt("aggregate").text.split("{subtexts}")
        self.asked = {"localise": [], "vqa": [], "aggregate": []}

    def identity(self, task):
        return {}

    def answer(self, requests):
        self.asked[requests[0].task] += requests
        return [Answer(getattr(self, f"_{request.task}")(request)) for request in requests]

    def _localise(self, request):
        return self.judge[self.captions[request.text], self.images[request.image]]

    def _vqa(self, request):
        return self.seen[self.images[request.image]]

    def _aggregate(self, request):
        return self.merged[request.text.removeprefix(self.before).removesuffix(self.after)]


def encoder(meta: dict, data):
    """Similarities of refined texts, as stored."""
    rows = dict(zip(meta["refined_texts"], data["refined_rows"], strict=True))
    return lambda texts, queries: MatrixScores(np.array([rows[text] for text in texts]))


def played(rounds: int):
    meta, data = load("thi")
    backend, images = Scripted(meta), [Path(path) for path in meta["image_paths"]]
    scores = MatrixScores(data["sims_base"])
    found = run_thi(
        scores, meta["captions"], images, encoder(meta, data), backend, PUBLISHED, rounds, meta["xi"], meta["lam"]
    )
    return meta, data, backend, found


def test_the_published_reading_of_every_example():
    meta, _ = load("thi")
    for example in meta["process_examples"]:
        assert reading.vqa_subtexts_published(example["raw"]) == example["subtexts"], example["raw"]
    for k, decisions in enumerate(meta["decisions"]):
        told = {row["query"]: row for row in meta["rounds"][k]["localisation"]}
        for query, row in told.items():
            assert reading.is_yes_published(row["answer"]) == bool(row["decision"]), (k, query)
            assert bool(decisions[query]) == bool(row["decision"])


@pytest.mark.parametrize("number", range(1, 6))
def test_every_round_gives_the_stored_matrix_and_metrics(number):
    meta, data, _, found = played(number)
    np.testing.assert_allclose(found.scores.rows(slice(None)), data[f"sims_round{number}"], atol=1e-6)
    acted = {row["query"]: row for one in meta["rounds"][:number] for row in one["interacted"]}
    assert {record["query"] for record in found.records if record["anchor"] is not None} == set(acted)
    for query, row in acted.items():
        record = found.records[query]
        assert (record["anchor"], record["round"], record["subtexts"]) == (
            row["anchor"],
            row["anchor_rank"],
            row["subtexts"],
        )
    metrics = retrieval_metrics(found.scores.rows(slice(None)), np.array(meta["q_pids"]), np.array(meta["g_pids"]))
    told = dict(zip(meta["metrics_names"], meta["metrics_base_then_rounds"][number], strict=True))
    for official, ours in (("R1", "rank1"), ("R5", "rank5"), ("R10", "rank10"), ("mAP", "map"), ("mINP", "minp")):
        assert getattr(metrics, ours) == pytest.approx(told[official], abs=1e-4), official


def test_refined_texts_and_anchors_with_no_more_calls_than_needed():
    meta, _, backend, found = played(load("thi")[0]["K"])
    assert [record["refined"] or record["caption"] for record in found.records] == meta["final_captions"]
    assert [-1 if r["anchor"] is None else r["anchor"] for r in found.records] == meta["final_anchor"]
    least = meta["call_counts"]["minimum_for_identical_results"]
    asked = {task: len(requests) for task, requests in backend.asked.items()}
    assert asked["localise"] <= least["localisation"]
    assert asked["vqa"] <= least["vqa_with_cache"] and asked["aggregate"] <= least["aggregation"]
    unique = {task: len({(r.text, r.image) for r in requests}) for task, requests in backend.asked.items()}
    assert unique["localise"] <= least["localisation_with_cache"]
    assert unique["aggregate"] <= least["aggregation_with_cache"]


def test_a_threshold_sweep_on_the_stored_answers_equals_running_every_threshold():
    """Where every answer that could be asked for is stored: among the queries that the published run asked to the end."""
    meta, data = load("thi")
    judge = {(a["caption"], a["image"]) for a in meta["localisation_answers"]}
    full = [
        q
        for q, columns in enumerate(data["topk_index"])
        if all((meta["captions"][q], int(column)) in judge for column in columns)
    ]
    if len(full) < 3:
        pytest.skip("too few such queries in this folder")
    scores, images = MatrixScores(data["sims_base"][full]), [Path(path) for path in meta["image_paths"]]
    captions, pids = [meta["captions"][q] for q in full], np.array(meta["q_pids"])[full]
    careful = MLLMSettings()

    class Any(Scripted):
        def _aggregate(self, request):
            return "refined"

    def refine(texts, rows):
        return MatrixScores(np.tile(data["refined_rows"][:1], (len(texts), 1)))

    arguments = (captions, images, refine)
    found = select_xi(scores, pids, np.array(meta["g_pids"]), *arguments, Any(meta), careful, meta["K"], meta["lam"], 7)
    for line in found["sweep"]:
        one = run_thi(scores, *arguments, Any(meta), careful, meta["K"], line["xi"], meta["lam"])
        metrics = retrieval_metrics(one.scores.rows(slice(None)), pids, np.array(meta["g_pids"]))
        assert (line["rank1"], line["refined"]) == (pytest.approx(metrics.rank1), one.refined)
