"""What the application refuses, as a status and words that a person can act on."""

from __future__ import annotations

from icl.errors import InputError


class Refusal(Exception):
    """A request that is not carried out.

    Attributes:
        status: of HTTP. title: a few words. words: what was wrong and what to do. back: path of the page to go on from.
    """

    def __init__(self, status: int, title: str, words: str, back: str = "/") -> None:
        self.status, self.title, self.words, self.back = status, title, words, back
        super().__init__(words)


def refused(error: InputError, back: str = "/") -> Refusal:
    """What a person gave was wrong."""
    found = f"{error.where[:1].upper()}{error.where[1:]}: {error.found}. Expected: {error.expected}. {error.remedy}"
    return Refusal(400, "That could not be taken", found, back)


def unknown(what: str = "page", back: str = "/") -> Refusal:
    """No such thing here."""
    return Refusal(404, f"No such {what}", f"There is no such {what} here, or no longer. Nothing was changed.", back)


def too_large(limit: int) -> Refusal:
    """More bytes than a form may have."""
    size = f"{limit // 2**20} MB" if limit >= 2**20 else f"{limit // 2**10} kB"
    return Refusal(
        413, "Too large", f"This form takes {size} at most. Nothing was kept; send a smaller picture or text."
    )


BY_STATUS = {
    404: ("No such page", "There is no such page here. Nothing was changed."),
    405: ("Not this way", "This address does not take such a request. Nothing was changed; go on from the start page."),
}
"""Title and words of what the router itself refuses."""
