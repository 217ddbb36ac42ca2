"""The picture of a case: the sound, under it how far it is from normal sound, with the changes of the alarm's explanation marked."""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC
from textwrap import wrap
from typing import NamedTuple

import numpy as np

from aegan_monitor.evidence.colours import DIFFERENCE, LEVEL, Scale, paint
from aegan_monitor.evidence.marks import Mark, find_marks, mark_changes
from aegan_monitor.evidence.page import FAINT, INK, PAPER, Colour, Page
from aegan_monitor.evidence.recorder import Recording
from aegan_monitor.evidence.spectrum import PIECE_FRAMES, Spectrum, measure_spectrum
from aegan_monitor.types import DoubleArray, FloatArray

WIDTH, HEIGHT = 1200, 872  # pixels, as all that follow
LEFT, RIGHT = 84, 930  # of both panels
TOPS, PANEL_HEIGHT = (176, 522), 270
TITLE_SIZE, TEXT_SIZE, SMALL_SIZE = 26, 19, 16
LABELS, LABEL_HEIGHT, LINE_HEIGHT = 962, 66, 20  # left edge and size of the labels
MOST_LETTERS, MOST_LINES = 112, 3  # of the cause
LABEL_LETTERS = 26
DASH = 5

SHORTEST_S = 1.0  # of sound
WEAK_DB, STRONG_DB = 10.0, 20.0  # the ends of the scale of differences: the first where it suffices
LEAST_RANGE_DB = 40.0  # of the scale of levels
MOST_TICKS = 8  # of the frequency axis
MARK_BEFORE_S, MARK_AFTER_S = 3.0, 10.0  # sound around the alarm in which marks are looked for
NO_MARK = "No range of frequencies stands out."


class _Panel(NamedTuple):
    """An array, and the values at the ends of its colours."""

    title: str
    values: FloatArray | DoubleArray
    low: float
    high: float
    unit: str
    colours: Scale


class _Axes(NamedTuple):
    """Places in a panel whose upper edge is at `top`."""

    top: int
    duration_s: float
    alarm_s: float
    highest_hz: float

    @property
    def bottom(self) -> int:
        return self.top + PANEL_HEIGHT

    def x(self, second: float) -> float:
        return LEFT + (RIGHT - LEFT) * second / self.duration_s

    def y(self, hz: float) -> float:
        return self.top + PANEL_HEIGHT * (1 - hz / self.highest_hz)


def draw_picture(recording: Recording) -> bytes | None:
    """The content of a `.png` file; None if the sound is too short."""
    rate_hz = recording.bundle.record.features.sample_rate_hz
    duration_s, alarm_s = len(recording.sound.pcm) / rate_hz, recording.alarm_at / rate_hz
    if duration_s < SHORTEST_S:
        return None
    spectrum, page = measure_spectrum(recording.sound.pcm, recording.bundle), Page(WIDTH, HEIGHT)
    marks = _find_marks(recording, spectrum, alarm_s)
    _write_title(page, recording)
    for panel, top in zip(_make_panels(spectrum), TOPS, strict=False):
        axes = _Axes(top, duration_s, alarm_s, spectrum.highest_hz)
        _draw_panel(page, panel, axes)
        _draw_frequencies(page, axes)
        colour = PAPER if top == TOPS[0] else INK  # on a dark ground
        _draw_times(page, axes, [place / rate_hz for place in recording.sound.gaps], colour)
        _draw_begin(page, axes, find_begin(recording), colour)
        _mark(page, axes, marks, colour)
    _label(page, axes, marks)  # beside the lowest
    page.write(((LEFT + RIGHT) / 2, axes.bottom + 34), "seconds before and after the alarm", SMALL_SIZE, anchor="ma")
    return page.encode()


