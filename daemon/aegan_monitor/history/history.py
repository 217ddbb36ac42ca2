"""Takes what is published, and writes it to the history in a thread of its own."""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from aegan_monitor import __version__
from aegan_monitor.clock import now as read_wall_clock
from aegan_monitor.files import set_aside
from aegan_monitor.history.buckets import Decision, make_buckets
from aegan_monitor.history.database import DamagedHistoryError, HistoryError
from aegan_monitor.history.records import Records
from aegan_monitor.history.store import Batch, HistoryStore, Statement
from aegan_monitor.messages.model import Payload
from aegan_monitor.messages.note import Note
from aegan_monitor.messages.payloads import Health, Score
from aegan_monitor.types import Run

log = logging.getLogger(__name__)

SERIES_S = 60.0  # between two writes of series: each wears an SD card
TURN_S = 1.0  # between two looks at what is new: events and cases are written at once, many together
RETRY_S = 10.0
STOP_S = 3.0
MAX_DECISIONS = 20_000  # of a minute, while a write takes longer than that
MAX_BATCHES, MAX_STATEMENTS = 360, 4000  # in memory while the disk cannot be written: six hours; a few megabytes


class History:
    """A part of the daemon (see `service/parts.py`). Whatever fails here, monitoring goes on.

    While the file cannot be written, `problem` says why, and six hours are kept in memory. A damaged file is renamed, and a new one
    replaces it, with the cases that are known from elsewhere.

    Attributes:
        name: In the health message.
        problem: Why the history is not on disk, in one line; empty if it is. Any thread may read it.
    """

    name = "history"

    def __init__(
        self,
        store: HistoryStore,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], datetime] = read_wall_clock,
        list_cases: Callable[[], Iterable[Statement]] = tuple,
    ) -> None:
        """Deadlines use `clock`, in seconds; `wall_clock` stamps start and stop; `list_cases` adds the cases of an earlier file."""
        self.problem = ""
        self._store, self._clock, self._wall_clock, self._list_cases = store, clock, wall_clock, list_cases
        self._decisions: deque[tuple[str, Decision]] = deque(maxlen=MAX_DECISIONS)
        self._messages: deque[tuple[str | None, Payload]] = deque(maxlen=MAX_STATEMENTS)
        self._records = Records()
        self._batches: deque[Batch] = deque(maxlen=MAX_BATCHES)  # these two belong to the thread
        self._statements: deque[Statement] = deque(maxlen=MAX_STATEMENTS)
        self._series_at_s = clock() + SERIES_S
        self._retry_at_s = -math.inf
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)

    def start(self) -> None:
        """See `Part`; the thread opens the file."""
        self.take_message(None, Note(time=self._wall_clock(), kind="start", text=f"aegan-monitor {__version__}"))
        self._thread.start()

    def stop(self) -> None:
        """Write what is left, and end."""
        self.take_message(None, Note(time=self._wall_clock(), kind="stop", text=""))
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_S)

    def take_message(self, machine: str | None, payload: Payload) -> None:
        """See `Part`."""
        if isinstance(payload, Score):
            if machine is not None:
                evidence = math.nan if payload.evidence is None else payload.evidence
                self._decisions.append((machine, Decision(payload.time.timestamp(), payload.score, evidence, payload.level_dbfs)))
        elif not isinstance(payload, Health):
            self._messages.append((machine, payload))

    def take_sound(self, machine: str, run: Run, time: datetime) -> None:
        """See `Part`; the history keeps no sound."""

    def _run(self) -> None:
        self.turn()
        while not self._stopped.wait(TURN_S):
            self.turn()
        self.turn(is_last=True)
        self._store.close()

    def turn(self, *, is_last: bool = False) -> None:
        """Write what is due: events and cases at once, series once a minute, everything if it `is_last`."""
        try:
            for _ in range(len(self._messages)):  # the worker goes on to append
                self._statements.extend(self._records.make_statements(*self._messages.popleft()))
            if is_last or self._clock() >= self._series_at_s:
                self._series_at_s = self._clock() + SERIES_S
                if batch := self._take_batch():
                    self._batches.append(batch)
            if (self._batches or self._statements) and (is_last or self._clock() >= self._retry_at_s):
                self._write()
        except Exception as error:  # noqa: BLE001 - monitoring goes on whatever fails
            self._fail(error)

    def _take_batch(self) -> Batch:
        taken = sorted((self._decisions.popleft() for _ in range(len(self._decisions))), key=itemgetter(0))
        return {machine: make_buckets(decision for _, decision in each) for machine, each in groupby(taken, itemgetter(0))}

    def _write(self) -> None:
        try:
            self._store.write(self._batches, self._statements, self._begin_again)
        except DamagedHistoryError as error:
            self._set_aside(error)
            self._store.write(self._batches, self._statements, self._begin_again)
        self._batches.clear()
        self._statements.clear()
        if self.problem:
            log.warning("%s: can be written again", self._store.path)
        self.problem = ""

    def _begin_again(self) -> list[Statement]:
        """The cases with which an empty file begins."""
        found = [*self._list_cases()]
        if found:
            log.warning("%s: begins again, with %d case(s) from the folder of evidence", self._store.path, len(found))
        return found + self._records.open_cases()

    def _set_aside(self, error: DamagedHistoryError) -> None:
        """Rename the damaged file; HistoryError if that fails."""
        try:
            aside = set_aside(self._store.path, self._wall_clock())
        except OSError as worse:
            raise HistoryError(f"{error}, and cannot be set aside ({worse.strerror})") from worse
        log.error("%s; it is kept as %s, and the history starts again", error, aside.name)

    def _fail(self, error: Exception) -> None:
        """Keep everything in memory until the next attempt. Logs the reason once; an unexpected error with its traceback.

        What an unexpected error met is dropped: it would come again with each attempt, and hold up all that follows.
        """
        self._retry_at_s = self._clock() + RETRY_S
        is_strange = not isinstance(error, HistoryError)
        if is_strange:
            self._batches.clear()
            self._statements.clear()
        problem = f"{self._store.path}: please report this ({type(error).__name__}: {error})" if is_strange else str(error)
        if self.problem != problem:
            self.problem = problem
            log.error("%s: the history is kept in memory alone; monitoring goes on", problem, exc_info=error if is_strange else None)
