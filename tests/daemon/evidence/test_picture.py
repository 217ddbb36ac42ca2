"""The picture of a case: what its arrays hold, where its labels stand."""

from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from aegan_monitor.audio.flac import quantise
from aegan_monitor.audio.level import measure_level
from aegan_monitor.demo.pump import Pump
from aegan_monitor.evidence.colours import DIFFERENCE, LEVEL, paint
from aegan_monitor.evidence.marks import find_marks, mark_changes
from aegan_monitor.evidence.page import SMALLER_WIDTHS, shrink
from aegan_monitor.evidence.picture import HEIGHT, LABELS, LEFT, PANEL_HEIGHT, RIGHT, TOPS, WIDTH, draw_picture, find_begin, pool, spread
from aegan_monitor.evidence.recent_sound import Stretch
from aegan_monitor.evidence.spectrum import N_BANDS, PIECE_FRAMES, measure_spectrum
from aegan_monitor.messages.explanation import Change
from evidence_writing import RATE_HZ, TIME, bundle, make_event, make_noise, make_recording

CHANGE = Change(from_hz=4465.1, to_hz=4899.2, difference_db=14.2, deviations=13.1, is_unheard=True)
FAULT_HZ = 4700.0  # of the demo's pump


def test_levels_are_relative_to_a_full_scale_sine() -> None:
    """The levels of all bands together are the level of the sound."""
    for pcm in (make_noise(5.0), quantise(0.5 * np.sin(2 * np.pi * 1000 / RATE_HZ * np.arange(5 * RATE_HZ)).astype(np.float32))):
        spectrum = measure_spectrum(pcm, bundle())
        total_db = 10 * np.log10((10 ** (spectrum.level_db.astype(np.float64) / 10)).sum(axis=0).mean())
        assert total_db == pytest.approx(measure_level(pcm.astype(np.float32) / np.float32(32768)).rms_dbfs, abs=0.3)
    assert spectrum.level_db.shape[0] == N_BANDS
    assert abs(spectrum.level_db.mean(axis=1).argmax() * spectrum.band_hz + spectrum.band_hz - 1000) < 2 * spectrum.band_hz


def test_the_residual_shows_the_fault_of_the_pump() -> None:
    """Its resonance is louder than normal from its begin on, and nothing before."""
    begin_s = 15.0
    pump = quantise(Pump(3, RATE_HZ, begin_s).read(40 * RATE_HZ))
    residual_db = measure_spectrum(pump, bundle()).residual_db
    assert residual_db is not None
    piece_s = PIECE_FRAMES * bundle().record.features.hop_s
    begin, band = round(begin_s / piece_s), round(FAULT_HZ / (RATE_HZ / 2) * 129) - 1
    before, after = residual_db[:, 4 : begin - 4].mean(axis=1), residual_db[:, begin + 8 : -4].mean(axis=1)
    assert after.argmax() == pytest.approx(band, abs=2)
    assert after[band] > 7
    assert np.abs(before).max() < 2.5
    assert np.median(np.abs(after)) < 1


def test_short_sound_has_a_picture_from_a_second_on() -> None:
    """A picture of less would show nothing."""
    assert draw_picture(make_recording(seconds=0.9)) is None
    assert draw_picture(replace(make_recording(seconds=0.9), sound=Stretch(make_noise(0.0)))) is None
    assert draw_picture(make_recording(seconds=1.0)) is not None


def draw(*changes: Change, cause: str = "", seconds: float = 30.0) -> np.ndarray:
    """The pixels of a picture of noise, `[height, width, 3]`."""
    event = make_event(explanation={"changes": changes, "kind": None, "since": None, "unlike": "D_maha"}, cause=cause or "too loud")
    png = draw_picture(replace(make_recording(seconds=seconds), event=event))
    assert png is not None
    return np.asarray(Image.open(BytesIO(png)).convert("RGB"))


def test_labels_stand_at_the_height_of_their_range() -> None:
    """The ink beside the panel is at the marked range."""
    pixels = draw(CHANGE)
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    rows = np.flatnonzero((pixels[:, LABELS:WIDTH].max(axis=2) < 128).any(axis=1))
    middle = TOPS[1] + PANEL_HEIGHT * (1 - (CHANGE.from_hz + CHANGE.to_hz) / 2 / (RATE_HZ / 2))
    assert rows.min() > TOPS[1]
    assert (rows.min() + rows.max()) / 2 == pytest.approx(middle, abs=12)
    assert draw(CHANGE, seconds=5.0).shape == (HEIGHT, WIDTH, 3)


def test_the_begin_of_the_change_is_marked() -> None:
    """A line where the alarm's explanation says that it began; none before the sound, and none where a gap moves all places."""
    since = TIME - timedelta(seconds=5)  # the alarm is at TIME, 15 s from the begin of the sound
    event = make_event(explanation={"changes": [CHANGE], "kind": None, "since": since, "unlike": "D_maha"})
    recording = replace(make_recording(seconds=30.0), event=event)
    assert find_begin(recording) == 10.0
    assert find_begin(replace(recording, alarm_at=RATE_HZ)) is None
    assert find_begin(replace(recording, sound=Stretch(recording.sound.pcm, gaps=(RATE_HZ,)))) is None
    png = draw_picture(recording)
    assert png is not None
    panel = np.asarray(Image.open(BytesIO(png)).convert("L"))[TOPS[1] + 40 : TOPS[1] + 80, LEFT + 20 : RIGHT - 20]
    (dark, *_) = np.flatnonzero((panel < 60).any(axis=0))  # the line of the alarm is to the right of it
    assert LEFT + 20 + dark == pytest.approx(LEFT + (RIGHT - LEFT) / 3, abs=2)


