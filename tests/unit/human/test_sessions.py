"""Sessions: a function of their journal, whoever reads it when; answers are on the disk when they are taken."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from running import HOUSE
from small_pack import small_pack, small_split, vectors

from icl.errors import InputError
from icl.files import write_checksums, write_json
from icl.human.measures import played
from icl.human.pack import FACTS, Pack
from icl.human.people import PEOPLE, simulate
from icl.human.protocols.judge import JudgeDialogue
from icl.human.ranking import Ranking
from icl.human.session import LONGEST, Session, StaleStep
from icl.human.settings import HumanSettings
from icl.rerank.record import with_ranks
from icl.rerank.thi.session import run_thi


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return small_pack(tmp_path_factory.mktemp("pack"))


def answer(session, choice=0, text="a red coat"):
    """Take an allowed answer to the present view."""
    view = session.view()
    kinds = {"judge": ("yes", "no", "unsure"), "look": ("seen",), "describe": ("described",), "ask": ("told", "unsure")}
    said = kinds[view.kind][choice % len(kinds[view.kind])]
    session.take(view.step, said, text if said in ("described", "told") else "")


@pytest.mark.parametrize("above", [0.0, 0.5, 1.0])
def test_a_session_fed_with_the_stored_answers_is_thi(tmp_path, above):
    """Anchors, rounds and ranks of every query, for any share of queries above xi."""
    split, _, backend = small_split(tmp_path, people=8)
    best = split.embeddings.scores.rows(slice(None)).max(axis=1)
    xi = float(np.quantile(best, 1 - above)) - (1e-3 if above == 1 else -1e-3 if above == 0 else 0)
    pack = small_pack(tmp_path, xi, HumanSettings(shared=1000, own=0, shown=4, pool=0), people=8)
    refine = partial(split.encode, split.embeddings.scores)
    told = split.captions, split.images
    thi = run_thi(split.embeddings.scores, *told, refine, backend, split.mllm, 4, xi, split.thi.lambda_)
    records = with_ranks(thi.records, split.embeddings, split.embeddings.scores, thi.scores)
    session = simulate(PEOPLE[0], pack, tmp_path / "sessions", "stored", vectors)
    found = played(pack, Ranking(pack, None), "judge", session.answers)
    assert sorted(found.queries.tolist()) == list(range(len(records))), "every query"
    for n, query in enumerate(found.queries.tolist()):
        record, lines = records[query], [line for line in session.answers if line["query"] == query]
        assert found.anchors[n] == (-1 if record["anchor"] is None else record["anchor"])
        assert (found.first[0, n], found.first[-1, n]) == (record["rank_before"], record["rank_after"])
        assert [line["answer"] == "yes" for line in lines] == record["yes"]
        assert [line["images"] for line in lines] == [[c] for c in record["candidates"][: len(lines)]]
        moved = [r for r in range(1, 5) if found.first[r, n] != found.first[r - 1, n]]
        assert moved in ([], [record["round"]])
    assert (found.anchors >= 0).any() and (found.first[0] != found.first[-1]).any()


EVENTS = st.lists(st.sampled_from(["0", "1", "2", "undo", "reopen", "other", "stale", "finish"]), max_size=40)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["judge", "witness"]), EVENTS)
def test_the_state_is_a_function_of_the_journal(pack, tmp_path_factory, protocol, events):
    """Whatever is answered, undone, reopened or answered elsewhere: a replay shows the same page, and nothing is deleted."""
    folder = tmp_path_factory.mktemp("events")
    session = Session.start(pack, folder, protocol, vectors)
    other, pages, size = Session.open(pack, folder, session.code, vectors), {}, 0
    for n, event in enumerate(events):
        view = session.view()
        if event == "reopen":
            session = Session.open(pack, folder, session.code, vectors)
        elif event == "stale":
            with pytest.raises(StaleStep):
                session.take(view.step - 1, "yes")
        elif event == "finish" and n < len(events) - 3:
            continue
        elif view.kind == "done":
            with pytest.raises(InputError, match="end"):
                session.take(view.step, "yes")
        elif event == "finish":
            session.finish(view.step)
        elif event == "undo" and view.can_undo:
            earlier = pages.pop(session.answers[-1]["step"])
            session.undo(view.step)
            assert replace(session.view(), step=0) == replace(earlier, step=0)
        elif event != "undo":
            pages[view.step] = view
            answer(other if event == "other" else session, int(event) if event.isdigit() else 0)
            assert session.view().step == view.step + 1
        lines = (folder / f"{session.code}.jsonl").read_bytes()
        assert len(lines) >= size
        size = len(lines)
        again = Session.open(pack, folder, session.code, vectors)
        assert again.view() == session.view() == other.view()
        assert again.answers == session.answers
    steps = [json.loads(line).get("step", 0) for line in lines.splitlines()] if events else []
    assert steps == list(range(len(steps)))


def test_a_picture_that_was_hidden_is_not_shown_again(pack, tmp_path):
    session = Session.start(pack, tmp_path, "witness", vectors)
    look = session.view()
    assert look.kind == "look" and not look.can_undo
    query = session.queries[0]
    assert pack.embeddings.image_pids[look.image] == pack.embeddings.text_pids[query] and look.image != pack.own[query]
    answer(session)
    assert session.view().kind == "describe" and session.view().image is None and not session.view().can_undo
    with pytest.raises(InputError, match="take back"):
        session.undo(session.view().step)
    answer(session)
    asked = session.view()
    assert asked.kind == "ask" and len(asked.images) == 4 and asked.question and asked.text == "a red coat"
    session.undo(asked.step)
    assert session.view().kind == "describe"


def test_a_witness_is_asked_every_round_and_no_question_twice(pack, tmp_path):
    session, asked = Session.start(pack, tmp_path, "witness", vectors), []
    while (view := session.view()).number == 1:
        asked += [view.question] if view.kind == "ask" else []
        answer(session, 1 if view.kind == "ask" and view.round == 2 else 0, f"words {view.round}")
    assert len(asked) == pack.rounds == 4
    assert len(set(asked)) == 4 and "wear a hat" not in " ".join(asked[:3]), "all images deny the hat"
    assert [line["answer"] for line in session.answers[2:6]] == ["told", "unsure", "told", "told"]


def test_cannot_tell_is_a_no_for_the_machine_and_an_abstention_in_the_record(pack, tmp_path):
    below = [q for q in pack.pool.tolist() if pack.top1[q] <= pack.xi]
    for word, asked in (("yes", None), ("no", 1), ("unsure", 1)):
        dialogue = JudgeDialogue(below[0], "a man", pack.interaction(below[0]))
        dialogue.take(word)
        turn = dialogue.turn()
        assert (turn and turn.image) == (None if asked is None else pack.candidates[below[0]][asked]), word
    session = Session.start(pack, tmp_path, "judge")
    session.take(1, "unsure")
    session.finish(2)
    assert session.answers[0]["answer"] == "unsure" and session.summary()["abstentions"] == 1


@pytest.mark.parametrize(
    ("said", "text", "told"),
    [
        ("maybe", "", "answer: found 'maybe'; expected described"),
        ("seen", "", "expected described"),
        ("described", "", "an empty text"),
        ("described", " \n\t…!", "an empty text"),
        ("described", "x" * (LONGEST + 1), f"{LONGEST + 1} characters"),
        ("x" * 5000, "", "found 'xxxx"),
    ],
)
def test_what_is_no_answer_changes_nothing(pack, tmp_path, said, text, told):
    session = Session.start(pack, tmp_path, "witness", vectors)
    answer(session)
    view, before = session.view(), (tmp_path / f"{session.code}.jsonl").read_bytes()
    with pytest.raises(InputError, match=re.escape(told)):
        session.take(view.step, said, text)
    assert session.view() == view and (tmp_path / f"{session.code}.jsonl").read_bytes() == before


def test_texts_are_one_line_of_what_can_be_printed(pack, tmp_path):
    session = Session.start(pack, tmp_path, "witness", vectors)
    answer(session)
    session.take(2, "described", "<script>\x00 a\n\u202eman \ud800")
    assert session.view().text == "<script> a man ?"
    assert Session.open(pack, tmp_path, session.code, vectors).view() == session.view()


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf"), 1e9, "3", None])
def test_a_stopwatch_that_cannot_be_right_is_not_believed(pack, tmp_path, seconds):
    session = Session.start(pack, tmp_path, "judge")
    session.take(1, "no", browser_seconds=seconds)
    assert session.answers[0]["browser_seconds"] is None and session.answers[0]["server_seconds"] >= 0


def test_every_answer_is_one_line_with_all_that_is_needed(pack, tmp_path):
    session = Session.start(pack, tmp_path, "judge")
    image = session.view().image
    session.take(1, "no", browser_seconds=1.25)
    session.undo(2)
    first, own, undone = map(json.loads, (tmp_path / f"{session.code}.jsonl").read_text().splitlines())
    assert first["answer"] == "start" and first["who"] == "person" and "truth" not in first
    assert {"time", "session", "pack", "protocol", "query", "round", "images", "answer", "text", "undone"} <= set(own)
    assert own["images"] == [image] and own["browser_seconds"] == 1.25 and own["pack"] == pack.hash
    assert (undone["answer"], undone["undone"]) == ("undo", 1) and session.view().image == image


def test_the_truth_is_told_at_the_end_alone(pack, tmp_path):
    session = Session.start(pack, tmp_path, "judge")
    with pytest.raises(InputError, match="goes on"):
        session.summary()
    while session.view().kind != "done":
        answer(session, 1)
    told = session.summary()
    assert told["queries"] == 6 and told["anchors"] == 0 and told["rank1"]["before"] == told["rank1"]["after"]
    with pytest.raises(InputError, match="take back"):
        session.undo(session.view().step)
    with pytest.raises(InputError, match="end already"):
        session.finish(session.view().step)


def test_queries_are_shared_then_ones_own_and_the_order_is_the_codes(pack):
    one, same, other = pack.queries("code-1"), pack.queries("code-1"), pack.queries("code-2")
    assert one == same and len(set(one)) == 6 and one != other
    shared = set(one) & set(other)
    assert len(shared) >= 3
    always = set.intersection(*(set(pack.queries(f"code-{n}")) for n in range(30)))
    assert len(always) == 3
    assert len({int(pack.embeddings.text_pids[q]) for q in one}) == 6, "identities take turns"


@pytest.mark.parametrize("code", ["../../etc/passwd", "", "a/b", "A" * 20, "nobody-here", "x" * 200, "a\0bcd"])
def test_no_code_leads_anywhere_else(pack, tmp_path, code):
    with pytest.raises(InputError, match="session: found a code that is not known"):
        Session.open(pack, tmp_path, code)


def test_codes_are_drawn_and_never_taken_twice(pack, tmp_path):
    codes = {Session.start(pack, tmp_path, "judge").code for _ in range(20)}
    assert len(codes) == 20 and all(re.fullmatch("[0-9a-f]{20}", code) for code in codes)
    with pytest.raises(InputError, match="another code"):
        Session.start(pack, tmp_path, "judge", code=next(iter(codes)))


def test_sessions_of_another_pack_and_damaged_ones_are_refused(pack, tmp_path):
    session = Session.start(pack, tmp_path, "judge")
    answer(session, 1)
    with pytest.raises(InputError, match="a session on the pack"):
        Session.open(replace(pack, hash="0" * 64), tmp_path, session.code)
    path = tmp_path / f"{session.code}.jsonl"
    whole = path.read_text()
    for damage in (whole.replace('"no"', '"seen"'), whole.replace('"query"', '"other"'), whole + "{\n", whole + "3\n"):
        path.write_text(damage)
        with pytest.raises(InputError, match=f"{session.code}.jsonl, line [23]"):
            Session.open(pack, tmp_path, session.code)
    line = json.loads(whole.splitlines()[1]) | {"images": [0, 1]}
    path.write_text(whole.splitlines()[0] + "\n" + json.dumps(line) + "\n")
    with pytest.raises(InputError, match="line 2: found another answer"):
        Session.open(pack, tmp_path, session.code)


@pytest.mark.parametrize("torn", ['{"answer": "no", "que', "\0\0\0", '{"answer": "no"}'])
def test_a_torn_line_is_set_aside_and_named(pack, tmp_path, capfd, torn):
    session = Session.start(pack, tmp_path, "judge")
    answer(session, 1)
    path, view = tmp_path / f"{session.code}.jsonl", session.view()
    whole = path.read_bytes()
    path.write_bytes(whole + torn.encode())
    again = Session.open(pack, tmp_path, session.code)
    assert again.view() == view and path.read_bytes() == whole
    assert f"{path}: its last line is torn" in capfd.readouterr().err
    assert (tmp_path / f"{session.code}.jsonl.torn").read_text() == torn + "\n"
    answer(again, 1)
    assert Session.open(pack, tmp_path, session.code).view() == again.view() == session.view()


def test_of_two_that_answer_at_once_one_is_taken(pack, tmp_path):
    """Threads of one server, and another server with its own object."""
    session = Session.start(pack, tmp_path, "judge")
    other = Session.open(pack, tmp_path, session.code)
    taken, stale = [], []

    def click(own, step):
        try:
            own.take(step, "unsure")
            taken.append(step)
        except StaleStep:
            stale.append(step)

    for _ in range(6):
        step = session.view().step
        threads = [threading.Thread(target=click, args=(own, step)) for own in (session, other) * 4]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert taken.count(step) == 1 and stale.count(step) == 7
    assert Session.open(pack, tmp_path, session.code).view() == session.view() == other.view()


def test_an_answer_waits_for_who_holds_the_journal_and_sees_what_came(pack, tmp_path):
    """Another server has the lock, and answers first."""
    session, outcome = Session.start(pack, tmp_path, "judge"), []
    other = Session.open(pack, tmp_path, session.code)
    other.take(1, "no")
    path = tmp_path / f"{session.code}.jsonl"
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first)

    def answer_too():
        try:
            outcome.append(session.take(1, "yes"))
        except StaleStep as error:
            outcome.append(error)

    with path.open("rb+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        thread = threading.Thread(target=answer_too)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive() and path.read_bytes() == first
        held.seek(0, os.SEEK_END)
        held.write(second)
    thread.join(5)
    assert isinstance(outcome[0], StaleStep) and path.read_bytes() == first + second
    assert session.view() == other.view()


CHILD = """
import sys
sys.path.insert(0, {house!r})
from icl.files import write_checksums, write_json
from icl.human.pack import FACTS, Pack
from icl.human.session import Session
pack = Pack.open({folder!r} + "/pack", print)  # a judge encodes nothing
session = Session.open(pack, {folder!r} + "/sessions", "killed")
while (view := session.view()).kind != "done":
    session.take(view.step, "no")
    print(view.step, flush=True)
    if view.step % 3 == 0:
        session.undo(session.view().step)
        print(view.step + 1, flush=True)
