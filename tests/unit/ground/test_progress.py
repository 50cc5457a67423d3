"""Progress: lines and bars of one piece of work, time left, a job's state file, and the board of all jobs."""

import io
import json
import os
import pty
import subprocess
import sys

import pytest
from running import HOUSE
from screen import Screen

from icl import progress as module
from icl.progress import Task, announce, progress, stage, task
from icl.progress.board import Board, Row
from icl.progress.clock import TimeLeft, duration
from icl.progress.state import INTERRUPTED, VARIABLE, own_state, read_state, state_file
from icl.progress.views import MOST_ROWS, Bars, Lines, view_of


@pytest.fixture(autouse=True)
def every_line(monkeypatch):
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.0)
    monkeypatch.setattr("icl.progress.state.SECONDS_BETWEEN_WRITES", 0.0)
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("RANK", raising=False)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class TTY(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def test_items_count_by_their_size(capsys):
    assert list(progress([[1, 2], [3]], 3, "answers", len)) == [[1, 2], [3]]
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == ["answers 2/3", "answers 3/3"]
    assert lines[0].endswith(" s left") and "left" not in lines[1], "nothing is left of what is done"


def test_short_work_says_nothing_in_a_log(capsys, monkeypatch):
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 10.0)
    assert list(progress("abc", label="windows")) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def test_what_runs_within_another_is_silent_and_the_next_is_heard(capsys):
    for _ in progress([1, 2], label="outer"):
        assert list(progress("ab", label="inner")) == ["a", "b"]
    list(progress([1], label="next"))
    said = capsys.readouterr().err
    assert said.count("outer") == 2 and "inner" not in said and said.count("next") == 1


def test_an_error_ends_the_silence(capsys):
    with pytest.raises(ValueError, match="stop"):
        _fail()
    list(progress([1], label="next"))
    assert "next 1/1" in capsys.readouterr().err


def _fail():
    for _ in progress([1, 2], label="outer"):
        raise ValueError("stop")


