"""Pages of the measured sessions: consent, judge, witness, end."""

from __future__ import annotations

import math
from collections.abc import Callable

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from icl.apps.web.forms import Form, read_form
from icl.apps.web.people import LOOK, People
from icl.apps.web.refusals import Refusal, refused, unknown
from icl.apps.web.site import Site
from icl.errors import InputError
from icl.human.session import LONGEST, Session, StaleStep

NOTES = {
    "stale": "That page had been answered already (a double click, another tab, or the way back): nothing was changed. "
    "This is where you are.",
    "undone": "Your last answer is taken back.",
    "resumed": "Here you left off.",
}
WRITTEN = ("told", "described")
"""Answers that carry a text; with others, what was typed is not an answer."""


def router(site: Site, people: People) -> APIRouter:
    """The routes of a site's measured sessions."""
    routes = APIRouter(default_response_class=HTMLResponse)

    @routes.get("/take-part")
    async def consent() -> Response:
        return site.page("consent", people=people)

    @routes.post("/take-part")
    async def start(request: Request) -> Response:
        form = await read_form(request)
        site.tokens.require(form, "start", "/take-part")
        if form.text("consent") != "yes":
            words = "A session begins only once you agree. Tick the box, or leave; nothing was kept."
            raise Refusal(400, "Not without your consent", words, "/take-part")
        session = await run_in_threadpool(_checked, people.start, form.text("protocol"), "/take-part")
        return RedirectResponse(f"/session/{session.code}", 303)

    @routes.post("/take-part/resume")
    async def resume(request: Request) -> Response:
        form = await read_form(request)
        site.tokens.require(form, "start", "/take-part")
        code = form.text("code").strip().lower()
        session = await run_in_threadpool(_checked, people.session, code, "/take-part")
        return RedirectResponse(f"/session/{session.code}?note=resumed", 303)

    @routes.get("/session/{code}")
    async def look(code: str, note: str = "") -> Response:
        session = await run_in_threadpool(_opened, people, code)
        return await run_in_threadpool(_page, site, people, session, NOTES.get(note, ""))

    @routes.get("/session/{code}/{step}/{place}.png")
    async def picture(code: str, step: int, place: int) -> Response:
        pixels = await run_in_threadpool(lambda: _picture(people, _opened(people, code), step, place))
        return Response(pixels, media_type="image/png")

    @routes.post("/session/{code}/{action}")
    async def act(code: str, action: str, request: Request) -> Response:
        if action not in ("answer", "undo", "finish"):
            raise unknown()
        session, form = await run_in_threadpool(_opened, people, code), await read_form(request)
        site.tokens.require(form, f"session {session.code}", f"/session/{session.code}")
        return await run_in_threadpool(_acted, site, people, session, action, form)

    return routes


def _opened(people: People, code: str) -> Session:
    try:
        return people.session(code)
    except InputError as error:
        raise Refusal(404, "No such session", str(error), "/take-part") from error


def _checked(do: Callable[[str], Session], value: str, back: str) -> Session:
    try:
        return do(value)
    except InputError as error:
        raise refused(error, back) from error


def _acted(site: Site, people: People, session: Session, action: str, form: Form) -> Response:
    """Carry out an answer, an undo or the end; what cannot be taken leaves the page as it was, with the reason on it."""
    step, where = form.number("step"), f"/session/{session.code}"
    try:
        if action == "answer":
            answer, seconds = form.text("answer"), _seconds(form.text("browser_seconds"))
            session.take(step, answer, form.text("text") if answer in WRITTEN else "", seconds)
            return RedirectResponse(where, 303)
        if action == "undo":
            session.undo(step)
            return RedirectResponse(f"{where}?note=undone", 303)
        session.finish(step)
        return RedirectResponse(where, 303)
    except StaleStep:
        return RedirectResponse(f"{where}?note=stale", 303)
    except InputError as error:
        wrong = f"{error.where[:1].upper()}{error.where[1:]}: {error.found}. Expected: {error.expected}. {error.remedy}"
        return _page(site, people, session, "", wrong, form.text("text")[:LONGEST])


def _seconds(text: str) -> float | None:
    """A stopwatch's reading; None where the page had none, or says nonsense."""
    try:
        value = float(text[:20])
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _page(site: Site, people: People, session: Session, note: str, wrong: str = "", typed: str = "") -> HTMLResponse:
    """The session's present page."""
    view = session.view()
    given = dict(people=people, session=session, view=view, note=note, wrong=wrong, typed=typed)
    status = 400 if wrong else 200
    if view.kind == "done":
        return site.page("end", status, **given, summary=session.summary())
    shown = bool(people.images(session, view, view.step))
    return site.page(view.kind, status, **given, shown=shown, seconds=LOOK, longest=LONGEST)


def _picture(people: People, session: Session, step: int, place: int) -> bytes:
    """A picture of a page, by its place on it: neither the address nor the file tells whom it shows."""
    images = people.images(session, session.view(), step)
    if not 0 <= place < len(images):
        raise unknown("picture", f"/session/{session.code}")
    return people.picture(images[place])
