"""Galleries, queries and lists of hardly any size: each re-ranking, sweep, figure and record works on them or says why not."""

import dataclasses
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from helpers import save_retriever_place
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from icl.apps.index.files import image_files
from icl.apps.page import page
from icl.apps.search import search
from icl.apps.shipped import Judge as Asked
from icl.errors import InputError
from icl.mllm.protocol import Answer
from icl.mllm.settings import MLLMSettings
from icl.mllm.store import AnswerStore, CachedBackend
from icl.mllm.tuning.judge import evaluate_localisation
from icl.mllm.tuning.records import build_records, data_card, heldout_records
from icl.ranking.measure import measure
from icl.ranking.metrics import retrieval_metrics
from icl.ranking.scores import EmbeddingScores, MatrixScores
from icl.rda.augmentation import gather
from icl.rda.published import import_published
from icl.report.figures.calibration import calibration
from icl.report.figures.density import similarity_density
from icl.report.figures.examples import before_and_after
from icl.report.figures.rounds import rounds as rounds_figure
from icl.report.figures.sweeps import sweeps as sweeps_figure
from icl.rerank.k_reciprocal import by_neighbours
from icl.rerank.record import with_ranks
from icl.rerank.settings import RerankSettings, THISettings
from icl.rerank.split import Split, _encoder
from icl.rerank.thi.session import run_thi
from icl.rerank.thi.sweeps import played
from icl.rerank.thi.threshold import select_xi
from icl.rerank.timing import time_of
from icl.rerank.ways import WAYS
from icl.rerank.ways.base import warn_of_bare_answers
from icl.rerank.ways.thi import sweep_thresholds
from icl.retriever.encoding.vectors import Embeddings
from icl.retriever.settings import RetrieverSettings

K = THISettings().rounds
SIZES = [(1, 1), (1, 2), (1, K), (2, 1), (3, 2), (2, K - 1), (1, 12), (7, 3)]
"""(queries, images)."""


class Judge:
    """Says Yes to the image `right`, or to none; describes it and merges plainly."""

    def __init__(self, right: int = -1) -> None:
        self.right = right

    def identity(self, task):
        return {"model": "judge"}

    def forget_images(self):
        pass

    def answer(self, requests):
        return [self._one(request) for request in requests]

    def _one(self, request):
        if request.task == "localise":
            yes = float(int(request.image.stem) == self.right)
            return Answer("Yes" if yes else "No", {"Yes": yes, "No": 1 - yes})
        return Answer("1. A hat." if request.task == "vqa" else "A man in a hat.")


def embeddings(queries: int, images: int, one: bool = False, seed: int = 0) -> Embeddings:
    """Random ones; every image an identity of its own, or all of one."""
    rng = np.random.default_rng(seed)

    def rows(n, d):
        found = rng.normal(size=(n, d)).astype(np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    pids = np.zeros(images, dtype=int) if one else np.arange(images)
    vectors = rows(images, 6), rows(images, 4), rows(queries, 6), rows(queries, 4)
    return Embeddings(*vectors, np.arange(images), pids, np.arange(queries), pids[np.arange(queries) % images])


def split_on(emb: Embeddings, backend, rounds: int = K, yes: int = K) -> Split:
    """A split whose texts are all encoded as its first query."""

    def encode(texts):
        return tuple(np.repeat(vectors[:1], len(texts), axis=0) for vectors in (emb.text_bge, emb.text_tse))

    captions = [f"a man {q}" for q in range(len(emb.text_pids))]
    images, thi = [Path(f"{g}.png") for g in range(len(emb.image_ids))], THISettings(rounds=rounds, yes_top_k=yes)
    described = ["a man"] * len(images)
    return Split(emb, captions, images, encode, described, backend, MLLMSettings(), thi, RerankSettings())


def interact(split: Split, xi: float, queries=None):
    return WAYS["thi"].rerank(split, split.backend, {"xi": xi}, queries)


@pytest.mark.parametrize("one", [False, True], ids=["identities", "one identity"])
@pytest.mark.parametrize("right", [-1, 0])
@pytest.mark.parametrize("size", SIZES)
def test_thi_its_threshold_its_record_and_its_time(size, right, one):
    emb = embeddings(*size, one)
    split = split_on(emb, Judge(right))
    found = sweep_thresholds(split, split.backend)
    assert {row["xi"] for row in found["sweep"]} >= {found["xi"]}
    for row in found["sweep"]:
        result = interact(split, row["xi"])
        measured = measure(result.scores, emb.text_pids, emb.image_pids)
        assert (measured["rank1"], result.refined) == (pytest.approx(row["rank1"]), row["refined"])
    records = with_ranks(result.records, emb, emb.scores, result.scores)
    assert all(len(r["best_after"]) == min(10, size[1]) and len(r["candidates"]) == min(K, size[1]) for r in records)
    json.dumps(records)
    times = split.timed(lambda some: interact(split, 0.0, some).seconds, {"localise": 1}, 48, 2)
    assert times["timed_alone"] == size[0] and times["p95"] >= times["p50"] >= 0


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(1, 7), st.integers(1, 8), st.integers(-1, 6), st.integers(0, 99))
def test_the_threshold_on_any_size_is_that_of_running_it(queries, images, rounds, right, seed):
    emb = embeddings(queries, images, seed=seed)
    split = split_on(emb, Judge(right), rounds)
    for row in sweep_thresholds(split, split.backend)["sweep"]:
        result = interact(split, row["xi"])
        again = retrieval_metrics(result.scores.rows(slice(None)), emb.text_pids, emb.image_pids)
        assert (again.rank1, again.map, result.refined) == (
            pytest.approx(row["rank1"]),
            pytest.approx(row["map"]),
            row["refined"],
        )