def _find_marks(recording: Recording, spectrum: Spectrum, alarm_s: float) -> list[Mark]:
    """The changes that the alarm names, else what differs most around it."""
    if recording.event.explanation and recording.event.explanation.changes:
        return mark_changes(recording.event.explanation.changes)
    if spectrum.residual_db is None:
        return []
    piece_s = PIECE_FRAMES * recording.bundle.record.features.hop_s
    around = spectrum.residual_db[:, max(0, round((alarm_s - MARK_BEFORE_S) / piece_s)) : round((alarm_s + MARK_AFTER_S) / piece_s)]
    return find_marks(around.mean(axis=1), spectrum.highest_hz) if around.size else []


def _write_title(page: Page, recording: Recording) -> None:
    event = recording.event
    page.write((LEFT, 18), f"{recording.machine}: alarm at {event.time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC", TITLE_SIZE)
    for number, line in enumerate(wrap(event.cause, MOST_LETTERS, max_lines=MOST_LINES, placeholder=" ...")):
        page.write((LEFT, 58 + 25 * number), line, TEXT_SIZE)


def _make_panels(spectrum: Spectrum) -> Iterator[_Panel]:
    level_db = pool(spectrum.level_db, RIGHT - LEFT)
    low, high = (float(value) for value in np.quantile(level_db, [0.02, 0.999]))
    low, high = 10.0 * math.floor(min(low, high - LEAST_RANGE_DB) / 10), 10.0 * math.ceil(high / 10)
    yield _Panel(f"The sound: level in bands of {spectrum.band_hz:.0f} Hz", level_db, low, high, "dBFS", LEVEL)
    if spectrum.residual_db is not None:
        end = WEAK_DB if np.quantile(np.abs(spectrum.residual_db), 0.995) <= WEAK_DB else STRONG_DB
        title = "The difference from normal sound: louder is red, quieter is blue"
        yield _Panel(title, spectrum.residual_db, -end, end, "dB", DIFFERENCE)


