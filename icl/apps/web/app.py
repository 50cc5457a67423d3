"""The application: its routes, behind the guard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from icl.apps.web import people_pages, search_pages
from icl.apps.web.guard import Guard
from icl.apps.web.refusals import BY_STATUS, Refusal, refused
from icl.apps.web.site import Site
from icl.errors import InputError

SWEEP = 60.0
"""Seconds between two looks for searches that were left."""
STATIC = Path(__file__).parent / "static"


def create_app(site: Site) -> Guard:
    """The application of a site, as ASGI. It describes itself to nobody: FastAPI's own pages load scripts from elsewhere."""

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(_sweep(site))
        yield
        sweeping.cancel()
        site.close()

    app = FastAPI(title="ICL", openapi_url=None, docs_url=None, redoc_url=None, lifespan=life)
    app.mount("/static", StaticFiles(directory=STATIC))
    app.include_router(search_pages.router(site))
    if site.people is not None:
        app.include_router(people_pages.router(site, site.people))
    _add_refusals(app, site)
    return Guard(app, site.refuse)  # around all of it: the answer to a fault is guarded, too


async def _sweep(site: Site) -> None:
    """Photos and words of searches that were left are not kept until somebody searches again."""
    while True:
        await asyncio.sleep(SWEEP)
        site.forget_idle()


def _add_refusals(app: FastAPI, site: Site) -> None:
    """Everything that is not carried out is answered in words, on a page."""

    @app.exception_handler(Refusal)
    async def _refusal(_request: Request, error: Refusal) -> HTMLResponse:
        return site.refuse(error)

    @app.exception_handler(InputError)
    async def _input_error(_request: Request, error: InputError) -> HTMLResponse:
        return site.refuse(refused(error))

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, error: HTTPException) -> HTMLResponse:
        title, words = BY_STATUS.get(error.status_code, ("Not done", "This request was not carried out."))
        return site.refuse(Refusal(error.status_code, title, words))

    @app.exception_handler(RequestValidationError)
    async def _validation(_request: Request, _error: RequestValidationError) -> HTMLResponse:
        return site.refuse(Refusal(404, *BY_STATUS[404]))

    @app.exception_handler(Exception)
    async def _fault(_request: Request, _error: Exception) -> HTMLResponse:
        words = "This is a fault of the application; its log says more. What was answered before is kept."
        return site.refuse(Refusal(500, "Something went wrong", words))
