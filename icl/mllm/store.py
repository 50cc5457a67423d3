"""The answer store: no question that was answered is ever asked again.

Append-only JSON lines, one file a writer. A line is written at once and synced; a torn last line (kill -9) is skipped. Answers
stay in their files; memory holds where they stand.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from icl.errors import InputError
from icl.files import file_digest
from icl.mllm.places import DAMAGED, Places
from icl.mllm.prompts import load_prompt
from icl.mllm.protocol import Answer, Backend, Request, is_replay, is_tolerant, require_answers
from icl.progress import progress

Question = tuple[str, Request]
"""A request with its key."""
SECONDS_BETWEEN_LOOKS = 2.0
"""How often a job that asks looks for what others have answered meanwhile."""


def request_key(request: Request, identity: dict[str, str]) -> str:
    """Content address of an answer: model, adapter, prompt, image, text, limits and sampling."""
    parts = {
        "identity": identity,
        "system": load_prompt("system").sha256,
        "prompt": load_prompt(request.task).sha256,
        "text": request.text,
        "image": file_digest(request.image) if request.image else None,
        "max_new_tokens": request.max_new_tokens,
        "choices": request.choices,
        "sampling": [request.temperature, request.seed],
    }
    return _digest(json.dumps(parts, sort_keys=True))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class AnswerStore:
    """Answers by key. Reads every `*.jsonl` file of a folder, appends to one of its own; several may share a folder."""

    def __init__(self, folder: Path, writer: str) -> None:
        self.path = folder / f"{writer}.jsonl"
        self.answers = Places()
        self.identities: dict[str, dict[str, str]] = {}  # by task: who answered this writer last
        self.others: dict[str, dict[str, str]] = {}  # by task: who answered another writer
        folder.mkdir(parents=True, exist_ok=True)
        self._end_torn_line()
        if self.path.exists():
            self._read(self.path, self.identities)
        self.refresh()

    def refresh(self) -> None:
        """Take over what others have written since."""
        for path in sorted(self.path.parent.glob("*.jsonl")):
            if path != self.path:
                self._read(path, self.others)

    def _read(self, path: Path, identities: dict[str, dict[str, str]]) -> None:
        """The lines that have come to a file since it was last read."""
        for line in self.answers.read(path):
            with suppress(*DAMAGED):
                row = json.loads(line)
                identities[row["task"]] = row["identity"]

    def _end_torn_line(self) -> None:
        if self.path.exists() and self.path.stat().st_size:
            with self.path.open("rb+") as file:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")

    def add(self, rows: Sequence[tuple[str, Request, Answer]], since: float | None = None) -> None:
        """Append answers, failed ones too, and sync them to disk.

        Args:
            since: time.time() from which on they were waited for; it is noted with the present time, for the cost table.
        """
        span = {} if since is None else {"span": [round(since, 3), round(time.time(), 3)]}
        with self.path.open("ab") as file:
            for key, request, answer in rows:
                if not answer.error:
                    self.answers.add(key, self.path, file.tell())
                row = {"key": key, "task": request.task, "image": str(request.image or ""), **span}
                whole = row | {"answer": vars(answer)}  # last: `places` knows a whole line by its end
                file.write(json.dumps(whole).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def identity(self, task: str) -> dict[str, str]:
        """Who answered a task: this writer if it was here before, or else another (RDA's shards can be cut anew)."""
        return self.identities.get(task) or self.others.get(task, {})

    def note_identity(self, task: str, identity: dict[str, str]) -> None:
        """Write down who answers a task, once: a replay finds the answers by it."""
        if self.identities.get(task) != identity:
            self.identities[task] = identity
            with self.path.open("ab") as file:
                file.write(json.dumps({"task": task, "identity": identity}).encode() + b"\n")

    def note_questions(self, tasks: Iterable[str]) -> None:
        """Write down how many questions of each kind were put, answered from the store or not: for the cost table."""
        if counts := Counter(tasks):
            with self.path.open("ab") as file:
                file.write(json.dumps({"questions": counts}).encode() + b"\n")


class CachedBackend:
    """A back-end that asks only what the store does not hold; equal requests once, and each answer is kept."""

    def __init__(self, backend: Backend, store: AnswerStore, portion: int | None = None) -> None:
        self.backend, self.store = backend, store
        self.portion: int = portion or int(getattr(backend, "portion", 256))
        self.asked: dict[str, int] = {}
        self.tolerant = is_tolerant(backend)

    def identity(self, task: str) -> dict[str, str]:
        """The back-end's; in a replay, that of the back-end that once answered."""
        if is_replay(self.backend):
            return self.store.identity(task)
        return self.backend.identity(task)

    def forget_images(self) -> None:
        """The back-end's: drop what it keeps of images beside the store."""
        self.backend.forget_images()

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """Answers in the order of the requests.

        Raises:
            InputError: some found no answer; all others are kept. A tolerant back-end's failed ones are given out as such.
        """
        self.store.refresh()
        known = {task: self.identity(task) for task in {r.task for r in requests}}
        keys = [request_key(r, known[r.task]) for r in requests]
        held = self.store.answers.find(keys)
        missing = {k: r for k, r in zip(keys, requests, strict=True) if k not in held}
        if not is_replay(self.backend):
            self.store.note_questions(request.task for request in requests)
            for task, identity in sorted(known.items()):
                self.store.note_identity(task, identity)
        failed: dict[str, Answer] = {}
        while todo := {k: r for k, r in missing.items() if k not in held and k not in failed}:
            label = f"MLLM {', '.join(sorted({r.task for r in todo.values()}))}"
            for part, _ in progress(self._ask(list(todo.items())), len(todo), label, lambda step: step[1]):
                for key, request, answer in part:
                    self.asked[request.task] = self.asked.get(request.task, 0) + 1
                    (failed if answer.error else held)[key] = answer
            held |= self.store.answers.find(key for key in todo if key not in held and key not in failed)
        require_answers([missing[key] for key in failed], list(failed.values()), self.backend, str(self.store.path))
        return [failed.get(key) or held[key] for key in keys]

    def _ask(self, questions: list[Question]) -> Iterator[tuple[list[tuple[str, Request, Answer]], int]]:
        """Answers, each kept before it is given out: one by one from a server, in portions from a local model.

        Returns:
            Parts of them, and how many questions each part settles: its own, and those that others have answered meanwhile.

        Raises:
            InputError: the back-end left some out.
        """
        queue = _Queue(questions, self.portion, self.store)
        if stream := getattr(self.backend, "stream", None):
            parts: Iterator[list[tuple[int, Answer]]] = ([found] for found in stream(queue.one_by_one()))
        else:
            parts = self._portions(queue)
        answered, settled, since = 0, 0, time.time()
        for part in parts:
            found = [(*queue.taken[k], answer) for k, answer in part]
            self.store.add(found, since)
            answered += len(found)
            yield found, len(found) + queue.passed - settled
            settled, since = queue.passed, time.time()
        if answered != len(queue.taken):
            where, told = (
                f"back-end {type(self.backend).__name__}",
                f"{answered} answers to {len(queue.taken)} questions",
            )
            raise InputError(where, told, "one each", "Mend its `answer` or `stream`; the answers that came are kept.")

    def _portions(self, queue: _Queue) -> Iterator[list[tuple[int, Answer]]]:
        for portion in queue.portions():
            answers = self.backend.answer([request for _, request in portion])
            yield list(enumerate(answers, len(queue.taken) - len(portion)))


class _Queue:
    """The questions of one call, less those that other jobs answer meanwhile.

    Questions about one image follow each other, as a model and the caches of a server then read it once. Jobs with the same
    questions take the portions in different orders: side by side, they share them.

    Attributes:
        taken: questions that were given out, in that order. passed: how many others have answered.
    """

    def __init__(self, questions: list[Question], portion: int, store: AnswerStore) -> None:
        order = sorted(range(0, len(questions), portion), key=lambda start: _digest(f"{store.path.name} {start}"))
        by_image = sorted(questions, key=lambda question: str(question[1].image or ""))
        self._parts, self._store = [by_image[start : start + portion] for start in order], store
        self._looked = time.monotonic()
        self.taken: list[Question] = []
        self.passed = 0

    def portions(self) -> Iterator[list[Question]]:
        """Portions to be answered one after another."""
        for part in self._parts:
            if found := [question for question in part if self._open(question)]:
                self.taken += found
                yield found

    def one_by_one(self) -> Iterator[Request]:
        """Single questions, to be answered in any order."""
        for question in (question for part in self._parts for question in part):
            if self._open(question):
                self.taken.append(question)
                yield question[1]

    def _open(self, question: Question) -> bool:
        if time.monotonic() - self._looked > SECONDS_BETWEEN_LOOKS:
            self._store.refresh()
            self._looked = time.monotonic()
        known = question[0] in self._store.answers
        self.passed += known
        return not known
