"""Endpoints of the past: series, events, cases and the files of a case."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from aegan_monitor.clock import now
from aegan_monitor.evidence.folder import CASE, NORMAL, PICTURE, SOUNDS, EvidenceFolder
from aegan_monitor.history.database import HistoryError
from aegan_monitor.history.reader import HistoryReader
from aegan_monitor.history.rows import HistoryCase, Series
from aegan_monitor.web.answers import Case, CaseMark, CaseQuery, Cases, CasesQuery, Events, EventsQuery, Period, SeriesQuery
from aegan_monitor.web.endpoints import Endpoint, Json, find_viewer, read_body, read_query
from aegan_monitor.web.guard import RefusedError

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

T = TypeVar("T")

DAY = timedelta(days=1)
TYPES: dict[str, str] = {NORMAL: "audio/flac", **dict.fromkeys(SOUNDS, "audio/flac"), PICTURE: "image/png", CASE: "application/json"}


class OpenFile(FileResponse):
    """An open file, or a range of it: it may be replaced by a longer one meanwhile."""

    def __init__(self, file: BinaryIO, media_type: str) -> None:
        super().__init__(f"/proc/self/fd/{file.fileno()}", media_type=media_type, headers={"cache-control": "no-cache"})
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, and close it."""
        with self._file:
            await super().__call__(scope, receive, send)


async def read_series(request: Request) -> Response:
    """Scores, evidence and level of one machine."""
    query = read_query(request, SeriesQuery)
    begin, end = _find_period(query)
    machine = str(request.path_params["machine"])  # it may be one that the configuration no longer has
    return Json(await _read(request, lambda history: history.read_series(machine, begin, end or now(), query.points)))


async def list_events(request: Request) -> Response:
    """Events of a period."""
    query = read_query(request, EventsQuery)
    begin, end = _find_period(query)
    found = await _read(request, lambda history: history.read_events(query.machine, begin, end, query.limit, with_daemon=query.with_daemon))
    return Json(Events(events=found))


async def list_cases(request: Request) -> Response:
    """Cases of a period."""
    query = read_query(request, CasesQuery)
    begin, end = _find_period(query)
    found = await _read(request, lambda history: history.read_cases(query.machine, begin, end, query.limit, unseen_only=query.unseen))
    return Json(Cases(cases=await asyncio.to_thread(lambda: [_show(request, case) for case in found])))


async def show_case(request: Request) -> Response:
    """One case."""
    case = await _find_case(request)
    return Json(await asyncio.to_thread(_show, request, case))


async def mark_case(request: Request) -> Response:
    """Store what a person found."""
    viewer, mark = find_viewer(request, "operator"), await read_body(request, CaseMark)
    case = await _find_case(request)
    by = viewer.name or mark.by or "the page"
    marked = await _read(request, lambda history: history.mark(case.id, mark.verdict, by, mark.comment, seen=mark.seen))
    if mark.verdict and (folder := request.app.state.sources.evidence):
        try:
            await asyncio.to_thread(EvidenceFolder(folder).mark_all, case.id, mark.verdict)  # which decides how long it is kept
        except OSError as error:
            log.warning("%s: the verdict of a case cannot be written (%s): its evidence is kept as before", folder, error.strerror)
    return Json(await asyncio.to_thread(_show, request, marked or case))


async def show_file(request: Request) -> Response:
    """A file of a case; one range of it is served."""
    case, name = await _find_case(request), str(request.path_params["file"])
    if name not in await asyncio.to_thread(_list_files, request, case):
        raise RefusedError(404, f"{name[:64]!r} is not among the files of this case")
    if "," in request.headers.get("range", ""):
        raise RefusedError(416, "one range at a time")
    try:
        file = await asyncio.to_thread(EvidenceFolder(request.app.state.sources.evidence).open, case.machine, case.id, name)
    except OSError as error:
        raise RefusedError(404, f"{name} cannot be read now: {error.strerror or 'it was deleted'}") from error
    return OpenFile(file, TYPES[name])


async def _find_case(request: Request) -> HistoryCase:
    query = read_query(request, CaseQuery)
    case = await _read(request, lambda history: history.read_case(str(request.path_params["case"]), query.machine))
    if case is None:
        raise RefusedError(404, "no such case; api/v1/cases lists them")
    return case


async def _read(request: Request, call: Callable[[HistoryReader], T]) -> T:
    """What the history answers, in a thread: it reads a file."""
    path: Path | None = request.app.state.sources.history
    if path is None:
        raise RefusedError(404, "there is no history: history.keep_days is 0")
    try:
        return await asyncio.to_thread(call, HistoryReader(path))
    except HistoryError as error:
        raise RefusedError(503, f"the history cannot be read now: {error}") from error


def _find_period(query: Period) -> tuple[datetime, datetime | None]:
    """Begin and end; no end without one in the query: after the clock was set back, the newest has a time that is still to come."""
    begin = query.begin or (query.end or now()) - DAY
    if begin >= (query.end or now()):
        raise RefusedError(400, "begin: expected a time before end")
    return begin, query.end


def _show(request: Request, case: HistoryCase) -> Case:
    return Case(**dict(case), files=_list_files(request, case))


def _list_files(request: Request, case: HistoryCase) -> list[str]:
    """The files that a viewer may have; no sound in privacy mode. It reads the disk: call it in a thread."""
    state = request.app.state
    known = EvidenceFolder(state.sources.evidence).files(case.machine, case.id) if state.sources.evidence else {}
    return [name for name in known if name in TYPES and (state.listens or not TYPES[name].startswith("audio/"))]


ENDPOINTS = (
    Endpoint(
        "GET",
        "machines/{machine}/series",
        "reader",
        "Scores, evidence and level over time, in at most `points` points.",
        read_series,
        Series,
        query=SeriesQuery,
    ),
    Endpoint(
        "GET", "events", "reader", "What happened: alarms, sensors, commands, cases, the daemon.", list_events, Events, query=EventsQuery
    ),
    Endpoint("GET", "cases", "reader", "Cases of a period.", list_cases, Cases, query=CasesQuery),
    Endpoint("GET", "cases/{case}", "reader", "One case.", show_case, Case, query=CaseQuery),
    Endpoint(
        "POST",
        "cases/{case}",
        "operator",
        "Stores what a person found. It changes no alarm: the commands `acknowledge` and `close` do.",
        mark_case,
        Case,
        query=CaseQuery,
        body=CaseMark,
    ),
    Endpoint(
        "GET",
        "cases/{case}/{file}",
        "reader",
        "One of the case's `files`, also in part (one range). There is no sound in privacy mode.",
        show_file,
        "application/octet-stream",
        query=CaseQuery,
    ),
)
