"""Forms: read within bounds and in memory alone, and the token that each of them carries."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from icl.apps.web.guard import PHOTO_LIMIT, TEXT_LIMIT, body_limit
from icl.apps.web.refusals import Refusal, too_large

FIELDS = 20
BROKEN = Refusal(400, "Broken form", "The form could not be read as it was sent. Nothing was changed; send it again.")


class _InMemory(MultiPartParser):
    """Never writes a file: without this, a picture above 1 MB would pass through the system's folder for such files."""

    spool_max_size = PHOTO_LIMIT + 1


@dataclass(frozen=True)
class Form:
    """Attributes:
    texts: fields by name; of equal names the last one. photo: bytes of the picture, or None. Its name is not looked at.
    """

    texts: dict[str, str]
    photo: bytes | None

    def text(self, name: str) -> str:
        """A field, "" where it is absent; line ends as one character."""
        return self.texts.get(name, "").replace("\r\n", "\n")

    def number(self, name: str) -> int:
        """A field of digits.

        Raises:
            Refusal: it is absent or something else.
        """
        value = self.text(name)
        if not (value.isascii() and value.isdecimal() and len(value) <= 9):
            raise BROKEN
        return int(value)


async def read_form(request: Request) -> Form:
    """The form in a request's body.

    Raises:
        Refusal: too large, no form, or a broken one.
    """
    kind = parse_options_header(request.headers.get("content-type", ""))[0]
    stream = _bounded(request, body_limit(request.url.path))
    try:
        if kind == b"multipart/form-data":
            parser: FormParser | MultiPartParser = _InMemory(
                request.headers, stream, max_files=1, max_fields=FIELDS, max_part_size=TEXT_LIMIT
            )
        elif kind == b"application/x-www-form-urlencoded":
            parser = FormParser(request.headers, stream, max_fields=FIELDS, max_part_size=TEXT_LIMIT)
        else:
            raise BROKEN
        items = (await parser.parse()).multi_items()
    except (MultiPartException, ClientDisconnect, KeyError, ValueError) as error:
        raise BROKEN from error
    texts, photo = {}, None
    for name, value in items:
        if isinstance(value, UploadFile):
            photo = await value.read() or photo  # a browser sends an empty one where none was chosen
            await value.close()
        else:
            texts[name] = value
    return Form(texts, photo)


async def _bounded(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """A body that does not say its length is counted as it comes."""
    read = 0
    async for chunk in request.stream():
        read += len(chunk)
        if read > limit:
            raise too_large(limit)
        yield chunk


class Tokens:
    """Tokens of forms: made from a secret of this start of the server, so that nothing has to be kept."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def of(self, purpose: str) -> str:
        """The token of a session's forms, or of those that start one."""
        return hmac.new(self._secret, purpose.encode(), hashlib.sha256).hexdigest()[:32]

    def require(self, form: Form, purpose: str, back: str) -> None:
        """
        Raises:
            Refusal: another token, or none.
        """
        given = form.text("token").encode()
        if not hmac.compare_digest(given, self.of(purpose).encode()):
            words = (
                "This form belongs to another session, or to a page from before the server was started anew. Nothing was "
                "changed; go on from the present page."
            )
            raise Refusal(403, "Not this session's form", words, back)
