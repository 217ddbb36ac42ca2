"""Writes the outbox's events to its journal, in a thread of its own: the disk holds up nobody but the events themselves."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from aegan_monitor.clock import elapsed_s
from aegan_monitor.errors import PublishError
from aegan_monitor.outbox.entry import Row
from aegan_monitor.outbox.event_queue import Changes
from aegan_monitor.outbox.outbox import Outbox
from aegan_monitor.outbox.retained_topics import TopicChanges, find_filters
from aegan_monitor.outbox.store import DamagedJournalError, HeldJournalError, Journal, JournalError, StoredEvent

log = logging.getLogger(__name__)

RETRY_S = 10.0
PATIENCE_S = 5.0  # what takes longer, a transaction or at the start all that an earlier run has left, hangs with its disk
LEFT = "retained topics of another node or base topic are left; if it is gone: mosquitto_sub --remove-retained"
STRANGE = "please report this"
TURN_S = 1.0  # so late is what was delivered removed at most


class Scribe:
    """Keeps the journal as the outbox is.

    While the journal cannot be written, events go out from memory alone, `problem` says why, and every `retry_s` all
    that the outbox holds is written anew. So they do while a disk hangs: that is noticed by `notify`, since our thread hangs with it.
    A damaged journal is set aside, and another takes its place.
    """

    def __init__(
        self,
        outbox: Outbox,
        journal: Journal,
        wake: Callable[[], object] = lambda: None,
        retry_s: float = RETRY_S,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Store; `wake` is called when events may go out."""
        self._failure = ""
        self._hangs = f"{journal.path}: the disk has given no answer for over {PATIENCE_S:g} s"
        self._outbox, self._journal, self._wake, self._retry_s = outbox, journal, wake, retry_s
        self._clock, self._wall_clock = clock, wall_clock
        self._news = threading.Event()
        self._settled = threading.Condition()
        self._stopping = False
        self._is_tried = False  # the journal was opened, or could not be
        self._held: HeldJournalError | None = None  # why the start ends
        self._is_loaded = self._is_stale = False  # stale: the journal lacks something that the outbox has
        self._retry_at_s = 0.0
        self._began_s: float | None = None  # what is under way with the disk
        self._judging = threading.Lock()
        self._judged = ""  # the problem of the last time
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    @property
    def problem(self) -> str:
        """Why events are in memory alone, in one line; empty if they are on the disk. Any thread may ask."""
        began_s = self._began_s
        is_hung = began_s is not None and self._clock() - began_s > PATIENCE_S
        return self._failure or (self._hangs if is_hung else "")

    def start(self, timeout_s: float = PATIENCE_S) -> None:
        """Bring what the journal holds into the outbox, and begin to write; a disk that hangs is not waited for, but may bring it later.

        Raises:
            HeldJournalError: Another process has the file: two daemons would send everything twice.
        """
        self._thread.start()
        with self._settled:
            self._settled.wait_for(lambda: self._is_tried, timeout_s)
            if self._held:
                raise self._held
            self._is_stale |= not self._is_tried
            self._is_tried = True
        self._judge()

    def notify(self) -> None:
        """Say that the outbox may have something new; to be called often, as a disk that hangs is found by it. Never blocks."""
        self._news.set()
        self._judge()

    def settle(self, timeout_s: float = 1.0) -> None:
        """Before the end: wait until all that was put is written, or cannot be; what is not by then goes out all the same."""
        self.notify()
        with self._settled:
            is_written = self._settled.wait_for(lambda: self._outbox.is_written, timeout_s)
        if not is_written:
            self._outbox.hold(unwritten=False)

    def stop(self, timeout_s: float = 2.0) -> None:
        """Write what is left, and end, without waiting for a disk that hangs; harmless when it does not run."""
        self._stopping = True
        self._news.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        else:
            self._journal.close()

    def _run(self) -> None:
        self._load()
        if self._held:
            return
        while not self._stopping:
            self._news.wait(TURN_S)
            self._write()
        self._write()
        self._journal.close()

    def _load(self) -> None:
        """Open the journal for the first time."""
        held = None
        self._began_s = self._clock()
        try:
            self._open()
        except HeldJournalError as error:
            held = error
        except Exception as error:  # noqa: BLE001 - as in `_write`
            self._fail(error)
        self._began_s = None
        with self._settled:
            if held and not self._is_tried:
                self._held = held
            elif held:  # the start has not waited for it
                self._fail(held)
            self._is_tried = True
            self._settled.notify_all()
        self._judge()

    def _write(self) -> None:
        """One transaction with all that is new."""
        self._news.clear()
        changes = Changes([], [], {})
        self._began_s = self._clock()
        try:
            changes = self._outbox.changes()
            if changes.topics.left:
                log.warning("%s: %s %s", self._journal.path, LEFT, find_filters(changes.topics.left))
            if self._is_stale:
                self._write_anew()
            elif changes:
                self._journal.write(map(self._stored, changes.added), changes.removed, changes.last, changes.topics)
        except DamagedJournalError as error:
            self._fail(error)
            try:
                self._set_aside(error)
            except JournalError as worse:
                self._fail(worse)
        except Exception as error:  # noqa: BLE001 - whatever it is, events go out
            self._fail(error)
        self._began_s = None
        self._judge()
        self._outbox.written(changes.added, changes.topics.added)
        if changes.added or changes.topics.added:
            self._wake()
        with self._settled:
            self._settled.notify_all()

    def _write_anew(self) -> None:
        if self._clock() < self._retry_at_s and not self._stopping:
            return
        self._open()
        events, last, topics = self._outbox.everything()
        self._journal.write(map(self._stored, events), [], last, TopicChanges(topics), anew=True)
        self._is_stale = False
        log.warning("%s: can be written again; it has %d event(s)", self._journal.path, len(events))
        self._failure = ""

    def _judge(self) -> None:
        """Let nothing wait for a disk that fails or hangs; tell of one that hangs, once."""
        with self._judging:
            before, self._judged = self._judged, self.problem
            if self._judged == before:
                return
            self._outbox.hold(unwritten=not self._judged)
            if self._judged == self._hangs:
                log.error("%s: events are kept in memory alone", self._hangs)
                self._wake()
            elif before == self._hangs and not self._judged:
                log.warning("%s: the disk has answered after all", self._journal.path)

    def _open(self) -> None:
        """Open the journal, or another in the place of a damaged one; what can only be read is read."""
        try:
            events, last = self._journal.open()
        except DamagedJournalError as error:
            self._set_aside(error)
            events, last = self._journal.open()
        except HeldJournalError:
            raise
        except JournalError:
            if not self._is_loaded:
                with contextlib.suppress(PublishError):  # it cannot be read, either
                    self._take(*self._journal.look())
            raise
        self._take(events, last)

    def _take(self, events: list[StoredEvent], last: dict[str, bytes]) -> None:
        """The first time, what the journal holds goes into the outbox."""
        if self._is_loaded:
            return
        self._outbox.restore([self._restored(event) for event in events], last, self._journal.retained)
        self._is_loaded = True
        if events:
            log.info("%s: %d event(s) of an earlier run, which the broker may not have", self._journal.path, len(events))

    def _set_aside(self, error: DamagedJournalError) -> None:
        """Make room for a new one; JournalError where the damaged one cannot be moved out of its way."""
        try:
            aside = self._journal.set_aside(datetime.fromtimestamp(self._wall_clock(), UTC), error.label)
        except OSError as worse:
            raise JournalError(f"{error}, and cannot be set aside ({worse.strerror})") from worse
        log.error("%s; it is kept as %s, and numbers of events begin anew unless they are in memory", error, aside.name)

    def _fail(self, error: Exception) -> None:
        """Go on from memory for a while, and tell why, once; what should not happen with its traceback."""
        self._is_stale = True
        self._retry_at_s = self._clock() + self._retry_s
        is_strange = not isinstance(error, PublishError)
        failure = f"{self._journal.path}: {STRANGE} ({type(error).__name__}: {error})" if is_strange else str(error)
        if self._failure != failure:
            self._failure = failure
            log.error(
                "%s: events are kept in memory alone; trying again every %g s",
                failure,
                self._retry_s,
                exc_info=error if is_strange else None,
            )

    def _stored(self, row: Row) -> StoredEvent:
        return StoredEvent(row.number, self._wall_clock() - (self._clock() - row.put_s), row.message)

    def _restored(self, event: StoredEvent) -> Row:
        return Row(event.number, event.message, self._clock() - elapsed_s(event.put_at, self._wall_clock()))