def test_no_text_leaves_the_picture() -> None:
    """The longest cause and labels end before the edge, and the title before the panel."""
    changes = [Change(from_hz=hz, to_hz=hz + 200, difference_db=-123, deviations=1234, is_unheard=False) for hz in (7800, 7600, 7400)]
    pixels = draw(*changes, cause="4.47 to 4.90 kHz louder than ever, by 14 dB, 13 times the usual deviation; " * 8)
    ink = pixels.max(axis=2) < 128
    assert not ink[:, WIDTH - 4 :].any()
    assert not ink[TOPS[0] - 40 : TOPS[0] - 32, LEFT:].any()
    assert not ink[HEIGHT - 4 :].any()


@given(wanted=st.lists(st.floats(-100, 400), max_size=4), height=st.floats(1, 60))
def test_labels_never_overlap(wanted: list[float], height: float) -> None:
    """Wherever their ranges are, they stay in their order and between the edges."""
    places = spread(sorted(wanted), height, 0.0, 270.0)
    assert all(-1e-9 <= place <= 270 - height + 1e-9 for place in places)
    assert all(lower - upper >= height - 1e-9 for upper, lower in pairwise(places))


def test_a_label_says_what_changed() -> None:
    """Range, size and how unusual it is."""
    quieter = CHANGE.model_copy(update={"difference_db": -3.4, "is_unheard": False})
    louder, other = mark_changes([CHANGE, quieter])
    assert louder.lines == ("4.47 to 4.90 kHz", "14 dB louder than ever", "13 times the usual deviation")
    assert other.lines[1] == "3 dB quieter than usual"


def test_without_a_named_range_the_largest_differences_are_marked() -> None:
    """Each range is as wide as half of its difference reaches; its slopes are no range of their own; three at most, and no small ones."""
    difference_db = np.random.default_rng(0).normal(0, 0.5, 128)
    assert find_marks(difference_db, 8000.0) == []
    difference_db[66:80] += 5.0
    difference_db[70:76] += 7.0
    difference_db[20:30] -= 6.0
    louder, quieter = find_marks(difference_db, 8000.0)
    band_hz = 8000 / 129
    assert (louder.from_hz, louder.to_hz) == pytest.approx((70 * band_hz, 77 * band_hz), abs=1.1 * band_hz)
    assert (quieter.from_hz, quieter.to_hz) == pytest.approx((20 * band_hz, 31 * band_hz), abs=1.1 * band_hz)
    assert louder.lines == ("4.28 to 4.84 kHz", "12 dB louder than normal")
    assert len(find_marks(np.where(np.arange(128) % 32 < 8, 9.0, -9.0), 8000.0)) == 3


def test_the_fault_of_the_pump_is_marked_where_the_alarm_names_nothing() -> None:
    """The picture has a label at its resonance."""
    tops: list[int] = []
    for fault_from_s, dark in ((10.0, 128), (None, 200)):
        pump = quantise(Pump(3, RATE_HZ, fault_from_s).read(30 * RATE_HZ))
        event = make_event(explanation=None)
        png = draw_picture(replace(make_recording(), event=event, sound=Stretch(pump), alarm_at=15 * RATE_HZ))
        assert png is not None
        pixels = np.asarray(Image.open(BytesIO(png)).convert("RGB"))
        tops.append(int(np.flatnonzero((pixels[:, LABELS:WIDTH].max(axis=2) < dark).any(axis=1)).min()))
    assert tops[0] == pytest.approx(TOPS[1] + PANEL_HEIGHT * (1 - FAULT_HZ / (RATE_HZ / 2)), abs=40)
    assert tops[1] == pytest.approx(TOPS[1], abs=10)  # which says that nothing stands out


def test_columns_are_pooled_by_power() -> None:
    """Two frames of which one is silent are 3 dB lower; a short recording is left as it is."""
    assert np.allclose(pool(np.array([[0.0, -300.0, 10.0]], np.float32), 2), [[-3.01, 10.0]], atol=0.01)
    few = np.zeros((4, 3), np.float32)
    assert pool(few, 3).shape == few.shape


def test_levels_get_lighter_and_differences_darker_to_both_ends() -> None:
    """So a print in grey can be read."""
    grey = paint(np.linspace(0.0, 1.0, 50)[None], 0, 1, LEVEL)[0] @ [0.3, 0.59, 0.11]
    assert np.all(np.diff(grey) > -1)
    grey = paint(np.linspace(-1.0, 1.0, 51)[None], -1, 1, DIFFERENCE)[0] @ [0.3, 0.59, 0.11]
    assert np.all(np.diff(grey[:26]) > -1)
    assert np.all(np.diff(grey[25:]) < 1)


def test_a_picture_is_shrunk_as_little_as_needed() -> None:
    """The widest copy that is small enough; noise, which is compressed least, is small enough too."""
    content = BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)).save(content, "PNG")
    for most_bytes in (10_000_000, 300_000, 100_000):
        found = shrink(content.getvalue(), most_bytes)
        assert len(found) <= most_bytes
        width = Image.open(BytesIO(found)).width
        wider = [other for other in (WIDTH, *SMALLER_WIDTHS) if other > width]
        assert not wider or len(shrink(content.getvalue(), len(found) - 1)) < len(found)
    assert shrink(content.getvalue(), 10_000_000) == content.getvalue()
