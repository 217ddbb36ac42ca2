"""Reads the history, and marks cases in it: from any thread and any process, while the monitor writes."""

import contextlib
import math
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from aegan_monitor.clock import now
from aegan_monitor.history.buckets import Buckets, join_buckets, unpack
from aegan_monitor.history.database import ERRORS, LEVELS, WRITE_BITS, HistoryError, joined_until, open_to_read
from aegan_monitor.history.rows import HistoryCase, HistoryEvent, Series
from aegan_monitor.messages.case import Verdict
from aegan_monitor.messages.explanation import Explanation
from aegan_monitor.outbox.sqlite_errors import translated

_FINEST, _COARSEST = 0, len(LEVELS) - 1
_CASE = ", ".join(HistoryCase.model_fields)
_EVENT = ", ".join(HistoryEvent.model_fields)
ENOUGH = 0.5  # a level with at least this share of the points that were wanted serves


class HistoryReader:
    """Answers queries. Each call opens the file anew: no connection grows old, or keeps a file that was set aside.

    Every method raises a HistoryError if the file cannot be read now, or does not exist yet.
    """

    def __init__(self, path: Path) -> None:
        """`path` as `store.find_path` finds it."""
        self.path = path

    def read_series(self, machine: str, begin: datetime, end: datetime, max_points: int = 1000) -> Series:
        """Scores, evidence and level from `begin` to `end`, in at most `max_points` points (2 or more).

        The coarsest level with enough points is read. What is too old for it comes from the next coarser one, and the step is as large.
        """
        begin_s, end_s = math.floor(begin.timestamp()), math.ceil(end.timestamp())
        length_s, n_points = max(1, end_s - begin_s), max(2, max_points)
        levels = [number for number, level in enumerate(LEVELS) if length_s / level.step_s >= ENOUGH * n_points]
        with self._open() as connection:
            found, coarsest = _read_buckets(connection, machine, begin_s, end_s, max(levels, default=_FINEST))
        step_s = _find_step(begin_s, end_s, n_points, LEVELS[coarsest].step_s)
        return _make_series(join_buckets(found, step_s), step_s)

    def read_events(
        self,
        machine: str | None = None,
        begin: datetime | None = None,
        end: datetime | None = None,
        limit: int = 1000,
        *,
        with_daemon: bool = False,
    ) -> list[HistoryEvent]:
        """The newest `limit` events from `begin` to `end`, newest first; of all machines and the daemon if `machine` is None.

        With `with_daemon` those of the daemon come with those of a machine.
        """
        query = f"""
            SELECT {_EVENT} FROM events WHERE time >= ? AND time < ? AND (? IS NULL OR machine = ? OR (? AND machine IS NULL))
            ORDER BY time DESC, number DESC LIMIT ?
        """  # noqa: S608 - names of our own columns
        with self._open() as connection:
            rows = connection.execute(query, (_from(begin), _until(end), machine, machine, with_daemon, limit)).fetchall()
            return [_make_event(row) for row in rows]

    def read_cases(
        self,
        machine: str | None = None,
        begin: datetime | None = None,
        end: datetime | None = None,
        limit: int = 1000,
        *,
        unseen_only: bool = False,
    ) -> list[HistoryCase]:
        """The newest `limit` cases that lasted at some time from `begin` to `end`, newest first."""
        query = f"""
            SELECT {_CASE} FROM cases WHERE coalesce(ended_at, 1e99) >= ? AND began_at < ? AND (? IS NULL OR machine = ?) AND seen <= ?
            ORDER BY began_at DESC, number DESC LIMIT ?
        """  # noqa: S608 - names of our own columns
        with self._open() as connection:
            rows = connection.execute(query, (_from(begin), _until(end), machine, machine, not unseen_only, limit)).fetchall()
            return [_make_case(row) for row in rows]

    def read_case(self, case_id: str, machine: str | None = None) -> HistoryCase | None:
        """One case; with a common cause that of `machine`, or of the machine whose alarm came first. None if there is none."""
        with self._open() as connection:
            return _find_case(connection, case_id, machine)

    def mark(
        self, case_id: str, verdict: Verdict | None = None, by: str = "", comment: str | None = None, *, seen: bool = True
    ) -> HistoryCase | None:
        """Store what a person found; None leaves a verdict or a comment as it is. It is on the disk when this returns.

        With a common cause the case of each machine is marked. An event says who did it.

        Returns:
            The case afterwards; None if there is none.
        """
        with self._open(marks=True) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "UPDATE cases SET verdict = coalesce(?, verdict), comment = coalesce(?, comment), marked_by = ?, seen = ? WHERE id = ?",
                (verdict, comment, by, seen, case_id),
            )
            case = _find_case(connection, case_id, None)
            if case:
                words = ": ".join(filter(None, [verdict or ("seen" if seen else "not seen"), comment]))
                connection.execute(
                    "INSERT INTO events (time, machine, source, kind, text, by, case_id) VALUES (?, ?, 'case', 'marked', ?, ?, ?)",
                    (now().timestamp(), case.machine, words, by, case_id),
                )
            connection.execute("COMMIT")
            return case

    @contextlib.contextmanager
    def _open(self, *, marks: bool = False) -> Iterator[sqlite3.Connection]:
        with translated(self.path, ERRORS), contextlib.closing(open_to_read(self.path, marks=marks)) as connection:
            try:
                yield connection
            except ValidationError as error:
                raise HistoryError(f"{self.path}: damaged ({error.errors()[0]['msg']})") from error


