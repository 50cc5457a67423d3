"""Pages of the search: the form, the results, what a person says of them, the export."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future
from functools import partial

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from icl.apps.web import asking
from icl.apps.web.forms import BROKEN, Form, read_form
from icl.apps.web.gallery import png_of
from icl.apps.web.refusals import Refusal, refused, unknown
from icl.apps.web.results import exported, results
from icl.apps.web.searching import (
    ANSWERERS,
    MANNERS,
    SHOWN,
    VERDICTS,
    Said,
    Search,
    checked_text,
    combined,
)
from icl.apps.web.site import Site
from icl.apps.web.uploads import read_photo
from icl.errors import InputError

PATIENCE = 1.5
"""Seconds that a form waits for the MLLM before its page is shown without its answers."""
PAGE = 12
"""Results on a page before more are asked for."""


def router(site: Site) -> APIRouter:
    """The routes of a site."""
    routes = APIRouter(default_response_class=HTMLResponse)

    @routes.get("/")
    async def home() -> Response:
        return site.page("home", asked={}, before=None)

    @routes.post("/search")
    async def start(request: Request) -> Response:
        form = await read_form(request)
        site.tokens.require(form, "start", "/")
        search = await run_in_threadpool(_started, site, form)
        if site.mind is not None:
            await _wait(asking.ask(search, site.gallery, site.mind))
            asking.look(search, site.gallery, site.mind)
        return _to(search)

    @routes.get("/search/{code}")
    async def look(code: str, show: str = "") -> Response:
        search = site.search(code)
        count = min(int(show), SHOWN) if show.isascii() and show.isdecimal() and len(show) < 5 else PAGE
        return await run_in_threadpool(_shown, site, search, max(count, 1))

    @routes.post("/search/{code}/verdict")
    async def verdict(code: str, request: Request) -> Response:
        search, form = site.search(code), await read_form(request)
        column, said = _verdict(site, search, form)
        new = await run_in_threadpool(search.tell, column, said)
        if new and said == "yes" and site.mind is not None:
            await _wait(asking.refine_by(search, column, site.gallery, site.mind))
        return _to(search, f"#{'asked' if form.text('from') == 'asked' else 'results'}")

    @routes.get("/search/{code}/{step}/{place}.png")
    async def picture(code: str, step: int, place: int) -> Response:
        column = site.search(code).column(step, place)
        if column is None:
            raise unknown("picture", f"/search/{code}")
        return Response(await run_in_threadpool(site.gallery.picture, column), media_type="image/png")

    @routes.get("/search/{code}/photo.png")
    async def photo(code: str) -> Response:
        search = site.search(code)
        if search.photo is None:
            raise unknown("photo", f"/search/{code}")
        whole = site.gallery.faces == "shown"
        return Response(await run_in_threadpool(png_of, search.photo.copy(), whole), media_type="image/png")

    @routes.get("/search/{code}/export.json")
    async def export(code: str) -> Response:
        found = await run_in_threadpool(exported, site, site.search(code))
        name = f"search-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.json"
        return JSONResponse(found, headers={"Content-Disposition": f'attachment; filename="{name}"'})

    @routes.post("/search/{code}/end")
    async def end(code: str, request: Request) -> Response:
        search, form = site.search(code), await read_form(request)
        site.tokens.require(form, f"search {search.code}", f"/search/{code}")
        site.end(code)
        return site.page("ended")

    return routes


def _started(site: Site, form: Form) -> Search:
    """A new search from its form: text, example, photo, or the photo of the search before."""
    text, back = form.text("text"), "/"
    if example := form.text("example"):
        if not (example.isascii() and example.isdecimal() and int(example[:9]) < len(site.examples)):
            raise BROKEN
        text = site.examples[int(example)]
    who, manner = form.text("who") or "both", form.text("manner") or "evidence"
    if who not in ANSWERERS or manner not in MANNERS:
        raise Refusal(400, "That could not be taken", "There is no such answerer or manner of asking here.", back)
    try:
        image = read_photo(form.photo) if form.photo else None
        if image is None and form.text("keep") and form.text("before") in site.searches:
            image = site.search(form.text("before")).photo
        text = checked_text(text, image is not None)
        by_text = site.gallery.similarities(text) if text else None
        by_photo = site.gallery.similar_to_image(image) if image is not None else None
    except InputError as error:
        raise refused(error, back) from error
    said = Said(combined(by_text, by_photo))
    who = who if site.mind is not None else "person"
    make = partial(Search, text=text, photo=image, who=who, manner=manner, said=said)
    return site.add(lambda code: make(code, vectors=site.gallery.vectors, mind=site.mind))


def _verdict(site: Site, search: Search, form: Form) -> tuple[int, str]:
    """The gallery column and what the person says of it, "" for taken back."""
    site.tokens.require(form, f"search {search.code}", f"/search/{search.code}")
    said = form.text("verdict")
    if said not in (*VERDICTS, "back"):
        raise BROKEN
    column = search.column(form.number("step"), form.number("place"))
    if column is None:
        words = (
            "That page is too old to tell which picture was meant. Nothing was changed; go on from the present page."
        )
        raise Refusal(409, "An old page", words, f"/search/{search.code}")
    return column, "" if said == "back" else said


async def _wait(job: Future | None) -> None:
    """Give the MLLM a moment, so that most pages come with its answers."""
    if job is not None:
        await asyncio.wait([asyncio.wrap_future(job)], timeout=PATIENCE)


def _to(search: Search, part: str = "") -> Response:
    return RedirectResponse(f"/search/{search.code}{part}", 303)


def _shown(site: Site, search: Search, count: int) -> Response:
    with search.lock:
        return site.page("search", search=search, found=results(site, search, count), count=count)
