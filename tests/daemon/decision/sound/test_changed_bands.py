"""The bands that differ from normal sound: an injected band is named with its level, and nothing is made up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.decision.sound.changed_bands import LEAST_CHANGE, LEAST_USUAL_DB, N_NEAREST, NormalBands, find_residual, measure_usual
from aegan_monitor.decision.sound.regions import MOST_REGIONS
from aegan_monitor.detection.record import UsualBands
from aegan_monitor.types import DoubleArray

RATE_HZ, N_BANDS, N_CLIPS = 16_000, 128, 40
HALF_BAND_HZ = RATE_HZ / 2 / (N_BANDS + 1)
SPECTRUM_DB = -40 - 20 * np.linspace(0, 1, N_BANDS)
LOAD_DB = 12.0  # how much louder the machine is under load


def make_clip(rng: np.random.Generator, load: float) -> DoubleArray:
    """The mean bands of a clip of a machine without load (0) or under load (1)."""
    clip: DoubleArray = SPECTRUM_DB + load * LOAD_DB + rng.normal(0, 0.5, N_BANDS)
    return clip


def make_normal() -> NormalBands:
    """A machine that was heard without load and under load."""
    rng = np.random.default_rng(1)
    rows_db = np.stack([make_clip(rng, number % 2) for number in range(N_CLIPS)])
    std_db = rows_db.std(axis=0)
    residuals = np.stack([find_residual(row, np.delete(rows_db, place, axis=0), std_db) for place, row in enumerate(rows_db)])
    usual = UsualBands(
        deviation_db=measure_usual(residuals).tolist(), lowest_db=rows_db.min(axis=0).tolist(), highest_db=rows_db.max(axis=0).tolist()
    )
    return NormalBands(rows_db, std_db, usual, RATE_HZ)


NORMAL = make_normal()


@pytest.mark.parametrize("load", [0, 1])
@pytest.mark.parametrize("level_db", [4.0, 10.0, 30.0, -10.0])
@pytest.mark.parametrize(("first", "n"), [(0, 2), (20, 1), (64, 8), (70, 30), (126, 2)])
def test_an_injected_band_is_named_with_its_level(first: int, n: int, level_db: float, load: int) -> None:
    """A band that is louder or quieter is the first change, in each state of the machine; its edges are at most two bands off."""
    bands_db = make_clip(np.random.default_rng([first, n]), load)
    bands_db[first : first + n] += level_db
    (region, change), *_ = NORMAL.find_changes(bands_db)
    assert abs(region.bands.start - first) <= 2
    assert abs(region.bands.stop - first - n) <= 2
    assert change.from_hz <= (first + (n + 1) / 2) * HALF_BAND_HZ <= change.to_hz
    assert change.difference_db == pytest.approx(level_db, abs=2.0)
    assert change.deviations >= LEAST_CHANGE


@pytest.mark.parametrize("load", [0, 1])
@pytest.mark.parametrize("seed", range(100, 110))
def test_nothing_stands_out_of_normal_sound(seed: int, load: int) -> None:
    """Further normal clips of either state have no change."""
    assert NORMAL.find_changes(make_clip(np.random.default_rng(seed), load)) == []


def test_a_band_within_the_range_of_normal_sound_is_not_called_unheard() -> None:
    """Without load, a band as loud as under load is a change, but it was louder before."""
    bands_db = make_clip(np.random.default_rng(7), 0)
    bands_db[40:43] += LOAD_DB - 3
    [(_, within)] = NORMAL.find_changes(bands_db)
    bands_db[40:43] += 6
    [(_, beyond)] = NORMAL.find_changes(bands_db)
    assert (within.is_unheard, beyond.is_unheard) == (False, True)


def test_a_change_goes_on_until_its_band_is_normal_or_on_the_other_side() -> None:
    """The same band, half as loud, is still changed; another band, or the same one quieter, is not."""
    plain = make_clip(np.random.default_rng(8), 1)
    pulse = np.zeros(N_BANDS)
    pulse[50:54] = 10.0
    [(region, _)] = NORMAL.find_changes(plain + pulse)
    assert NORMAL.has_change(plain + pulse / 2, region)
    for other in (plain, plain - pulse, plain + np.roll(pulse, 20)):
        assert not NORMAL.has_change(other, region)


def test_what_is_added_leaves_the_rest_as_usual() -> None:
    """Louder bands beside unchanged ones are an addition; not so if bands are quieter, or if all the others have changed a bit."""
    plain = make_clip(np.random.default_rng(9), 1)
    pulse, wobble = np.zeros(N_BANDS), 1.5 * np.tile([1.0, -1.0], N_BANDS)[:N_BANDS]
    pulse[50:54] = 10.0
    clips = [plain + pulse, plain - pulse, plain + pulse - np.roll(pulse, 20), plain + pulse + wobble]
    assert [NORMAL.has_addition(clip, NORMAL.find_changes(clip)) for clip in clips] == [True, False, False, False]


@given(
    pulses=st.lists(st.tuples(st.integers(0, N_BANDS - 1), st.integers(1, 60), st.floats(-60, 60)), max_size=5),
    gain_db=st.floats(-60, 60),
    seed=st.integers(0, 20),
)
def test_changes_are_few_apart_and_within_the_spectrum(pulses: list[tuple[int, int, float]], gain_db: float, seed: int) -> None:
    """Whatever a clip sounds like: three changes at most, each over the least deviation, in bands that no other change has."""
    bands_db = make_clip(np.random.default_rng(seed), seed % 2) + gain_db
    for first, n, level_db in pulses:
        bands_db[first : first + n] += level_db
    found = NORMAL.find_changes(bands_db)
    assert len(found) <= MOST_REGIONS
    named = [band for region, _ in found for band in range(region.bands.start, region.bands.stop)]
    assert len(named) == len(set(named))
    for region, change in found:
        assert 0 <= change.from_hz < change.to_hz <= RATE_HZ / 2
        assert change.deviations >= LEAST_CHANGE
        assert np.sign(change.difference_db) == np.sign(region.excess)


def test_few_normal_clips_are_enough() -> None:
    """With fewer clips than neighbours all are taken, and a band that never varied has a deviation."""
    rows_db = np.tile(SPECTRUM_DB, (N_NEAREST - 1, 1))
    assert find_residual(SPECTRUM_DB + 1, rows_db, np.ones(N_BANDS)) == pytest.approx(np.ones(N_BANDS))
    assert measure_usual(np.zeros((1, N_BANDS))) == pytest.approx(np.full((3, N_BANDS), LEAST_USUAL_DB))
