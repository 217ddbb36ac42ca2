"""Cases of the past, from the history of the daemon on this computer."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aegan_monitor.errors import AeganError
from aegan_monitor.history.database import HistoryError
from aegan_monitor.history.reader import HistoryReader
from aegan_monitor.history.rows import HistoryCase, HistoryEvent
from aegan_monitor.history.store import find_path
from aegan_monitor.tools.daemon_state import find_state
from aegan_monitor.tools.terminal.broker import Broker

N_CASES = 10_000  # as many as the history keeps
N_EVENTS = 25_000
SOURCES = ("alarm", "case")  # of the events that belong to a case: a command that was obeyed is an event of the alarm, too


@dataclass(frozen=True, slots=True)
class Past:
    """Cases, newest first, and events of one node; empty without a history."""

    node: str = ""
    cases: Sequence[HistoryCase] = ()
    events: Sequence[HistoryEvent] = ()

    def find_events(self, case: HistoryCase) -> list[HistoryEvent]:
        """What happened in a case, in order."""
        found = [event for event in self.events if (event.machine, event.case_id) == (case.machine, case.id) and event.source in SOURCES]
        return found[::-1]


def read_past(broker: Broker, n_cases: int | None, warn: Callable[[AeganError], object]) -> Past:
    """The newest `n_cases` cases of the history, or all cases and their events if it is None.

    It is that of the node in the configuration that names the broker: empty if it is on another computer, or another node is wanted.
    """
    config = broker.config
    if config is None or broker.topic != f"{config.mqtt.base_topic}/{config.node}":
        return Past()
    try:
        path = find_path(config.history.path, config.outbox.path, config.node, find_state(config, os.environ))
        if not path.exists():
            return Past()
        reader = HistoryReader(path)
        return Past(config.node, reader.read_cases(limit=n_cases or N_CASES), reader.read_events(limit=0 if n_cases else N_EVENTS))
    except (HistoryError, OSError) as error:
        warn(HistoryError(f"{error}; without the history, only open cases are known"))
        return Past()
