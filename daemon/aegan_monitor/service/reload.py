"""Reloads the configuration while the daemon runs: a separate thread builds the new parts."""

import logging
import threading
import time
from collections.abc import Callable

from aegan_monitor.errors import AeganError
from aegan_monitor.service.build import Setup

log = logging.getLogger(__name__)


class Reloader:
    """Builds a new setup on request, one at a time.

    Attributes:
        problem: Why the last reload changed nothing, in one line; empty if it did.
        began_s: When the last reload began to read, on the monotonic clock: it serves all requests that were made before.
    """

    def __init__(self, make: Callable[[Setup], Setup], clock: Callable[[], float] = time.monotonic) -> None:
        """`make` reads the configuration again, and reuses parts of the running setup."""
        self.problem = ""
        self.began_s = 0.0
        self._clock = clock
        self._make = make
        self._wanted = False  # no Event, see stop_on_signals
        self._thread: threading.Thread | None = None
        self._made: Setup | None = None

    def request(self) -> None:
        """Reload soon; safe in a signal handler. A request during a reload is served after it."""
        self._wanted = True

    def begin(self, setup: Setup) -> bool:
        """Start a requested reload unless one is running (worker thread); True when it did."""
        if self._thread is not None or not self._wanted:
            return False
        self._wanted = False
        self.began_s = self._clock()  # after the line above: a request in between is then served twice, not lost
        self._thread = threading.Thread(target=self._run, args=(setup,), name="reload", daemon=True)
        self._thread.start()
        return True

    def finish(self) -> tuple[bool, Setup | None]:
        """Whether a reload has ended since the last call, and the new setup; None if there was a `problem` (worker thread)."""
        if self._thread is None or self._thread.is_alive():
            return False, None
        self._thread = None
        made, self._made = self._made, None
        return True, made

    def stop(self, timeout_s: float = 1.0) -> None:
        """Wait for a running reload, at most `timeout_s`."""
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self, setup: Setup) -> None:
        try:
            self._made = self._make(setup)
            self.problem = ""
        except AeganError as error:
            self.problem = "; ".join(str(error).splitlines())
        except Exception as error:
            log.exception("reload: please report this")
            self.problem = f"{type(error).__name__}: {error}"
