"""The usual deviations of normal clips: between recordings, not within one."""

from dataclasses import replace

import numpy as np
import pytest

from aegan_monitor.decision.sound.changed_bands import LEAST_USUAL_DB
from aegan_monitor.detection.views import BandSummary
from aegan_train.calibration.usual_bands import fit_usual_bands
from fakes import make_bands

N_RECORDINGS, N_JOINED = 6, 4
GROUPS = np.repeat(np.arange(N_RECORDINGS), N_JOINED)


def make_days(gain_db: float) -> list[BandSummary]:
    """Clips of N_RECORDINGS recordings; each recording has a gain of its own, which deviates by `gain_db`."""
    rng, clip = np.random.default_rng(5), make_bands(1, 1)[0]
    gains_db = gain_db * rng.normal(size=N_RECORDINGS)
    return [replace(clip, mean=clip.mean + gains_db[group] + rng.normal(0, 0.3, clip.mean.shape)) for group in GROUPS]


def test_the_deviation_is_that_of_other_recordings() -> None:
    """A gain that differs from day to day is usual, although the clips of one day are alike."""
    alike, apart = (np.array(fit_usual_bands(make_days(gain_db), GROUPS).deviation_db) for gain_db in (0.0, 3.0))
    assert apart.shape == (3, 128)
    assert (alike[0] < 1).all()
    assert (apart > alike + 0.5).all()


def test_the_range_covers_clips_that_were_held_out() -> None:
    """What was heard once is not louder than ever."""
    clips = make_days(0.0)
    loud, quiet = (replace(clips[0], mean=clips[0].mean + gain_db) for gain_db in (20, -20))
    found = fit_usual_bands(clips, GROUPS, [loud, quiet])
    assert found.highest_db == pytest.approx(loud.mean[0], abs=0.01)
    assert found.lowest_db == pytest.approx(quiet.mean[0], abs=0.01)
    assert found.deviation_db == fit_usual_bands(clips, GROUPS).deviation_db


@pytest.mark.parametrize("n_clips", [1, 2, 9])
def test_one_recording_is_enough(n_clips: int) -> None:
    """Its clips are compared with each other; a single one has the least deviation."""
    found = np.array(fit_usual_bands(make_days(0.0)[:n_clips], np.zeros(n_clips, np.intp)).deviation_db)
    assert np.isfinite(found).all()
    assert (found >= LEAST_USUAL_DB).all()
