"""Who may talk to the application, and what a browser may do with its pages: checked before anything is read or parsed.

The server listens on loopback, yet any page that a person has open elsewhere can send requests there. So the name that a
request is made to must be loopback's (else a foreign name that resolves to it would do), and a form must come from a page of
this server. The session's own token in each form (`icl.apps.web.forms`) is a second lock on the same door.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from icl.apps.web.refusals import Refusal, too_large

LOOPBACK = ("127.0.0.1", "localhost", "::1")
TEXT_LIMIT = 64 * 2**10
"""Bytes of a form without a picture."""
PHOTO_LIMIT = 12 * 2**20
"""Bytes of a form with one."""
DRAINED = 256 * 2**20
"""Bytes of a refused body that are read and dropped, so that a browser gets to see the answer instead of a broken line."""
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers send `Origin: null` with forms
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def body_limit(path: str) -> int:
    """Bytes that a form sent to a path may have."""
    return PHOTO_LIMIT if path == "/search" else TEXT_LIMIT


class Guard:
    """ASGI: an application behind the guard.

    Args:
        app: what is guarded. refuse: makes the response to a refused request, as an ASGI application.
    """

    def __init__(self, app: ASGIApp, refuse: Callable[[Refusal], ASGIApp]) -> None:
        self.app, self.refuse = app, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] == "websocket":  # none is served
            return await send({"type": "websocket.close", "code": 1008})
        headers = Headers(scope=scope)
        refusal = refusal_of(scope["method"], scope["path"], headers)
        if refusal:
            await _drain(receive, headers)
        answer = self.refuse(refusal) if refusal else self.app

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = scope["path"].startswith("/static/") and message["status"] == 200
                _add_headers(MutableHeaders(scope=message), kept)
            await send(message)

        await answer(scope, receive, guarded)


def refusal_of(method: str, path: str, headers: Headers) -> Refusal | None:
    """Why a request is refused on its head alone, or None."""
    host = headers.get("host", "")
    if _name(f"//{host}") not in LOOPBACK:
        words = "This server answers on this machine's own address only: open http://127.0.0.1 with its port."
        return Refusal(421, "Wrong address", words)
    if method not in ("GET", "HEAD", "POST"):
        return Refusal(405, "Not this way", "Pages are read, and forms are sent; nothing else is taken here.")
    if method == "POST" and not _same_origin(headers, host):
        words = "This form was sent from a page of another site. Nothing was changed; use this server's own pages."
        return Refusal(403, "Not from here", words)
    length = headers.get("content-length", "0")
    if not length.isdecimal():
        return Refusal(400, "Broken request", "The request does not say its own length in digits. Nothing was changed.")
    limit = body_limit(path)
    return too_large(limit) if int(length) > limit else None


def _same_origin(headers: Headers, host: str) -> bool:
    """Browsers send `Origin` with every form, and most `Sec-Fetch-Site`; a programme without both still needs the token."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
    return (origin is None or origin == f"http://{host}") and site in ("same-origin", "none")


def _name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


async def _drain(receive: Receive, headers: Headers) -> None:
    """Read and drop a refused body."""
    read = 0
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return
    while read < DRAINED:
        message = await receive()
        read += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            return


def _add_headers(headers: MutableHeaders, kept: bool) -> None:
    """Args:
    kept: whether a browser may keep it, and ask whether it is new: style and stopwatch, but nothing of a session.
    """
    for name, value in HEADERS.items():
        headers[name] = value
    headers["Cache-Control"] = "no-cache" if kept else "no-store"
