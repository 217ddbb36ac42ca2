"""One endpoint of the interface: what it takes, what it gives, who may use it. Routes and documentation are made from these."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from aegan_monitor.detection.bundle import Bundle
from aegan_monitor.web.access import Role, Viewer
from aegan_monitor.web.guard import RefusedError

M = TypeVar("M", bound=BaseModel)
MAX_BODY = 32_768  # bytes

Call = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One request that is answered.

    Attributes:
        method, path: `GET`, and the path below `api/v1/`, with names in braces.
        role: Who may use it; None: anybody.
        words: What it does, one sentence or more.
        call: Answers it.
        answer: Model of the JSON that is given, or a media type.
        query, body: Models of what is taken.
        at_top: Whether the path is not below `api/v1/`.
    """

    method: str
    path: str
    role: Role | None
    words: str
    call: Call
    answer: type[BaseModel] | str
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    at_top: bool = False

    @property
    def full_path(self) -> str:
        """The path below the page's own."""
        return self.path if self.at_top else f"api/v1/{self.path}"


class Json(Response):
    """A model as JSON."""

    media_type = "application/json"

    def __init__(self, model: BaseModel, status: int = 200) -> None:
        super().__init__(model.model_dump_json(), status, {"cache-control": "no-store"})


def find_viewer(request: Request, role: Role) -> Viewer:
    """Who has sent the request.

    Raises:
        RefusedError: Nobody is logged in, or the role is not enough.
    """
    viewer: Viewer | None = request.state.viewer
    if viewer is None:
        raise RefusedError(401, "log in first: send the token to api/v1/session", {"www-authenticate": "Bearer"})
    if not viewer.may(role):
        raise RefusedError(
            403,
            f"this needs the role {role}, found {viewer.role}; log in with the token of web.token_file, or add the name to web.operators",
        )
    return viewer


def find_bundle(request: Request) -> tuple[str, Bundle]:
    """The machine in the path, and its bundle.

    Raises:
        RefusedError: There is no such machine.
    """
    name, bundles = str(request.path_params["machine"]), request.app.state.sources.find_bundles()
    if name not in bundles:
        raise RefusedError(404, f"no machine {name[:64]!r}; there are: {', '.join(bundles)}")
    return name, bundles[name]


def read_query(request: Request, model: type[M]) -> M:
    """The parameters of a request.

    Raises:
        RefusedError: One is wrong.
    """
    return _validate(lambda: model.model_validate(dict(request.query_params)))


async def read_body(request: Request, model: type[M], max_bytes: int = MAX_BODY) -> M:
    """The JSON that a request carries.

    Raises:
        RefusedError: It is too large, of another type, or wrong.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise RefusedError(415, "expected JSON; set Content-Type: application/json")
    body = await _read(request, max_bytes)
    return _validate(lambda: model.model_validate_json(body))


async def _read(request: Request, max_bytes: int) -> bytes:
    body = b""
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > max_bytes:
                raise RefusedError(413, f"larger than {max_bytes} bytes", {"connection": "close"})
    except ClientDisconnect:
        raise RefusedError(400, "the request ended before its body") from None
    return body


def _validate(make: Callable[[], M]) -> M:
    try:
        return make()
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where, text = ".".join(map(str, first["loc"]))[:64], first["msg"].removeprefix("Value error, ")
        raise RefusedError(400, f"{where}: {text}" if where else text) from None
