"""A session of one person: its state is a function of the pack and of its journal, so that it goes on after any kill."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from icl.errors import InputError
from icl.human.journal import SUFFIX, Journal
from icl.human.measures import summary_of
from icl.human.outside import LONGEST as LONGEST
from icl.human.outside import check_answer, checked_code, fits, plain, sensible
from icl.human.pack import Pack
from icl.human.protocols.base import TAKES, Dialogue, Turn
from icl.human.protocols.judge import JudgeDialogue
from icl.human.protocols.witness import WitnessDialogue
from icl.human.ranking import Ranking
from icl.rerank.split import Encoder

PROTOCOLS = ("judge", "witness")


class StaleStep(Exception):
    """An answer to a page that is no longer the present one: a double click, a second tab, the browser's way back."""


@dataclass(frozen=True)
class View:
    """What a page shows.

    Attributes:
        kind: judge, look, describe, ask or done. step: lines of the journal; an answer names it. number, of: query 1 to `of`.
        round, rounds: of its questions. text: the query so far. image: gallery column shown, or None. images: columns of the
        first images (ask). question: in words (ask). can_undo: whether the last answer can be taken back.
    """

    kind: str
    step: int
    number: int
    of: int
    round: int
    rounds: int
    text: str
    image: int | None
    images: list[int]
    question: str
    can_undo: bool


