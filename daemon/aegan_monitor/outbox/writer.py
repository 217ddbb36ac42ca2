"""Writes the outbox's events and the alarms' records to the store, in a separate thread."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from aegan_monitor.clock import elapsed_s
from aegan_monitor.errors import PublishError
from aegan_monitor.outbox.event_queue import Changes
from aegan_monitor.outbox.outbox import Outbox
from aegan_monitor.outbox.store import DamagedStoreError, HeldStoreError, Store, StoreError

log = logging.getLogger(__name__)

RETRY_S = 10.0
TURN_S = 1.0  # longest delay until delivered events are removed from the store


class Writer:
    """Keeps the store equal to the outbox.

    While the store cannot be opened or written, events are sent from memory, `problem` says why, and every `retry_s` all that the
    outbox holds is written again. A damaged store is renamed, and a new one replaces it.

    Attributes:
        problem: Why events are in memory alone, in one line; empty if they are on the disk. Any thread may read it.
    """

    def __init__(
        self,
        outbox: Outbox,
        store: Store,
        wake: Callable[[], object] = lambda: None,
        retry_s: float = RETRY_S,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`wake` is called when events may be sent."""
        self.problem = ""
        self._outbox, self._store, self._wake, self._retry_s = outbox, store, wake, retry_s
        self._clock, self._wall_clock = clock, wall_clock
        self._news = threading.Event()
        self._stopping = False
        self._is_loaded = self._is_stale = False  # stale: the store lacks something that the outbox has
        self._retry_at_s = 0.0
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    def start(self) -> None:
        """Read what the store holds into the outbox, and begin to write.

        Raises:
            HeldStoreError: Another process has the file: two daemons would send everything twice.
        """
        try:
            self._open()
        except HeldStoreError:
            raise
        except Exception as error:  # noqa: BLE001 - as in `_write`
            self._fail(error)
        self._thread.start()

    def notify(self) -> None:
        """Wake the thread: the outbox has something to write. Never blocks."""
        self._news.set()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Write what is left, and end; harmless when the thread does not run."""
        self._stopping = True
        self._news.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        else:
            self._store.close()

    def _run(self) -> None:
        while not self._stopping:
            self._news.wait(TURN_S)
            self._write()
        self._write()
        self._store.close()

    def _write(self) -> None:
        """One transaction with all that is new."""
        self._news.clear()
        changes = Changes()
        try:
            changes = self._outbox.changes()
            if self._is_stale:
                self._write_anew()
            elif changes:
                self._store.write(self._date(changes))
        except Exception as error:  # noqa: BLE001 - events are sent whatever fails
            self._fail(error)
        self._outbox.written(changes)
        if changes.added or changes.topics is not None:
            self._wake()

    def _write_anew(self) -> None:
        if self._clock() < self._retry_at_s and not self._stopping:
            return
        self._open()
        everything = self._outbox.everything()
        self._store.write(self._date(everything), replaces=True)
        self._is_stale = False
        log.warning("%s: can be written again; it has %d event(s)", self._store.path, len(everything.added))
        self.problem = ""

    def _open(self) -> None:
        """Open the store, or another in the place of a damaged one; the first time, what it holds goes into the outbox."""
        try:
            found = self._store.open()
        except DamagedStoreError as error:
            self._set_aside(error)
            found = self._store.open()
        if self._is_loaded:
            return
        self._is_loaded = True
        now_s, wall_s = self._clock(), self._wall_clock()
        events = [replace(row, put_s=now_s - elapsed_s(row.put_s, wall_s)) for row in found.added]
        self._outbox.restore(events, found.alarms, found.topics or ())
        if events:
            log.info("%s: %d event(s) of an earlier run, which the broker may not have", self._store.path, len(events))

    def _set_aside(self, error: DamagedStoreError) -> None:
        """Rename the damaged file; StoreError if that fails."""
        try:
            aside = self._store.set_aside(datetime.fromtimestamp(self._wall_clock(), UTC))
        except OSError as worse:
            raise StoreError(f"{error}, and cannot be set aside ({worse.strerror})") from worse
        log.error("%s; it is kept as %s, its events are not sent, and event numbers start again", error, aside.name)

    def _fail(self, error: Exception) -> None:
        """Keep events in memory until the next attempt. Logs the reason once; an unexpected error with its traceback."""
        self._is_stale = True
        self._retry_at_s = self._clock() + self._retry_s
        is_strange = not isinstance(error, PublishError)
        problem = f"{self._store.path}: please report this ({type(error).__name__}: {error})" if is_strange else str(error)
        if self.problem != problem:
            self.problem = problem
            log.error(
                "%s: events are kept in memory alone; trying again every %g s",
                problem,
                self._retry_s,
                exc_info=error if is_strange else None,
            )

    def _date(self, changes: Changes) -> Changes:
        """The changes with times of the wall clock."""
        offset_s = self._wall_clock() - self._clock()
        return replace(changes, added=[replace(row, put_s=row.put_s + offset_s) for row in changes.added])
