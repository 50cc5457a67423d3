"""The one error that users are meant to see."""

from __future__ import annotations


class InputError(Exception):
    """Something outside the program is wrong: a file, a field, a key, a server.

    The message names the place, what was found, what was expected and what to do.
    """

    def __init__(self, where: str, found: str, expected: str, remedy: str) -> None:
        self.where, self.found, self.expected, self.remedy = where, found, expected, remedy
        super().__init__(f"{where}: found {found}; expected {expected}. {remedy}")