class Session:
    """One person, one protocol, one journal. Safe for several threads, and for several servers on one folder.

    Attributes:
        pack: what it is about. code: its name and key. protocol: judge or witness. queries: numbers in the pack, in order.
    """

    def __init__(self, pack: Pack, journal: Journal, encoder: Encoder | None) -> None:
        """Use `start` or `open`."""
        self.pack, self._journal, self._lock = pack, journal, threading.RLock()
        self.code, self.protocol = journal.path.name.removesuffix(SUFFIX), _first(pack, journal)["protocol"]
        self.queries, self._ranking = pack.queries(self.code), Ranking(pack, encoder)
        self._replay()

    @classmethod
    def start(
        cls,
        pack: Pack,
        folder: Path,
        protocol: str,
        encoder: Encoder | None = None,
        code: str = "",
        who: str = "person",
        synced: bool = True,
    ) -> Session:
        """A new session with its first line.

        Args:
            folder: of the journals. encoder: needed by the witness. code: random where it is not given. who: in the first line;
                simulated people have a name of their own.

        Raises:
            InputError: unknown protocol, or one that the pack is not made for.
        """
        if protocol not in PROTOCOLS:
            raise InputError("protocol", repr(protocol), " or ".join(PROTOCOLS), "Choose one.")
        if protocol == "witness" and (pack.looks[pack.pool] < 0).any():
            found = "queries whose person has one picture alone"
            raise InputError(
                f"pack of {pack.name}", found, "another picture to show a witness", "Take the protocol judge."
            )
        code = checked_code(code or secrets.token_hex(10))
        first = {**_stamp(), "session": code, "pack": pack.hash, "protocol": protocol, "who": who, "answer": "start"}
        return cls(pack, Journal.create(Path(folder) / f"{code}{SUFFIX}", first, synced), encoder)

    @classmethod
    def open(cls, pack: Pack, folder: Path, code: str, encoder: Encoder | None = None) -> Session:
        """An earlier session, as its journal leaves it.

        Raises:
            InputError: no such code, another pack's, or a damaged journal.
        """
        path = Path(folder) / f"{checked_code(code)}{SUFFIX}"
        if not path.is_file():
            raise InputError("session", "a code that is not known", "the code of a session", "Check it, or start anew.")
        journal = Journal(path)
        journal.refresh()
        return cls(pack, journal, encoder)

    def view(self) -> View:
        """What is to be shown now.

        Raises:
            InputError: another process has damaged the journal.
        """
        with self._lock:
            self._catch_up()
            return self._view()

    def take(self, step: int, answer: str, text: str = "", browser_seconds: float | None = None) -> None:
        """Take an answer; it is on the disk when this returns.

        Args:
            step: of the view that it answers. text: where it is `described` or `told`. browser_seconds: from a stopwatch.

        Raises:
            StaleStep: `step` is not the present one: nothing changes.
            InputError: an answer that this view does not take, an empty or too long text: nothing changes.
        """
        with self._lock:
            self._require(step)
            if self.done:
                raise InputError("session", "an answer after its end", "none", "Start another session.")
            turn, dialogue, text = self._turn(), self._dialogues[self._at], plain(text)
            check_answer(turn, answer, text)
            line = {"kind": turn.kind, "number": self._at + 1, "query": dialogue.query, "round": turn.round}
            line |= {"images": turn.shown, "question": turn.question, "answer": answer, "text": text}
            self._add(step, line, browser_seconds)
            self._taken(line)

    def undo(self, step: int) -> None:
        """Take back the last answer, with a line that says so; a picture that was hidden is not shown again.

        Raises:
            StaleStep: as `take`. InputError: there is none that can be taken back.
        """
        with self._lock:
            self._require(step)
            if not self._can_undo:
                raise InputError("session", "nothing to take back", "an answer before", "Go on with this question.")
            self._add(step, {"answer": "undo", "undone": self._valid[-1]})
            self._replay()

    def finish(self, step: int) -> None:
        """End early; the answers so far count.

        Raises:
            StaleStep: as `take`. InputError: it has ended.
        """
        with self._lock:
            self._require(step)
            if self.done:
                raise InputError("session", "its end already", "a session that goes on", "Start another session.")
            self._add(step, {"answer": "finish"})
            self._replay()

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._finished or self._at == len(self._dialogues)

    @property
    def lines(self) -> list[dict]:
        """All lines of the journal."""
        return list(self._journal.lines)

    @property
    def answers(self) -> list[dict]:
        """The lines of answers that were not taken back."""
        return [self._journal.lines[n] for n in self._valid]

    @property
    def who(self) -> str:
        """`person`, or the name of a simulated one."""
        return self._journal.lines[0].get("who", "person")

    def summary(self) -> dict:
        """What the answers did; only once the session is over, as it tells the truth.

        Returns:
            As `icl.human.measures.summary_of`.

        Raises:
            InputError: it is not over.
        """
        if not self.done:
            raise InputError("session", "a session that goes on", "its end", "Answer on, or finish it.")
        return summary_of(self.pack, self._ranking, self.protocol, self.answers)

    def _require(self, step: int) -> None:
        self._catch_up()
        if step != len(self._journal.lines):
            raise StaleStep(f"step {step} was answered already; the present one is {len(self._journal.lines)}")

    def _catch_up(self) -> None:
        if self._journal.refresh():
            self._replay()

    def _add(self, step: int, line: dict, browser_seconds: float | None = None) -> None:
        before = self._journal.lines[-1]
        times = {"browser_seconds": sensible(browser_seconds), "server_seconds": _since(before["time"])}
        named = {**_stamp(), "session": self.code, "pack": self.pack.hash, "protocol": self.protocol, "step": step}
        if not self._journal.add({**named, "undone": None, **line, **times}):
            self._replay()
            raise StaleStep("another tab or server answered first")

    def _replay(self) -> None:
        """The state from all lines."""
        self._dialogues = [self._dialogue(q) for q in self.queries]
        self._at, self._valid, self._finished, self._present = 0, [], False, None
        standing: list[int] = []
        for n, line in enumerate(self._journal.lines[1:], 1):
            if line.get("answer") == "undo" and standing and line.get("undone") == standing[-1]:
                standing.pop()
            elif line.get("answer") == "finish":
                self._finished = True
            elif line.get("kind") in TAKES:
                standing.append(n)
            else:
                raise self._damaged(n)
        for n in standing:
            self._taken(self._journal.lines[n], n)

    def _taken(self, line: dict, number: int | None = None) -> None:
        number = len(self._journal.lines) - 1 if number is None else number
        dialogue = self._dialogues[self._at] if self._at < len(self._dialogues) else None
        if dialogue is None or not fits(line, dialogue):
            raise self._damaged(number)
        dialogue.take(line["answer"], line["text"], line["question"])
        self._valid.append(number)
        self._present = None
        self._at += dialogue.done

    def _damaged(self, n: int) -> InputError:
        where, expected = f"{self._journal.path}, line {n + 1}", "an answer to what this session asks"
        return InputError(where, "another answer", expected, "Restore the file from a copy, or start anew.")

    def _dialogue(self, query: int) -> Dialogue:
        if self.protocol == "judge":
            return JudgeDialogue(query, self.pack.captions[query], self.pack.interaction(query))
        return WitnessDialogue(query, int(self.pack.looks[query]), self.pack.rounds, self._ranking.ask)

    def _turn(self) -> Turn:
        if self._present is None:
            self._present = self._dialogues[self._at].turn()
        return self._present

    @property
    def _can_undo(self) -> bool:
        return not self.done and bool(self._valid) and self._journal.lines[self._valid[-1]]["answer"] != "seen"

    def _view(self) -> View:
        of, step = len(self._dialogues), len(self._journal.lines)
        if self.done:
            return View("done", step, min(self._at, of), of, 0, self.pack.rounds, "", None, [], "", False)
        turn = self._turn()
        return View(
            turn.kind,
            step,
            self._at + 1,
            of,
            turn.round,
            self.pack.rounds,
            turn.text,
            turn.image,
            list(turn.images),
            turn.question,
            self._can_undo,
        )


def _first(pack: Pack, journal: Journal) -> dict:
    """The first line.

    Raises:
        InputError: it is none, or another pack's.
    """
    first = journal.lines[0] if journal.lines else {}
    if first.get("answer") != "start" or first.get("protocol") not in PROTOCOLS:
        raise InputError(str(journal.path), "no first line", "a session's journal", "Start another session.")
    if first.get("pack") != pack.hash:
        found = f"a session on the pack {str(first.get('pack'))[:12]}"
        raise InputError("session", found, f"one on the pack {pack.hash[:12]}", "Start another, or restore that pack.")
    return first


def _stamp() -> dict:
    return {"time": datetime.now(UTC).isoformat(timespec="milliseconds")}


def _since(time: str) -> float:
    """Seconds since an earlier line: what lies between two answers on the server, breaks included."""
    return round(max(0.0, (datetime.now(UTC) - datetime.fromisoformat(time)).total_seconds()), 3)
