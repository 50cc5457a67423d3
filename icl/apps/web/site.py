"""What the application holds while it runs: gallery, MLLM, pack, searches; and how its pages are made."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse

from icl.apps.web.forms import Tokens
from icl.apps.web.gallery import Gallery
from icl.apps.web.mind import Mind
from icl.apps.web.people import People
from icl.apps.web.refusals import Refusal, unknown
from icl.apps.web.searching import Search

IDLE = 3600.0
"""Seconds after which a search that nobody looks at is forgotten."""
SEARCHES = 200
"""Searches at once; the one that was not looked at for longest makes room."""
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Of codes: without those that are taken for others."""


@dataclass
class Site:
    """Attributes:
    gallery: what is searched. mind: the MLLM; None: nobody but the person answers. examples: queries to try.
    people: the measured sessions; None: there is no pack.
    """

    gallery: Gallery
    mind: Mind | None
    examples: list[str]
    people: People | None = None
    tokens: Tokens = field(default_factory=Tokens)
    searches: dict[str, Search] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        loader = PackageLoader("icl.apps.web")
        escape = select_autoescape(default=True)
        self.pages = Environment(
            loader=loader, autoescape=escape, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self.pages.globals |= {"site": self, "token": self.tokens.of}

    def page(self, name: str, status: int = 200, **values: object) -> HTMLResponse:
        """A page from its template."""
        return HTMLResponse(self.pages.get_template(f"{name}.html").render(**values), status)

    def refuse(self, refusal: Refusal) -> HTMLResponse:
        """The page that says why a request was not carried out."""
        return self.page("refused", refusal.status, refusal=refusal)

    def add(self, make: Callable[[str], Search]) -> Search:
        """Keep a new search under a random code.

        Args:
            make: a code to the search.
        """
        search = make("".join(secrets.choice(LETTERS) for _ in range(16)))
        with self._lock:
            while len(self.searches) >= SEARCHES:
                del self.searches[min(self.searches, key=lambda code: self.searches[code].used)]
            self.searches[search.code] = search
        return search

    def search(self, code: str) -> Search:
        """A search by its code.

        Raises:
            Refusal: none such, or it was ended or forgotten.
        """
        found = self.searches.get(code)
        if found is None:
            raise unknown("search")
        found.used = time.monotonic()
        return found

    def forget_idle(self) -> None:
        """Forget the searches that nobody looks at."""
        with self._lock:
            now = time.monotonic()
            for code in [code for code, one in self.searches.items() if now - one.used > IDLE]:
                del self.searches[code]

    def end(self, code: str) -> None:
        """Forget a search and all that was given to it."""
        with self._lock:
            self.searches.pop(code, None)

    def close(self) -> None:
        """Forget all searches, and end the MLLM's thread."""
        self.searches.clear()
        if self.mind is not None:
            self.mind.close()