def _read_buckets(connection: sqlite3.Connection, machine: str, begin_s: int, end_s: int, wanted: int) -> tuple[Buckets, int]:
    """Buckets from `begin_s` to `end_s`, and the coarsest level among them.

    They come from the level `wanted`, from finer ones what is not joined yet, and from coarser ones what is no longer in a finer one:
    each decision once.
    """
    packed: list[bytes] = []
    coarsest = wanted
    connection.execute("BEGIN")  # one state of the file for all queries
    for number, level in enumerate(LEVELS):
        only = ""
        if number < wanted:
            only = f"AND number >= (({joined_until(LEVELS[number + 1])}) + 1 << {WRITE_BITS})"
        elif number > wanted:
            only = f"AND source < (SELECT coalesce(min(number), 0) >> {WRITE_BITS} FROM {LEVELS[number - 1].table})"  # noqa: S608 - our own tables
        query = f"SELECT buckets FROM {level.table} WHERE machine = ? AND begin < ? AND end > ? {only}"  # noqa: S608 - our own tables
        rows = connection.execute(query, (machine, end_s, begin_s)).fetchall()
        coarsest = max(coarsest, number) if rows else coarsest
        packed += [each for (each,) in rows]
    connection.execute("COMMIT")
    found = unpack(packed)
    begins = found["time"]
    return found[(begins > begin_s - LEVELS[coarsest].step_s) & (begins < end_s)], coarsest


def _find_step(begin_s: int, end_s: int, n_points: int, unit_s: int) -> int:
    """The smallest width of points, in whole `unit_s`, of which at most `n_points` (2 or more) have a part of the time."""
    length = max(1, end_s - begin_s) / unit_s
    step_s = unit_s * math.ceil(length / n_points)
    if (end_s - 1) // step_s - begin_s // step_s < n_points:
        return step_s
    return unit_s * math.ceil(length / (n_points - 1))  # the first and the last are in it with a part alone


def _make_series(buckets: Buckets, step_s: int) -> Series:
    evidence = buckets["evidence_max"].astype(object)
    evidence[np.isnan(buckets["evidence_max"])] = None
    return Series(
        step_s=step_s,
        times=tuple(buckets["time"].tolist()),
        score_mean=tuple(buckets["score_mean"].tolist()),
        score_max=tuple(buckets["score_max"].tolist()),
        evidence_max=tuple(evidence.tolist()),
        level_mean=tuple(buckets["level_mean"].tolist()),
    )


def _find_case(connection: sqlite3.Connection, case_id: str, machine: str | None) -> HistoryCase | None:
    query = f"SELECT {_CASE} FROM cases WHERE id = ? AND (? IS NULL OR machine = ?) ORDER BY number LIMIT 1"  # noqa: S608 - our own columns
    row = connection.execute(query, (case_id, machine, machine)).fetchone()
    return None if row is None else _make_case(row)


def _make_case(row: tuple[Any, ...]) -> HistoryCase:
    fields = dict(zip(HistoryCase.model_fields, row, strict=True))
    explanation = fields.pop("explanation")
    fields["explanation"] = None if explanation is None else Explanation.model_validate_json(explanation)
    fields["began_at"] = datetime.fromtimestamp(fields["began_at"], UTC)
    fields["ended_at"] = None if fields["ended_at"] is None else datetime.fromtimestamp(fields["ended_at"], UTC)
    return HistoryCase(**fields)


def _make_event(row: tuple[Any, ...]) -> HistoryEvent:
    fields = dict(zip(HistoryEvent.model_fields, row, strict=True))
    return HistoryEvent(**fields | {"time": datetime.fromtimestamp(fields["time"], UTC)})


def _from(begin: datetime | None) -> float:
    return -math.inf if begin is None else begin.timestamp()


def _until(end: datetime | None) -> float:
    return math.inf if end is None else end.timestamp()
