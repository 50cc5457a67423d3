"""The measured sessions as the application holds them: the pack, the open sessions, and the five seconds of a look."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from icl.apps.web.gallery import faces_note, picture_of
from icl.human.pack import Pack
from icl.human.session import Session, View
from icl.rerank.split import Encoder

LOOK = 5.0
"""Seconds for which a witness sees the picture."""
GRACE = 2.0
"""Seconds after these in which it can still be fetched: a slow line, a reload at once."""
PAGES = 3
"""Last pages of a session whose pictures can still be fetched: a browser may be slower than an answer."""
OPEN = 500
"""Sessions that stay in memory; others are read again from their journal."""


@dataclass
class People:
    """Attributes:
    pack: what the sessions are about. folder: of their journals. encoder: the retriever's, of texts.
    faces: "masked" or "shown", of photographs.
    """

    pack: Pack
    folder: Path
    encoder: Encoder
    faces: str = "masked"
    _open: OrderedDict[str, Session] = field(default_factory=OrderedDict, repr=False)
    _looks: dict[tuple[str, int], float] = field(default_factory=dict, repr=False)
    _pages: dict[str, dict[int, list[int]]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _encoding: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def note(self) -> str:
        """How faces are shown."""
        return faces_note(self.pack.drawn, self.faces)

    def start(self, protocol: str) -> Session:
        """A new session.

        Raises:
            InputError: no such protocol, or one that the pack is not made for.
        """
        return self._keep(Session.start(self.pack, self.folder, protocol, self._encode))

    def session(self, code: str) -> Session:
        """A session by its code.

        Raises:
            InputError: no such session, another pack's, or a damaged journal.
        """
        with self._lock:
            if code in self._open:
                self._open.move_to_end(code)
                return self._open[code]
        return self._keep(Session.open(self.pack, self.folder, code, self._encode))

    def may_look(self, session: Session, view: View) -> bool:
        """Whether a look's picture is shown: for five seconds from the first time on, reloaded or not."""
        now = time.monotonic()
        with self._lock:
            return now - self._looks.setdefault((session.code, view.step), now) <= LOOK + GRACE

    def images(self, session: Session, view: View, step: int) -> list[int]:
        """Gallery columns of the pictures on the page of a step: the present one, or one of the last that was no look."""
        if view.kind == "look":
            shown = view.image is not None and self.may_look(session, view)
            present = [view.image] if shown and view.image is not None else []
            return present if step == view.step else self._pages.get(session.code, {}).get(step, [])
        with self._lock:
            pages = self._pages.setdefault(session.code, {})
            pages[view.step] = [view.image] if view.image is not None else view.images
            while len(pages) > PAGES:
                del pages[min(pages)]
            return pages.get(step, [])

    def picture(self, column: int) -> bytes:
        """An image of the gallery as a page may show it, as PNG."""
        return picture_of(self.pack.images[column], self.pack.drawn or self.faces == "shown")

    def _keep(self, session: Session) -> Session:
        with self._lock:
            kept = self._open.setdefault(session.code, session)  # two requests may have opened it at once
            while len(self._open) > OPEN:
                self._pages.pop(self._open.popitem(last=False)[0], None)
            return kept

    def _encode(self, texts: list[str]) -> tuple[np.ndarray, ...]:
        with self._encoding:
            return self.encoder(texts)
