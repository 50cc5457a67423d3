"""What is asked, who answers in place of people, and what sessions are measured by."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from small_pack import COLOURS, small_pack, vectors

from icl.errors import InputError
from icl.human.measures import agreement, best_log_rank_integral, hits, kappa, plain, played, seconds
from icl.human.people import PEOPLE, is_right, people_for, simulate
from icl.human.questions import AGAIN, ELSE, LASTING, TOPICS, next_question, said, topic_of, worth
from icl.human.ranking import Ranking, parts
from icl.human.session import Session
from icl.human.settings import HumanSettings
from icl.mllm.reading import vqa_subtexts
from icl.ranking.metrics import retrieval_metrics
from icl.report.human import ROWS, human_sheet, human_table
from icl.synthpedes.attributes import BACKGROUNDS, CITY, sample_identity, sample_shot, visible
from icl.synthpedes.dialogue import QUESTION_GROUPS, numbered, vqa_answers

BY_NAME = {topic.name: topic for topic in TOPICS}
UPPER, LOWER, SHOES, HAT = (BY_NAME[name].question for name in ("upper", "lower", "shoes", "hat"))
OF_GROUP = {"gender": "sex", "backpack": "bag", "held": "hand", "others": None}


def test_every_answer_of_the_embedded_mllm_is_put_under_what_was_asked():
    import random

    for seed in range(200):
        rng = random.Random(seed)
        told = vqa_subtexts(numbered(vqa_answers(visible(sample_identity(rng), sample_shot(rng, CITY)))))
        for group, text in zip(QUESTION_GROUPS, told, strict=True):
            topic = topic_of(text)
            assert (topic and topic.name) == OF_GROUP.get(group, group), text
    assert BACKGROUNDS


LARGE = {
    "Yes, the person is wearing glasses with a black frame.": ("glasses", {"black", "glasses"}),
    "The individual has shoulder-length dark brown hair.": ("hair", {"brown", "dark", "shoulder-length"}),
    "A navy blue short-sleeved polo shirt.": ("upper", {"blue", "shirt", "short"}),
    "The pants are dark grey, slim-fit and full-length.": ("lower", {"grey", "dark", "slim", "long"}),
    "White sneakers with red soles are visible.": ("shoes", {"white", "red", "sneakers"}),
    "No, there isn't any hat visible.": ("hat", {"no"}),
    "No backpack can be seen.": ("bag", {"no"}),
    "There are several other people walking behind him.": (None, None),
    "The image quality is low.": (None, None),
}


@pytest.mark.parametrize("text", LARGE)
def test_answers_of_large_mllms_are_read_by_their_words(text):
    name, values = LARGE[text]
    topic = topic_of(text)
    assert (topic and topic.name) == name
    if name:
        assert values <= said([text])[name]


def test_the_question_splits_the_first_images_best():
    images = [[f"A {COLOURS[n % 2]} coat.", f"{COLOURS[n]} trousers.", "Black shoes.", "No hat."] for n in range(4)]
    assert next_question(images, [], []) == LOWER, "four answers tell more than two"
    assert next_question(images, [LOWER], []) == UPPER
    assert next_question(images, [LOWER, UPPER], []) not in (LOWER, UPPER)
    assert next_question(images, [], ["a man in green trousers"]) == UPPER if AGAIN < 0.5 else LOWER
    assert next_question(images, [topic.question for topic in LASTING], []) == ELSE


def test_silence_is_no_answer():
    """A topic of which one image alone speaks splits nothing, however many there are."""
    images = [["A red coat."], ["A blue coat."], ["Black shoes."], [], []]
    assert next_question(images, [], []) == UPPER
    assert worth([None, None, frozenset({"a"})]) == 0 == worth([]) == worth([frozenset({"a"})] * 3)
    assert worth([frozenset({"a"}), frozenset({"b"})]) == 1
    assert worth([frozenset({"a"}), frozenset({"b"}), None, None]) == 0.5


@given(st.lists(st.lists(st.text(max_size=30), max_size=4), max_size=6), st.lists(st.text(max_size=30), max_size=3))
def test_any_text_leads_to_a_question(images, told):
    assert next_question(images, [], told) in {topic.question for topic in LASTING}


def test_what_is_encoded_keeps_every_answer_and_no_denial():
    told = ["a man", "red coat", "not wearing a hat", "blue trousers", "w " * 9, "shoes"]
    assert parts(told, 5) == ["a man", "red coat blue trousers", "w " * 9, "shoes"]
    assert parts(told[:1], 5) == ["a man"] and parts(told, 99)[1].startswith("red coat blue trousers w")


def test_a_witness_is_ranked_by_the_mean_of_its_parts(tmp_path):
    pack = small_pack(tmp_path)
    told, others = ["red coat", "blue trousers", "no hat"], ["green"]
    found = Ranking(pack, vectors).rows([told, others])
    scores = pack.embeddings.scores_of(vectors(["red coat", "blue trousers", "green"])).rows(slice(None))
    assert np.allclose(found, [(scores[0] + scores[1]) / 2, scores[2]])
    with pytest.raises(InputError, match="no text encoder"):
        Ranking(pack, None).rows([told])


ranks = st.integers(1, 5).flatmap(
    lambda k: st.integers(1, 8).flatmap(
        lambda n: st.lists(st.lists(st.integers(1, 999), min_size=n, max_size=n), min_size=k + 1, max_size=k + 1)
    )
)


@given(ranks)
def test_the_best_log_rank_integral_is_the_printed_formula(rows):
    first = np.array(rows)
    rounds, total = len(rows) - 1, 0.0
    for n in range(first.shape[1]):
        best = [min(first[: r + 1, n]) for r in range(rounds + 1)]
        total += sum((math.log(best[r]) + math.log(best[r + 1])) / 2 for r in range(rounds))
    assert best_log_rank_integral(first) == pytest.approx(total / (first.shape[1] * rounds))
    for k in (1, 5, 10):
        expected = [
            100 * np.mean([first[: r + 1, n].min() <= k for n in range(first.shape[1])]) for r in range(rounds + 1)
        ]
        assert hits(first, k) == pytest.approx(expected)


@pytest.mark.filterwarnings("ignore:.*only one label in common")
@settings(max_examples=50)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_kappa_is_cohens(pairs):
    one, other = zip(*pairs, strict=True)
    expected = cohen_kappa_score(one, other, labels=[False, True])
    assert kappa(one, other) == pytest.approx(expected, nan_ok=True)


def test_seconds_are_the_browsers_where_it_told_them():
    lines = [{"browser_seconds": s, "server_seconds": 100.0} for s in (1.0, 2.0, 3.0, None)]
    assert seconds(lines) == (2.5, pytest.approx(70.9)) and seconds([]) == (None, None)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    human = HumanSettings(shared=30, own=10, shown=4, pool=0)
    return small_pack(tmp_path_factory.mktemp("people"), 2.0, human, people=20)


def judged(pack, folder, name):
    person = next(one for one in PEOPLE if one.name == name)
    return simulate(person, pack, folder / name, "code-1", vectors)


def test_a_judge_without_mistakes_confirms_what_is_right(pack, tmp_path):
    session = judged(pack, tmp_path, "perfect")
    found = played(pack, Ranking(pack, None), "judge", session.answers)
    assert found.right.sum() == (found.anchors >= 0).sum() > 0
    assert agreement(pack, session.answers)["kappa_truth"] == 1
    assert (found.first[-1] <= found.first[0]).all()
    expected = [any(is_right(pack, q, c) for c in pack.candidates[q][1:]) for q in found.queries.tolist()]
    asked = [is_right(pack, q, pack.candidates[q][0]) for q in found.queries.tolist()]
    assert (found.anchors >= 0).tolist() == [e and not a for e, a in zip(expected, asked, strict=True)]


def test_flips_are_one_in_ten_and_a_coin_knows_nothing(pack, tmp_path):
    flips, coin = (judged(pack, tmp_path, name).answers for name in ("flips", "coin"))
    wrong = [(line["answer"] == "yes") != is_right(pack, line["query"], line["images"][0]) for line in flips]
    assert 0.02 < np.mean(wrong) < 0.2
    assert abs(agreement(pack, coin)["kappa_truth"]) < 0.35
    assert judged(pack, tmp_path / "again", "flips").answers[5]["answer"] == flips[5]["answer"], "the code decides"


def test_who_can_answer_depends_on_the_benchmark(pack, tmp_path):
    assert [one.name for one in people_for(pack)] == ["mllm", "perfect", "flips", "coin", "mllm-looking"]
    alone = small_pack(tmp_path, pictures=1)
    assert {one.protocol for one in people_for(alone)} == {"judge"}
    assert all(one.knows for one in PEOPLE if one.name not in ("mllm", "coin"))


def test_the_mllm_with_the_picture_before_it_says_what_it_saw(pack, tmp_path):
    session = judged(pack, tmp_path, "mllm-looking")
    for line in session.answers:
        if line["answer"] == "told":
            told = pack.subtexts[pack.looks[line["query"]]]
            assert line["text"] in told and topic_of(line["text"]).question == line["question"]
    found = played(pack, Ranking(pack, vectors), "witness", session.answers)
    last = [line for line in session.answers if line["number"] == 1]
    texts = [line["text"] for line in last if line["text"]]
    row = Ranking(pack, vectors).rows([texts])
    measured = retrieval_metrics(row, pack.embeddings.text_pids[[last[0]["query"]]], pack.embeddings.image_pids)
    assert found.first[-1, 0] == measured.first[0]


@pytest.fixture(scope="module")
def table(pack, tmp_path_factory):
    """Of simulated people, and of two people, one of whom ended early."""
    folder = tmp_path_factory.mktemp("table")
    for person in people_for(pack):
        for code in ("one-1", "two-2"):
            simulate(person, pack, folder / "simulated" / person.name, code, vectors)
    for code, protocol, whole in (("one-1", "judge", True), ("two-2", "judge", False), ("wit-1", "witness", True)):
        session = Session.start(pack, folder / "sessions", protocol, vectors, code)
        while (view := session.view()).kind != "done":
            judged = "unsure" if view.number % 2 else "no" if view.round == 1 else "yes"
            said = {"judge": judged, "look": "seen", "describe": "described"}
            answer = said.get(view.kind, "told")
            session.take(view.step, answer, "red coat" if answer in ("described", "told") else "", 2.0)
            if not whole and view.step == 5:
                session.finish(session.view().step)
    Session.start(pack, folder / "sessions", "judge", code="still-open")
    other = small_pack(folder / "other")
    Session.start(other, folder / "sessions", "judge", code="other-pack")
    object.__setattr__(pack, "encoder", lambda: vectors)
    return human_table(pack, [folder / "simulated", folder / "sessions"], 200).set_index("method")


def test_all_rows_stand_on_the_same_queries(pack, table):
    assert table.index.tolist() == ["ICL", *ROWS.values()]
    there = table[table.queries > 0]
    assert there.queries.nunique() == 1 and there.queries.iloc[0] >= pack.shared
    assert table.loc["ICL+witness (attributes)", "queries"] == 0
    measured = plain(pack, np.array(sorted(set(pack.queries("one-1")) & set(pack.queries("wit-1")))))
    assert table.loc["ICL", "rank1"] == pytest.approx(100 * (measured.first[0] == 1).mean())
    assert table.loc["ICL", "queries"] == measured.first.shape[1]


def test_rows_of_people_have_all_that_is_reported(pack, table):
    line = table.loc["ICL+THI (person)"]
    assert (line.sessions, line.whole) == (2, 1)
    assert line.abstentions > 0 and line.answers > line.abstentions
    assert (line.seconds_median, line.seconds_p90) == (2.0, 2.0)
    assert line.anchors > 0 and 0 <= line.anchor_precision <= 100
    witness = table.loc["ICL+witness"]
    assert witness.answers_per_query == pytest.approx(1 + pack.rounds) and np.isnan(witness.kappa_mllm)
    assert table.loc["ICL+THI", "kappa_mllm"] == 1 == table.loc["ICL+THI (perfect)", "kappa_truth"]
    assert table.loc["ICL+THI (perfect)", "rank1"] > table.loc["ICL", "rank1"]
    assert np.isnan(table.loc["ICL+THI", "seconds_median"]), "nobody took that time"
    for name in table.index[table.queries > 0]:
        line = table.loc[name]
        assert line.rank1_low <= line.rank1 <= line.rank1_high and line.map_low <= line["map"] <= line.map_high
        assert line[f"rank1_{pack.rounds}"] == line.rank1 and line["hits1_0"] == line["rank1_0"]
        assert all(np.diff([line[f"hits{k}_{r}"] for r in range(pack.rounds + 1)]).min() >= 0 for k in (1, 5, 10))


def test_the_sheet_flags_who_knows_more_than_a_person_can(table):
    sheet = human_sheet(table.reset_index()).set_index("Method")
    assert sheet.loc["ICL+witness (MLLM)", "knows"] == "sees the target"
    assert sheet.loc["ICL+THI (person)", "knows"] == "-" and "(2.0)" in sheet.loc["ICL+THI (person)", "s/answer (p90)"]
    assert sheet.loc["ICL+witness (attributes)", "Rank-1"] == "-" and isinstance(sheet, pd.DataFrame)


def test_without_sessions_there_is_no_table(pack, tmp_path):
    object.__setattr__(pack, "encoder", lambda: vectors)
    with pytest.raises(InputError, match="no session that has ended"):
        human_table(pack, [tmp_path], 10)
