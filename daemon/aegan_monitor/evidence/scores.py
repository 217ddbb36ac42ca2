"""The scores of the last minutes of one machine, as the columns of a table."""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from aegan_monitor.messages.model import AlarmState, Model, UtcTime
from aegan_monitor.messages.payloads import Score

N_KEPT = 600  # decisions: 10 minutes, about 0.3 KB each


class Row(NamedTuple):
    """What is kept of a score message."""

    time: UtcTime
    score: float
    normalised: float
    threshold: float
    evidence: float | None
    level_dbfs: float
    state: AlarmState
    operating_state: str | None


class ScoreTable(Model):
    """Scores around an alarm, the oldest first; each field is a column, with the meaning and unit of the score message."""

    time: tuple[UtcTime, ...] = ()
    score: tuple[float, ...] = ()
    normalised: tuple[float, ...] = ()
    threshold: tuple[float, ...] = ()
    evidence: tuple[float | None, ...] = ()
    level_dbfs: tuple[float, ...] = ()
    state: tuple[AlarmState, ...] = ()
    operating_state: tuple[str | None, ...] = ()


class RecentScores:
    """The last N_KEPT of them."""

    def __init__(self) -> None:
        self._rows: deque[Row] = deque(maxlen=N_KEPT)

    def add(self, score: Score) -> None:
        """Keep the next score."""
        self._rows.append(Row(*(getattr(score, name) for name in Row._fields)))

    def rows(self) -> tuple[Row, ...]:
        """All, the oldest first."""
        return tuple(self._rows)

    def is_lowest(self, score: Score) -> bool:
        """Whether none that is kept of the same operating state is lower."""
        return all(row.score >= score.score for row in self._rows if row.operating_state == score.operating_state)


def make_table(rows: Iterable[Row]) -> ScoreTable:
    """The columns of rows."""
    return ScoreTable(**dict(zip(Row._fields, map(tuple, zip(*rows, strict=True)), strict=False)))