def test_only_the_first_process_of_a_training_reports(capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with task(2, "epoch 1/2") as work:
        work.advance()
        work.note("loss 1")
    assert capsys.readouterr().err == ""


def test_a_training_is_one_whole_and_tells_its_results_on_the_way(capsys):
    with task(4, counted=False) as work:
        for epoch in (1, 2):
            work.label = f"epoch {epoch}/2"
            work.advance()
            work.advance()
            work.note(f"after epoch {epoch}: loss {3 - epoch}")
    lines = capsys.readouterr().err.splitlines()
    assert lines[1].startswith("epoch 1/2, ") and "left" in lines[0], "of both epochs"
    assert lines[-1].startswith("epoch 2/2, ") and lines[-1].endswith("after epoch 2: loss 1")
    assert len(lines) == 6, "no line twice"


def test_of_several_steps_each_has_a_time_of_its_own(capsys):
    with stage("step 2 of 4"):
        list(progress([1, 2], label="MLLM aggregate"))
    list(progress([1, 2], label="MLLM vqa"))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("step 2 of 4, MLLM aggregate 1/2, ") and lines[0].endswith("left of this step")
    assert lines[2].startswith("MLLM vqa 1/2, ") and lines[2].endswith(" left")


@pytest.mark.parametrize(
    "seconds, text", [(0.2, "0 s"), (119, "119 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (-1, "0 s")]
)
def test_durations_are_short(seconds, text):
    assert duration(seconds) == text


def test_time_left_goes_by_the_mean_speed_of_this_run_alone():
    clock = Clock()
    left = TimeLeft(100, done=40, clock=clock)  # 40 steps of an earlier run took no time of this one
    assert left.seconds() is None and left.words() == ""
    clock.now = 10.0
    left.at(45)
    assert left.seconds() == pytest.approx(2.0 * 55)
    clock.now = 20.0
    assert left.seconds() == pytest.approx(2.0 * 55), "counted from the last step"
    left.at(60)
    assert left.words("of this step") == "40 s left of this step"
    left.at(100)
    assert left.words() == "" and left.seconds() == 0


@pytest.fixture
def job(tmp_path, monkeypatch):
    """The state file of a job in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    path = state_file("results/logs/train/x.log")
    monkeypatch.setenv(VARIABLE, str(path))
    return path


def test_a_job_tells_its_progress_and_what_the_user_should_see(job, capsys):
    with task(4, counted=False) as work:
        work.label = "epoch 1/2"
        work.advance(2)
        work.note("after epoch 1: loss 3")
        found = read_state(job)
        assert (found["label"], found["done"], found["total"]) == ("epoch 1/2", 2, 4)
        assert found["remark"] == "after epoch 1: loss 3" and found["left"] >= 0
    announce("downloading")
    own_state().fail("no such file")
    found = read_state(job)
    assert found["said"] == ["downloading"] and found["error"] == "no such file"
    assert "downloading" in capsys.readouterr().err


def test_a_job_that_cannot_tell_works_on(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file" / "state.json"))
    assert list(progress("ab", label="x")) == ["a", "b"]


def test_no_two_jobs_share_a_state_file():
    names = {state_file(log) for log in ("a/b.log", "a-b.log", "a%2Fb.log", "a/b%2E.log")}
    assert len(names) == 4 and all(path.parent.name == "progress" for path in names)


class Kept:
    """A view that keeps what it was shown."""

    def __init__(self):
        self.lines, self.head, self.rows, self.closed = [], "", [], False

    def line(self, text):
        self.lines.append(text)

    def show(self, head, rows):
        self.head, self.rows = head, rows

    def close(self):
        self.closed = True


@pytest.fixture
def board(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clock = Clock()
    found = Board(Kept(), 12, clock, clock)
    found.clock = clock
    return found


def tell(log, **known):
    path = state_file(log)
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = {
        "label": "epoch 5/12",
        "done": 50,
        "total": 120,
        "left": 70.0,
        "rest": "",
        "remark": "",
        "said": [],
        "at": 0.0,
    }
    path.write_text(json.dumps({**shape, **known}))


def test_two_jobs_side_by_side_have_names_shares_and_times_of_their_own(board):
    board.start(1, "train a seed1", "a.log")
    board.start(2, "train b seed1", "b.log")
    tell("a.log", remark="after epoch 4: loss 2.5, val Rank-1 40.0, mAP 50.0")
    board.clock.now = 30.0
    board.tick()
    first, second = board.view.rows
    words = "epoch 5/12, 40 s left, after epoch 4: loss 2.5, val Rank-1 40.0, mAP 50.0"
    assert first == Row("train a seed1", words, 50 / 120)
    assert second == Row("train b seed1", "30 s", None), "has told nothing yet"
    assert board.view.head == "0 of 12 jobs done, 30 s"


def test_a_job_ends_in_one_line_with_its_duration_and_last_result(board):
    board.start(1, "train a", "a.log")
    tell("a.log", remark="after epoch 12: loss 2.5")
    board.clock.now = 98.0
    board.finish(1)
    assert board.view.lines == ["[ 1/12] train a: 98 s; after epoch 12: loss 2.5"]
    assert not state_file("a.log").exists() and board.view.rows == []


def test_what_a_killed_run_told_is_forgotten(board):
    tell("a.log", said=["old news"])
    board.start(1, "train a", "a.log")
    board.tick()
    assert board.view.rows == [Row("train a", "0 s", None)] and board.view.lines == []


def test_what_a_job_says_is_passed_on_once(board):
    board.start(1, "search", "a.log")
    tell("a.log", said=["1. first.jpg"])
    board.tick()
    board.tick()
    tell("a.log", said=["1. first.jpg", "page: index.html"])
    board.finish(1)
    assert board.view.lines == ["1. first.jpg", "page: index.html", "[ 1/12] search: 0 s"]


def test_a_failure_is_kept_with_its_message_until_the_job_is_tried_again(board):
    board.start(1, "train a", "a.log")
    tell("a.log", error="no such file")
    board.fail(1)
    board.start(2, "train b", "b.log")
    tell("b.log", error=INTERRUPTED)
    board.fail(2)
    assert [message for _, message in board.failed.values()] == ["no such file", INTERRUPTED]
    assert board.view.lines == ["train a: failed after 0 s", "train b: interrupted after 0 s"]
    board.start(1, "train a", "a.log")
    assert list(board.failed) == [2]


def test_a_closed_board_leaves_no_files_and_shows_nothing_more(board):
    board.start(1, "train a", "a.log")
    tell("a.log")
    board.close()
    assert board.view.closed and not state_file("a.log").exists()
    board.tick()
    assert board.view.head == ""


def test_a_pipe_gets_few_lines_however_long_the_run():
    """Of a run of ten minutes with 24 jobs: with a line a job, table and last words, below 60; of a week, below 100."""
    counts = {}
    for minutes in (10, 7 * 24 * 60):
        clock, out = Clock(), io.StringIO()
        lines = Lines(out, clock=clock)
        while clock.now < 60 * minutes:
            clock.now += 0.5 if minutes < 20 else 10
            lines.show("3 of 24 jobs done", [Row("train a", "epoch 5/12, 40 s left", 0.4), Row("thi b", "9 s", None)])
        counts[minutes] = len(out.getvalue().splitlines())
    assert 3 <= counts[10] <= 10 and counts[7 * 24 * 60] <= 60
    line = out.getvalue().splitlines()[0]
    assert line == "3 of 24 jobs done; running: train a (epoch 5/12, 40 s left); thi b (9 s)"


def test_a_cluster_run_names_some_jobs_and_counts_the_others():
    rows = [Row(f"job {n}", "1 s", None) for n in range(MOST_ROWS + 3)]
    out, clock = io.StringIO(), Clock()
    view = Lines(out, clock=clock)
    clock.now = 60.0
    view.show("head", rows)
    assert out.getvalue().endswith(f"job {MOST_ROWS - 1} (1 s); 3 more\n")
    stream = TTY()
    bars = Bars(stream)
    bars.show("head", rows)
    screen = Screen(stream.getvalue())
    assert screen.lines[0] == "head, 3 more running" and len(screen.text()) == MOST_ROWS + 1


def test_bars_keep_their_places_and_lines_stay_above():
    stream = TTY()
    bars = view_of(stream)
    assert isinstance(bars, Bars)
    a, b, c = (
        Row(f"train {name}", "epoch 5/12, 40 s left", share) for name, share in (("a", 0.5), ("b", 1.0), ("c", None))
    )
    bars.show("0 of 3 jobs done", [a, b])
    assert Screen(stream.getvalue()).text() == [
        "0 of 3 jobs done",
        "██████       train a: epoch 5/12, 40 s left",
        "████████████ train b: epoch 5/12, 40 s left",
    ]
    bars.line("[1/3] train a: 98 s")
    bars.show("1 of 3 jobs done", [b, c])
    assert Screen(stream.getvalue()).text() == [
        "[1/3] train a: 98 s",
        "1 of 3 jobs done",
        "             train c: epoch 5/12, 40 s left",
        "████████████ train b: epoch 5/12, 40 s left",
    ], "c takes the place of a, b stays"
    bars.close()
    assert Screen(stream.getvalue()).text() == ["[1/3] train a: 98 s"]


def test_a_file_gets_lines():
    assert isinstance(view_of(io.StringIO()), Lines)


def test_the_library_alone_draws_a_bar_on_a_terminal():
    """Plain Python, no workflow: the bar of a work is seen, with its results above it."""
    code = (
        "from icl.progress import task\n"
        "with task(2, 'epoch 1/1') as work:\n    work.advance(); work.note('loss 3'); work.advance()\n"
    )
    ours, theirs = pty.openpty()
    env = {**os.environ, "PYTHONPATH": str(HOUSE)}
    run = subprocess.run([sys.executable, "-c", code], stderr=theirs, env=env, timeout=60)
    os.close(theirs)
    seen = os.read(ours, 65536).decode()
    os.close(ours)
    assert run.returncode == 0 and "100%" in seen and "2/2" in seen and "epoch 1/1: loss 3" in seen


def test_a_bar_is_drawn_where_stderr_is_a_terminal(monkeypatch):
    stream = TTY()
    monkeypatch.setattr(sys, "stderr", stream)
    work = Task(3, "images")
    work.advance(3)
    work.close()
    assert "images: 100%" in stream.getvalue()