def pool(level_db: FloatArray, n_columns: int) -> FloatArray:
    """At most `n_columns` columns of `[n_bands, n_frames]`; several become one with the mean of their powers."""
    step = -(-level_db.shape[1] // n_columns)
    starts = np.arange(0, level_db.shape[1], step)
    counts = np.diff([*starts, level_db.shape[1]]).astype(np.float32)
    power = np.exp(level_db * np.float32(np.log(10) / 10))
    power = np.add.reduceat(power, starts, axis=1)
    pooled: FloatArray = np.float32(10) * np.log10(power / counts)
    return pooled


def _draw_panel(page: Page, panel: _Panel, axes: _Axes) -> None:
    """The array, over it its title and the scale of its colours."""
    page.paste(paint(panel.values, panel.low, panel.high, panel.colours), LEFT, axes.top, RIGHT, axes.bottom)
    page.write((LEFT, axes.top - 12), panel.title, TEXT_SIZE, anchor="ls")
    left, right, top = RIGHT - 200, RIGHT - 84, axes.top - 26
    page.paste(paint(np.linspace(0.0, 1.0, 64)[None], 0, 1, panel.colours), left, top, right, top + 14)
    page.write((left - 6, top + 7), f"{panel.low:.0f}", SMALL_SIZE, anchor="rm")
    page.write((right + 6, top + 7), f"{panel.high:{'+' if panel.low == -panel.high else ''}.0f} {panel.unit}", SMALL_SIZE, anchor="lm")


def _draw_frequencies(page: Page, axes: _Axes) -> None:
    step = next(step for step in (250, 500, 1000, 2000, 5000, 10_000, 20_000) if axes.highest_hz / step <= MOST_TICKS)
    for hz in range(0, round(axes.highest_hz) + 1, step):
        page.line((LEFT - 6, axes.y(hz)), (LEFT, axes.y(hz)))
        page.write((LEFT - 10, axes.y(hz)), f"{hz / 1000:g}{' kHz' if hz + step > axes.highest_hz else ''}", SMALL_SIZE, anchor="rm")


def _draw_times(page: Page, axes: _Axes, gaps_s: Sequence[float], alarm_colour: Colour) -> None:
    """The frame, the time axis, and dashed lines at the alarm and where sound was lost."""
    step = 10 if axes.duration_s > 30 else 5
    for second in range(-step * int(axes.alarm_s // step), int(axes.duration_s - axes.alarm_s) + 1, step):
        x = axes.x(axes.alarm_s + second)
        page.line((x, axes.bottom), (x, axes.bottom + 6))
        page.write((x, axes.bottom + 10), f"{second:+d}" if second else "alarm", SMALL_SIZE, anchor="ma")
    for place_s, colour in [*((gap_s, FAINT) for gap_s in gaps_s), (axes.alarm_s, alarm_colour)]:
        for y in range(axes.top, axes.bottom, 2 * DASH):
            page.line((axes.x(place_s), y), (axes.x(place_s), y + DASH), colour=colour, width=2)
    for gap_s in gaps_s[:1]:
        page.write((axes.x(gap_s) + 6, axes.top + 4), "sound lost", SMALL_SIZE, FAINT)
    page.line((LEFT, axes.top), (RIGHT, axes.top), (RIGHT, axes.bottom), (LEFT, axes.bottom), (LEFT, axes.top))


def find_begin(recording: Recording) -> float | None:
    """Where the change began by the alarm's explanation, in seconds of the sound; None if that is not known, or was before the sound.

    Times of the clock have no place in sound that was joined over a gap.
    """
    event = recording.event
    if event.explanation is None or event.explanation.since is None or recording.sound.gaps:
        return None
    alarm_s = recording.alarm_at / recording.bundle.record.features.sample_rate_hz
    begin_s = alarm_s - (event.time - event.explanation.since).total_seconds()
    return begin_s if 0 <= begin_s < alarm_s else None


def _draw_begin(page: Page, axes: _Axes, begin_s: float | None, colour: Colour) -> None:
    """A dotted line where the change began."""
    if begin_s is None:
        return
    x = axes.x(begin_s)
    for y in range(axes.top, axes.bottom, 3 * DASH):
        page.line((x, y), (x, y + 2), colour=colour, width=2)
    page.write((x + 6, axes.top + 4), "change", SMALL_SIZE, colour)


def _mark(page: Page, axes: _Axes, marks: Sequence[Mark], colour: Colour) -> None:
    """Brackets at both sides of each range: they hide nothing."""
    for mark in marks:
        upper, lower = axes.y(mark.to_hz), axes.y(mark.from_hz)
        for x, inner in ((LEFT, LEFT + 10), (RIGHT, RIGHT - 10)):
            page.line((inner, upper), (x, upper), (x, lower), (inner, lower), colour=colour, width=3)


def _label(page: Page, axes: _Axes, marks: Sequence[Mark]) -> None:
    """The words of each mark, joined to its range by a line; the highest range first."""
    if not marks:
        for number, line in enumerate(wrap(NO_MARK, LABEL_LETTERS)):
            page.write((LABELS, axes.top + LINE_HEIGHT * number), line, SMALL_SIZE, FAINT)
        return
    ranked = sorted(marks, key=lambda mark: -mark.to_hz)
    middles = [axes.y((mark.from_hz + mark.to_hz) / 2) for mark in ranked]
    places = spread([middle - LABEL_HEIGHT / 2 for middle in middles], LABEL_HEIGHT, axes.top, axes.bottom)
    for mark, middle, place in zip(ranked, middles, places, strict=True):
        page.line((RIGHT, middle), (LABELS - 8, place + LABEL_HEIGHT / 2), width=2)
        for number, line in enumerate(mark.lines):
            page.write((LABELS, place + 3 + LINE_HEIGHT * number), line, SMALL_SIZE)


def spread(wanted: Sequence[float], height: float, top: float, bottom: float) -> list[float]:
    """Upper edges of labels of one `height`, near the `wanted` ones and in their order, that do not overlap, between `top` and `bottom`."""
    found: list[float] = []
    for place in wanted:
        found.append(max(place, found[-1] + height if found else top))
    limit = bottom
    for index in reversed(range(len(found))):
        limit = found[index] = min(limit - height, found[index])
    return found