"""


def test_kill_9_between_answers_loses_none(tmp_path):
    """What was acknowledged is there, and the session goes on from it."""
    pack = small_pack(tmp_path, 2.0, HumanSettings(shared=1000, own=0, shown=4, pool=0), people=40)
    Session.start(pack, tmp_path / "sessions", "judge", code="killed")
    code, acknowledged = CHILD.format(house=str(HOUSE), folder=str(tmp_path)), 0
    for _ in range(3):
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(20):
            acknowledged = int(child.stdout.readline())
        time.sleep(0.003)
        os.kill(child.pid, signal.SIGKILL)
        rest = child.stdout.read().split()
        child.wait()
        acknowledged = int(rest[-1]) if rest and rest[-1].isdigit() else acknowledged
        session = Session.open(pack, tmp_path / "sessions", "killed")
        assert len(session.lines) >= acknowledged + 1
        assert [line.get("step", 0) for line in session.lines] == list(range(len(session.lines)))
    assert session.view().kind == "judge"


def test_a_pack_that_was_changed_is_refused(tmp_path):
    pack = small_pack(tmp_path)
    assert Pack.open(pack.folder, vectors).hash == pack.hash == small_pack(tmp_path).hash
    image = pack.images[3]
    whole = image.read_bytes()
    image.write_bytes(whole + b"x")
    with pytest.raises(InputError, match=f"{image.name}: found no or another image"):
        Pack.open(pack.folder, vectors)
    image.write_bytes(whole)
    facts = pack.folder / "pack.json"
    facts.write_text(facts.read_text().replace('"rounds": 4', '"rounds": 5'))
    with pytest.raises(InputError, match="pack.json: found no or another file"):
        Pack.open(pack.folder, vectors)
    with pytest.raises(InputError, match="no pack there"):
        Pack.open(tmp_path / "nowhere", vectors)


def test_a_pack_names_every_anchor_that_thi_can_come_to(pack):
    """Whatever a person answers."""
    for query in pack.pool.tolist():
        for answers in np.ndindex(*(2,) * pack.rounds):
            one = pack.interaction(query)
            for yes in answers:
                if one.question() is not None:
                    one.tell(bool(yes))
            pack.merged([query], [one.anchor]).rows(slice(None))


def test_a_pool_asks_the_mllm_about_its_queries_alone(tmp_path):
    pack = small_pack(tmp_path, human=HumanSettings(shared=2, own=2, shown=4, pool=7))
    assert len(pack.pool) == 7 and set(pack.queries("some")) <= set(pack.pool.tolist())
    assert set(pack.pairs[:, 0].tolist()) <= set(pack.pool.tolist())
    assert np.bincount(pack.embeddings.text_pids[pack.pool]).max() <= 2, "identities take turns"


def test_a_witness_needs_a_second_picture(tmp_path):
    pack = small_pack(tmp_path, pictures=1)
    with pytest.raises(InputError, match="one picture alone"):
        Session.start(pack, tmp_path, "witness", vectors)
    with pytest.raises(InputError, match="protocol: found 'oracle'"):
        Session.start(pack, tmp_path, "oracle", vectors)


def test_a_pack_of_another_version_is_refused_in_words(tmp_path):
    folder = small_pack(tmp_path).folder
    facts = json.loads((folder / FACTS).read_text())
    del facts["text_length"]
    write_json(folder / FACTS, facts)
    write_checksums(folder, "*.*")
    with pytest.raises(InputError, match="no text_length; expected a pack of this version"):
        Pack.open(folder, vectors)
