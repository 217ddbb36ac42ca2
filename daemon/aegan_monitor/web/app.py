"""The application: endpoints, the page's files, and what comes before and after each answer."""

import functools
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aegan_monitor.web import machines, records, session, support
from aegan_monitor.web.access import Attempts, Tokens
from aegan_monitor.web.commands import Commands
from aegan_monitor.web.endpoints import Call, Endpoint, find_viewer
from aegan_monitor.web.guard import Guard, RefusedError
from aegan_monitor.web.live.hub import Hub
from aegan_monitor.web.live.sound import Sound
from aegan_monitor.web.live.spectrogram import Spectrograms
from aegan_monitor.web.openapi import describe
from aegan_monitor.web.sources import Sources
from aegan_monitor.web.support import LogTail

PAGE = Path(__file__).parent / "page"


async def show_description(_: Request) -> Response:
    """This interface, as OpenAPI."""
    return JSONResponse(describe(ENDPOINTS))


ENDPOINTS = (
    *session.ENDPOINTS,
    *machines.ENDPOINTS,
    *records.ENDPOINTS,
    *support.ENDPOINTS,
    Endpoint("GET", "openapi.json", "reader", "This interface, as OpenAPI 3.1.", show_description, "application/json"),
)


def make_app(sources: Sources, tokens: Tokens, hub: Hub, sound: Sound, commands: Commands, log_tail: LogTail) -> ASGIApp:
    """The application, behind its guard."""
    config = sources.config
    endpoints = ENDPOINTS if sources.demo_faults is None else (*ENDPOINTS, *machines.DEMO_ENDPOINTS)
    routes = [Route(f"/{each.full_path}", _protect(each), methods=[each.method]) for each in endpoints]
    app = Starlette(
        routes=[*routes, Mount("/", StaticFiles(directory=PAGE, html=True, check_dir=False))],
        exception_handlers={RefusedError: _explain, HTTPException: _explain, Exception: _explain},
    )
    app.router.redirect_slashes = False  # a redirect names the host
    state = app.state
    state.sources, state.tokens, state.hub, state.sound, state.commands = sources, tokens, hub, sound, commands
    state.log_tail, state.spectrograms = log_tail, Spectrograms(sound)
    state.attempts = Attempts()
    state.cookie = f"aegan_{config.node}"  # two daemons on one host share cookies, whatever their ports
    state.listens = not config.evidence.privacy
    return Guard(_Cached(app), config.web, tokens, state.attempts, state.cookie)


def _protect(endpoint: Endpoint) -> Call:
    """The endpoint's call, for those who may."""

    @functools.wraps(endpoint.call)
    async def call(request: Request) -> Response:
        if endpoint.role is not None:
            find_viewer(request, endpoint.role)
        return await endpoint.call(request)

    return call


class _Cached:
    """Browsers load each file of the page again: after an upgrade they never mix two versions."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_cached(message: Message) -> None:
            if message["type"] == "http.response.start" and not any(name == b"cache-control" for name, _ in message["headers"]):
                message["headers"] = [*message["headers"], (b"cache-control", b"no-cache")]
            await send(message)

        await self._app(scope, receive, send_cached)


def _explain(request: Request, error: Exception) -> Response:
    if isinstance(error, RefusedError):
        return error.answer()
    if not isinstance(error, HTTPException):  # uvicorn logs it
        return JSONResponse({"error": "an error of the daemon; its log has the details"}, 500)
    words = {404: f"nothing at {request.url.path[:200]!r}; api/v1/openapi.json lists what there is", 405: "wrong method"}
    return JSONResponse({"error": words.get(error.status_code, error.detail)}, error.status_code, error.headers)
