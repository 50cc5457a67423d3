"""Where stored answers stand: the same answers as when every line is parsed, at a fraction of the time and memory."""

import hashlib
import json
import random
import tracemalloc

import pytest

from icl.mllm import places
from icl.mllm.places import Places
from icl.mllm.protocol import Answer, Request
from icl.mllm.store import AnswerStore


def key(n):
    return hashlib.sha256(str(n).encode()).hexdigest()


def rows(numbers, text="text", error=""):
    return [(key(n), Request("vqa", f"question {n}", None, 8), Answer(f"{text} {n}", error=error)) for n in numbers]


def by_parsing(folder):
    """The store's meaning: of all lines that hold an answer, the last one of a key, files in the order of their names."""
    found = {}
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_bytes().split(b"\n")[:-1]:
            try:
                row = json.loads(line)
                answer = Answer(**row["answer"])
                if not answer.error:
                    found[row["key"]] = answer
            except (ValueError, KeyError, TypeError):
                continue
    return found


def spoilt(line, rng):
    """A line as a kill, a full disk, a network file system or an editor may leave it; half of them as they were."""
    at = rng.randrange(len(line))
    row = json.loads(line)
    ways = [
        lambda: line[:at],
        lambda: line[:at] + b"\0" * (len(line) - at),
        lambda: line[:at] + line[at + 1 :],
        lambda: line[: max(at, 90)] + b"\0" * 8 + line[max(at, 90) + 8 :],  # its beginning and its end are whole
        lambda: line[:60] + b"0000" + line[64:],  # the half of the key that memory does not hold
        lambda: json.dumps(row, indent=None, separators=(",", ":")).encode(),
        lambda: json.dumps({**row, "answer": {**row["answer"], "error": "busy", "text": ""}}).encode(),
        lambda: json.dumps({**row, "more": 1}).encode(),
        lambda: json.dumps(row["answer"]["text"]).encode(),
        lambda: line + b"\r",
    ]
    return rng.choice(ways)() if rng.random() < 0.5 else line


@pytest.mark.parametrize("seed", range(40))
def test_whatever_stands_in_the_files_the_answers_are_those_of_parsing_every_line(tmp_path, seed):
    rng = random.Random(seed)
    for name in ("a", "b"):
        AnswerStore(tmp_path, name).add(rows([rng.randrange(12) for _ in range(20)], f"by {name}"))
        path = tmp_path / f"{name}.jsonl"
        lines = [spoilt(line, rng) for line in path.read_bytes().split(b"\n")[:-1]]
        path.write_bytes(b"\n".join([*lines, b'{"key": "still being wri']))
    expected = by_parsing(tmp_path)
    asked = [*map(key, range(14)), *expected]
    for _ in range(2):  # what was found to be damaged is right at once the next time
        store = AnswerStore(tmp_path, "c")
        assert store.answers.find(asked) == expected
        assert store.answers.find(asked) == expected


def test_what_a_store_writes_is_opened_without_parsing(tmp_path, monkeypatch):
    """Else 600,000 answers take 5 seconds and more in every job."""
    AnswerStore(tmp_path, "a").add([*rows(range(50)), *rows([50], error="busy")], since=1.0)  # as a back-end adds them
    seen, loads = [], json.loads
    monkeypatch.setattr(places.json, "loads", lambda line: (seen.append(line), loads(line))[1])
    store = AnswerStore(tmp_path, "b")
    assert len(store.answers) == 50
    assert all(b"busy" in line for line in seen)


def test_memory_holds_places_and_no_texts(tmp_path):
    """600,000 answers in 200 MB, whatever their length."""
    AnswerStore(tmp_path, "a").add(rows(range(5000), "long " * 400))
    tracemalloc.start()
    store = AnswerStore(tmp_path, "b")
    used, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(store.answers) == 5000
    assert used < 5000 * 200e6 / 600_000
    assert peak < 5 * places.PIECE, "a file is read piece by piece"


def test_pieces_end_anywhere_in_a_line(tmp_path, monkeypatch):
    AnswerStore(tmp_path, "a").add(rows(range(20)))
    for size in (1, 7, 100, 211, 5000):
        monkeypatch.setattr(places, "PIECE", size)
        assert AnswerStore(tmp_path, "b").answers.find(map(key, range(20))) == by_parsing(tmp_path)


def test_a_file_that_was_replaced_or_removed_gives_no_wrong_answer(tmp_path):
    AnswerStore(tmp_path, "a").add(rows(range(6), "first"))
    AnswerStore(tmp_path, "b").add(rows([1], "of b"))
    store = AnswerStore(tmp_path, "c")
    (tmp_path / "a.jsonl").unlink()
    AnswerStore(tmp_path, "a").add(rows([5, 2, 1, 0], "second"))
    assert store.answers.find(map(key, range(6))) == by_parsing(tmp_path)
    (tmp_path / "a.jsonl").unlink()
    assert {n: a.text for n, a in store.answers.find(map(key, range(6))).items()} == {key(1): "of b 1"}


def test_answers_of_others_and_own_ones_are_found_as_they_come(tmp_path):
    one, two = AnswerStore(tmp_path, "one"), AnswerStore(tmp_path, "two")
    for n in range(5):
        one.add(rows([2 * n]))
        one.note_identity("vqa", {"model": str(n)})
        two.add(rows([2 * n + 1]))
        two.note_questions(["vqa"])
        one.refresh(), two.refresh()
        assert one.answers.find(map(key, range(12))) == two.answers.find(map(key, range(12))) == by_parsing(tmp_path)
        assert two.identity("vqa") == {"model": str(n)}


def test_a_key_that_is_none_is_refused():
    with pytest.raises(ValueError):
        Places().add("no digest", None, 0)
