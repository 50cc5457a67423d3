"""Progress lines: counted by size, silent within one another."""

import pytest

from icl import progress as module
from icl.progress import progress


@pytest.fixture(autouse=True)
def every_line(monkeypatch):
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.0)


def test_items_count_by_their_size(capsys):
    assert list(progress([[1, 2], [3]], 3, "answers", len)) == [[1, 2], [3]]
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == ["answers 2/3", "answers 3/3"]
    assert lines[0].endswith(" s left") and "left" not in lines[1], "nothing is left of what is done"


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
