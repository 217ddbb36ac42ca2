"""Parts that monitoring does not need: what they get, and what follows from one that fails."""

from datetime import UTC, datetime

import numpy as np
import pytest

from aegan_monitor.messages.model import Payload
from aegan_monitor.messages.payloads import Sensor
from aegan_monitor.service.parts import Parts
from aegan_monitor.types import Run
from broker import wait_until

TIME = datetime(2026, 1, 1, tzinfo=UTC)
MESSAGE = Sensor(state="ok", detail="", since=TIME)
RUN = Run(np.zeros(4, np.float32), 0)


class Note:
    """Writes down each call; raises at those named in `fails`."""

    def __init__(self, name: str, notes: list[str], fails: tuple[str, ...] = ()) -> None:
        self.name, self.notes, self.fails = name, notes, fails
        self.problem = ""

    def _note(self, call: str) -> None:
        self.notes.append(f"{self.name} {call}")
        if call in self.fails:
            raise RuntimeError(call)

    def start(self) -> None:
        """See `Part`."""
        self._note("start")

    def stop(self) -> None:
        """See `Part`."""
        self._note("stop")

    def take_message(self, machine: str | None, payload: Payload) -> None:  # noqa: ARG002 # of the protocol
        """See `Part`."""
        self._note("message")

    def take_sound(self, machine: str, run: Run, time: datetime) -> None:  # noqa: ARG002 # of the protocol
        """See `Part`."""
        self._note("sound")


def test_parts_are_stopped_in_reverse() -> None:
    """Each gets every message and all sound."""
    notes: list[str] = []
    parts = Parts([Note("a", notes), Note("b", notes)])
    parts.start()
    parts.take_message("pump", MESSAGE)
    parts.take_sound("pump", RUN, TIME)
    parts.stop()
    assert notes == ["a start", "b start", "a message", "b message", "a sound", "b sound", "b stop", "a stop"]


@pytest.mark.parametrize("call", ["start", "message", "sound"])
def test_a_part_that_fails_is_stopped(call: str, caplog: pytest.LogCaptureFixture) -> None:
    """A page would show the state from before for ever. The others go on, and the log says once what has failed."""
    notes: list[str] = []
    parts = Parts([Note("a", notes, (call,)), Note("b", notes)])
    parts.start()
    for _ in range(2):
        parts.take_message(None, MESSAGE)
        parts.take_sound("pump", RUN, TIME)
    parts.stop()
    assert notes.count(f"a {call}") == 1
    wait_until(lambda: notes.count("a stop") == 1, "its end")
    assert [note for note in notes if note.startswith("b")] == ["b start", *["b message", "b sound"] * 2, "b stop"]
    assert [record.message for record in caplog.records] == ["Note has failed and is off until the next start; monitoring goes on"]


def test_the_problem_of_a_part_is_known() -> None:
    """By its name: its own, or that it has failed."""
    works, fails = Note("a", []), Note("b", [], ("start",))
    parts = Parts([works, fails])
    assert parts.problems() == {}
    parts.start()
    works.problem = "the disk is full"
    assert parts.problems() == {"a": "the disk is full", "b": "has failed and is off until the next start; the log says why"}
