"""The lines that `run` shows on a terminal."""

import io
import logging
from datetime import UTC, datetime

from aegan_monitor.audio.supervisor import SensorState
from aegan_monitor.messages.payloads import Score
from aegan_monitor.service.console import REDRAW_S, Console, describe

OK = SensorState("ok")
SCORE = Score(
    time=datetime(2026, 1, 31, tzinfo=UTC),
    sample=160_000,
    stream_s=10.0,
    score_id="D_maha",
    score=1.5,
    normalised=0.2,
    threshold=2.0,
    exceeded=False,
    level_dbfs=-30.0,
    state="normal",
)


def test_a_line_says_what_is_heard() -> None:
    """A line shows level, score, threshold and state, or the fault alone while there is one."""
    assert describe("pump", OK, SCORE) == "pump  [##########          ]  -30.0 dBFS  D_maha 1.5 of 2  normal"
    assert describe("pump", OK, None) == "pump: listening; no decision yet"
    assert describe("pump", SensorState("missing", "plug it in"), SCORE) == "pump: sensor missing: plug it in"


def test_lines_are_rewritten_in_place_below_the_log() -> None:
    """Lines are cleared before a log record of any thread and drawn again below it."""
    terminal, now_s = io.StringIO(), [0.0]
    console, handler = Console(terminal, lambda: now_s[0]), logging.StreamHandler(terminal)
    console.guard(handler)
    machines = [("pump", OK, None), ("fan", OK, None)]
    lines = "pump: listening; no decision yet\nfan: listening; no decision yet\n"
    for _ in range(2):
        console.show(machines)
        console.show(machines)  # too early
        now_s[0] += REDRAW_S
    assert terminal.getvalue() == lines + "\x1b[2F\x1b[J" + lines
    handler.handle(logging.makeLogRecord({"msg": "alarm"}))
    console.show(machines)
    assert terminal.getvalue() == lines + "\x1b[2F\x1b[J" + lines + "\x1b[2F\x1b[Jalarm\n" + lines
