"""Logging in and out: a token is exchanged for a cookie that no script can read, and that no other site can send."""

from starlette.requests import Request
from starlette.responses import Response

from aegan_monitor.web.access import SESSION_S, Tokens, Viewer
from aegan_monitor.web.answers import Login, Session
from aegan_monitor.web.endpoints import Endpoint, Json, read_body
from aegan_monitor.web.guard import RefusedError, check_name, try_token


async def log_in(request: Request) -> Response:
    """Exchange a token."""
    state = request.app.state
    if not state.tokens:
        raise RefusedError(409, "there is no token to log in with; set web.token_file")
    login = await read_body(request, Login)
    name = check_name(login.name)
    viewer = Viewer(try_token(login.token, request.state.address, state.tokens, state.attempts), name)
    answer = Json(_describe(viewer, state.tokens))
    answer.set_cookie(
        state.cookie,
        state.tokens.seal(viewer),
        max_age=round(SESSION_S),
        path=_find_path(request),
        secure=request.state.is_https,
        httponly=True,
        samesite="strict",
    )
    return answer


async def log_out(request: Request) -> Response:
    """Forget the cookie."""
    state = request.app.state
    answer = Json(_describe(None, state.tokens))
    answer.delete_cookie(state.cookie, path=_find_path(request), secure=request.state.is_https, httponly=True, samesite="strict")
    return answer


async def show_session(request: Request) -> Response:
    """Who is logged in."""
    return Json(_describe(request.state.viewer, request.app.state.tokens))


def _describe(viewer: Viewer | None, tokens: Tokens) -> Session:
    return Session(role=viewer.role if viewer else None, name=viewer.name if viewer else "", needs_token=bool(tokens))


def _find_path(request: Request) -> str:
    return str(request.state.root).rstrip("/") + "/"


ENDPOINTS = (
    Endpoint("GET", "session", None, "Who is logged in.", show_session, Session),
    Endpoint(
        "POST",
        "session",
        None,
        "Logs in: exchanges a token for a cookie. After five wrong tokens in a minute an address has to wait.",
        log_in,
        Session,
        body=Login,
    ),
    Endpoint("DELETE", "session", None, "Logs out: the browser forgets the cookie.", log_out, Session),
)
