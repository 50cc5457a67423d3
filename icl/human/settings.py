"""Settings of the sessions with people."""

from __future__ import annotations

from dataclasses import dataclass

from icl.fields import setting


@dataclass(frozen=True)
class HumanSettings:
    """A person in the loop: the pack that sessions draw from, and simulated people."""

    shared: int = setting(20, "Queries that every session has.", low=0, high=100_000)
    own: int = setting(20, "Further queries of a session, drawn by its code.", low=0, high=100_000)
    shown: int = setting(10, "First images that a witness sees with each question.", low=2, high=1000)
    pool: int = setting(
        240,
        "Queries that sessions draw from, so that the MLLM is asked about these alone; 0: all.",
        low=0,
        high=10_000_000,
    )
    simulated: int = setting(
        8, "Sessions of each simulated person, where no person has taken part yet.", low=1, high=10_000
    )