@pytest.mark.parametrize("k", [1, 5, 99])
@pytest.mark.parametrize("size", SIZES)
def test_yes_on_fewer_images_than_it_ranks(size, k):
    split = split_on(embeddings(*size), Judge(0), yes=k)
    found = WAYS["yes"].rerank(split, split.backend, {})
    assert all(len(record["yes_probability"]) == min(k, size[1]) for record in found.records)
    first = found.scores.rows(slice(None)).argmax(1)
    if k >= size[1]:
        assert (first == 0).all(), "the confirmed image stands first"
    assert found.unscored == 0


@pytest.mark.parametrize("one", [False, True], ids=["identities", "one identity"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", SIZES)
def test_every_way_chooses_and_ranks_on_any_size(size, way, one):
    emb = embeddings(*size, one)
    split, chosen = split_on(emb, Judge(0)), {}
    for name in (*WAYS[way].builds_on, way):
        if WAYS[name].parameters:
            chosen |= WAYS[name].choose(split, split.backend, chosen)
    found = WAYS[way].rerank(split, split.backend, chosen)
    scores = found.scores.rows(slice(None))
    assert scores.shape == size and np.isfinite(scores).all()
    json.dumps([chosen, with_ranks(found.records, emb, emb.scores, found.scores)])


def test_answers_without_probabilities_are_counted_and_told(capsys):
    class Plain(Judge):
        def _one(self, request):
            return Answer(super()._one(request).text)

    split = split_on(embeddings(3, 4), Plain(0), yes=2)
    found = WAYS["yes"].rerank(split, split.backend, {})
    warn_of_bare_answers("Yes", found, 6)
    assert found.counts()["unscored"] == 6
    assert {share for record in found.records for share in record["yes_probability"]} <= {0.0, 1.0}
    assert "6 of 6 answers to T_loc have no probabilities" in capsys.readouterr().err
    assert interact(split, 0.0).unscored >= 3


@pytest.mark.parametrize("same", [False, True], ids=["different", "all the same"])
@pytest.mark.parametrize("size", SIZES)
def test_k_reciprocal_on_hardly_any_vectors(size, same):
    emb = embeddings(*size)
    texts, images = emb.text_bge, emb.image_bge
    if same:
        texts, images = np.repeat(texts[:1], size[0], 0), np.repeat(images[:1], size[1], 0)
    found = by_neighbours(EmbeddingScores((texts,), (images,))).rows(slice(None))
    assert found.shape == size and np.isfinite(found).all()
    if same:
        assert np.allclose(found, found[0, 0], atol=1e-5), "equal images are equally far"


def test_k_reciprocal_of_one_query_finds_its_image():
    images = np.eye(6, dtype=np.float32)[:5]
    found = by_neighbours(EmbeddingScores((images[2:3],), (images,)), k1=2, k2=1).rows(slice(None))
    assert found.argmax() == 2


def test_a_query_alone_is_timed_once_and_no_query_more_often_than_there_are():
    for queries, count in ((1, 48), (3, 1)):
        assert time_of(lambda some: {"vqa": 1.0 * len(some)}, {}, queries, count, 1)["timed_alone"] == 1


@pytest.fixture(scope="module")
def retriever(tmp_path_factory):
    from icl.retriever.weights.checkpoints import import_retriever, save_retriever

    folder, given = tmp_path_factory.mktemp("retriever"), RetrieverSettings(text_length=32)
    save_retriever_place(folder)
    save_retriever(*import_retriever(str(folder / "clip"), given, 32), given, folder / "retriever")
    return folder / "retriever"


def test_no_query_refined_leaves_sweeps_and_figures_as_they_were(retriever, tmp_path):
    """What the sweeps' script does, with the encoder that it has."""
    emb = embeddings(4, 3)
    split = split_on(emb, Judge())
    result = interact(split, 0.0)
    records = with_ranks(result.records, emb, emb.scores, result.scores)
    assert result.refined == 0
    for encoder in (_encoder(retriever), None):
        none = np.flatnonzero([record["anchor"] is not None for record in records])
        refined = dataclasses.replace(split, encoder=encoder).encode(emb.scores, [], none)
        assert refined.shape == (0, 3)
        run = played(records, emb.scores, refined, emb.text_pids, emb.image_pids)
        weights, by_round = run.by_weight([0.0, 0.5, 1.0]), run.by_round(K, 0.8)
        assert len({row["rank1"] for row in weights + by_round}) == 1 and not any(row["refined"] for row in weights)
    swept = {"xi": sweep_thresholds(split, split.backend)["sweep"], "lambda": weights, "rounds": by_round}
    swept["chosen"] = {"xi": 0.0, "lambda": 0.8}
    images = pd.DataFrame({"image_id": emb.image_ids, "image": "0.png", "pid": emb.image_pids})
    for figure in (
        sweeps_figure(swept),
        rounds_figure(swept),
        similarity_density(records, 0.0),
        before_and_after(records, images, tmp_path),
    ):
        figure.savefig(tmp_path / "f.png")
        plt.close(figure)


def test_one_query_has_a_figure_too(tmp_path):
    emb = embeddings(1, 1)
    split = split_on(emb, Judge(0))
    result = interact(split, -2.0)
    records = with_ranks(result.records, emb, emb.scores, result.scores)
    Image.new("RGB", (24, 48)).save(tmp_path / "0.png")
    images = pd.DataFrame({"image_id": [0], "image": ["0.png"], "pid": [0]})
    for figure in (similarity_density(records, 0.0), before_and_after(records, images, tmp_path)):
        figure.savefig(tmp_path / "f.png")
        plt.close(figure)


def test_no_question_is_asked_where_there_is_none(tmp_path):
    backend = CachedBackend(Judge(), AnswerStore(tmp_path, "w"))
    assert backend.answer([]) == [] and backend.asked == {}


def test_empty_shards_are_gathered_and_broken_ones_named(tmp_path):
    (tmp_path / "0.jsonl").touch()
    assert set(gather([tmp_path / "0.jsonl"], tmp_path / "all.json").values()) == {0}
    assert json.loads((tmp_path / "all.json").read_text()) == []
    for broken in (
        "3",
        "null",
        "{}",
        '{"caption_id": null, "fallbacks": {}}',
        '{"caption_id": 1, "fallbacks": 3}',
        "[",
    ):
        (tmp_path / "0.jsonl").write_text(broken + "\n")
        with pytest.raises(InputError, match="0.jsonl"):
            gather([tmp_path / "0.jsonl"], tmp_path / "all.json")


ROWS = pd.DataFrame(
    dict(split="train", pid=[0, 0, 1], image_id=[0, 1, 2], image=["0.png", "1.png", "2.png"], caption_id=[0, 1, 2])
).assign(caption=["a", "b", "c"])


def test_no_clean_pair_and_no_negative_give_no_record():
    assert build_records(ROWS, set(), {}, 10, 0) == []
    assert build_records(ROWS, {0, 1}, {}, 10, 0) == [] == build_records(ROWS, {0}, {0: []}, 10, 0)
    assert [r["answer"] for r in build_records(ROWS, {0, 1}, {1: ["2.png"]}, 10, 0)] == ["Yes", "No"]
    assert "| x | 0 | 5 | 0 | 0 | 0 | 0 |" in data_card([], [], {"x": 5}, {"x": 0})


def test_held_out_questions_of_one_identity_are_about_own_images():
    own = heldout_records(ROWS[:2], {}, 0)
    assert [(r["kind"], r["image"]) for r in own] == [("own", "0.png"), ("own", "1.png")]
    assert heldout_records(ROWS[:0], {}, 0) == []
    found = evaluate_localisation(Judge(0), own, Path())
    assert found["accuracy_own"] == 50 and found["questions"] == 2 and "auroc_hard" not in found
    plt.close(calibration({"base": found, "lora": found}))
    with pytest.raises(InputError, match="held-out questions: found none"):
        evaluate_localisation(Judge(), [], Path())


PUBLISHED = {
    "no JSON": "{",
    "an object": "{}",
    "a list of texts": '["a"]',
    "no texts": '[{"split": "train", "captions": ["a"]}]',
    "texts that are null": '[{"split": "train", "captions": ["a"], "diversity_captions": null}]',
    "too few": '[{"split": "train", "captions": ["a", "b"], "diversity_captions": ["x"]}]',
    "a number": '[{"split": "train", "captions": ["a"], "diversity_captions": [3]}]',
    "a list of texts for lists": '[{"split": "train", "captions": ["a"], "diversity_captions": [["x"]]}]',
    "a null among texts": '[{"split": "train", "captions": ["a"], "diversity_captions": [[["x", null]]]}]',
    "captions that are null": '[{"split": "train", "captions": null, "diversity_captions": []}]',
    "other captions": '[{"split": "train", "captions": ["z"], "diversity_captions": ["x"]}]',
    "nothing": "[]",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_augmentations_of_other_forms_are_named(name, tmp_path):
    (tmp_path / "r.json").write_text(PUBLISHED[name])
    with pytest.raises(InputError, match="r.json"):
        import_published(tmp_path / "r.json", ROWS, tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize("variants", [[], [[]], [["", " "]], "", " "])
def test_a_caption_without_variants_stands_for_itself(variants, tmp_path):
    rows = [{"split": "train", "captions": ["a", "b", "c"], "diversity_captions": [variants, [["x"], []], "y"]}]
    (tmp_path / "r.json").write_text(json.dumps(rows))
    import_published(tmp_path / "r.json", ROWS, tmp_path / "out.json")
    found = [row["diversity_captions"] for row in json.loads((tmp_path / "out.json").read_text())]
    assert found == ["a", [["x"]], "y"]


@pytest.mark.parametrize("images", [1, 2, K + 1])
def test_somebodys_folder_of_hardly_any_images_is_searched(images, retriever, tmp_path):
    for k in range(images):
        Image.new("RGB", (16, 32), (40 * k, 90, 0)).save(tmp_path / f"{k}.png")
    (tmp_path / "album.png").mkdir()
    assert len(image_files(tmp_path)) == images, "a folder is no image, whatever its name"
    plain = search("a man", tmp_path, retriever)
    assert len(plain.after) == images and np.isfinite(plain.after).all()
    for right, refined in ((-1, ""), (0, "A man in a hat.")):
        found = search("a man", tmp_path, retriever, Asked(Judge(right), MLLMSettings(), "thi", {"xi": -2.0}))
        if images == 1:
            assert found.record["refined"] == refined
        assert "<h1>a man</h1>" in page("a man", tmp_path, found, "who")


def test_an_empty_query_and_an_empty_folder_are_named(retriever, tmp_path):
    with pytest.raises(InputError, match="query: found an empty text"):
        search(" \n", tmp_path, retriever)
    with pytest.raises(InputError, match="no images"):
        search("a man", tmp_path, retriever)


def test_thi_keeps_going_where_scores_alone_are_given_and_nothing_is_refined():
    raw = MatrixScores(np.array([[0.4]]))
    result = run_thi(
        raw, ["a"], [Path("0.png")], lambda t, q: pytest.fail("nothing"), Judge(), MLLMSettings(), 5, 0.0, 0.8
    )
    assert result.refined == 0 and result.scores.rows(slice(None)).tolist() == [[0.4]]


def test_xi_on_one_query_of_one_image():
    raw, pids = MatrixScores(np.array([[0.4]])), np.array([7])
    found = select_xi(raw, pids, pids, ["a"], [Path("0.png")], lambda t, q: raw, Judge(0), MLLMSettings(), 5, 0.8, 41)
    assert found["rank1"] == 100 and found["xi"] >= 0.4, "the fewest refined queries among equals"
