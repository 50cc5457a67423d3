"""The parts of a request that a server may refuse to know."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence

from icl.mllm.backends.failures import Declined, failure_of, named
from icl.progress import announce

Wanted = dict[str, dict | Sequence[dict]]
"""Parts of a request by name; of several ways to ask for one, the first that is not refused."""
_VALUE = re.compile(
    r"too (?:large|high|big|small)|at most|greater than|less than|exceed|must be|<=|>=|maximum value", re.I
)
"""Words about a value, not about the field itself."""
LIMITS = ("max_tokens", "max_completion_tokens")
"""What has no other value: where a server refuses this one, the question has to be another."""


class Wishes:
    """What a server refuses is asked otherwise where there is another way, and left out from then on where there is none.

    Args:
        costs: by the word that a refusal names, what is lost without it, told once; "" where nothing is.
        lesser: the same of a lesser way, which is named in `{}`.
    """

    def __init__(self, server: str, costs: Mapping[str, str], lesser: Mapping[str, str] | None = None) -> None:
        self.server, self.costs, self.lesser = server, costs, lesser or {}
        self.refused: set[str] = set()
        self._way: dict[str, int] = {}
        self._told: set[str] = set()
        self._lock = threading.Lock()

    def granted(self, wishes: Mapping[str, dict | Sequence[dict]]) -> dict[str, dict]:
        """Those that were not refused; of several ways to one of them, the first that was not."""
        found = {}
        for word, wish in wishes.items():
            if word not in self.refused:
                found[word] = wish if isinstance(wish, dict) else wish[self._way.get(word, 0)]
        return found

    def learn(
        self, status: int, said: str, sent: Mapping[str, dict], wishes: Mapping[str, dict | Sequence[dict]]
    ) -> bool:
        """Whether an error refuses some of what was sent, so that the question can be put again otherwise.

        Args:
            sent: as `granted` gave it. wishes: as it took them.
        """
        if status not in (400, 422) or isinstance(failure_of(status, said), Declined):
            return False
        text = " ".join([*named(said, ("message", "msg", "detail", "error", "param", "loc"))] or [said])
        words = [word for word in sent if re.search(rf"(?<![a-z]){word}", text.lower())]
        if _VALUE.search(text):
            words = [word for word in words if word not in LIMITS]
        with self._lock:
            for word in words:
                self._give_up(word, sent[word], wishes[word])
        return bool(words)

    def _give_up(self, word: str, sent: dict, wish: dict | Sequence[dict]) -> None:
        ways = [wish] if isinstance(wish, dict) else list(wish)
        following = ways.index(sent) + 1
        if following < len(ways):
            self._way[word] = max(following, self._way.get(word, 0))  # another question may have learnt more
            return
        if word not in self.refused and (cost := self.costs.get(word)):
            announce(f"WARNING MLLM server {self.server} does not take `{word}` and is asked without: {cost}")
        self.refused.add(word)

    def taken(self, sent: Mapping[str, dict]) -> None:
        """Say once what a lesser way costs that the server has taken."""
        for word, cost in self.lesser.items():
            if word in sent and self._way.get(word) and word not in self._told:
                with self._lock:
                    if word not in self._told:
                        self._told.add(word)
                        announce(f"WARNING MLLM server {self.server}: {cost.format([*sent[word].values()][-1])}")
