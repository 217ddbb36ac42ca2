"""How far the present sound is from normal sound, in dB: the lower panel of an alarm's picture, live. Pure.

Not the network's reconstruction: that would take another session with all its memory, and four times as long as a score.
"""

from dataclasses import replace

import numpy as np

from aegan_monitor.decision.sound.changed_bands import find_residual
from aegan_monitor.detection.bundle import Bundle
from aegan_monitor.detection.features import make_filterbank
from aegan_monitor.detection.views import N_SCALE_BANDS
from aegan_monitor.types import DoubleArray, FloatArray

PIECE_FRAMES = 8  # of one column: 0.26 s
STEP_PIECES = 4  # computed at once: once a second


def make_linear_filterbank(bundle: Bundle) -> FloatArray:
    """128 linear bands from 0 to half the rate, in which the bundle knows its normal clips."""
    features = bundle.record.features
    whole = replace(features, n_bands=N_SCALE_BANDS, band_scale="linear", f_min_hz=0.0, f_max_hz=features.sample_rate_hz / 2)
    return make_filterbank(whole)


class Residual:
    """The level of each piece less that of the normal clips that are most like the last clip."""

    def __init__(self, bundle: Bundle) -> None:
        """Store; `bundle` knows normal clips."""
        self._normal_db, self._std_db = bundle.reference.baseline_clips[:, 0], bundle.reference.baseline_std[0]
        self._n_clip = max(STEP_PIECES, bundle.record.clip.covered_frames // PIECE_FRAMES)
        self.reset()

    def reset(self) -> None:
        """Start a new stream: no clip spans a gap."""
        self._frames: FloatArray = np.zeros((N_SCALE_BANDS, 0), np.float32)
        self._pieces: DoubleArray = np.zeros((N_SCALE_BANDS, 0))

    def push(self, bands_db: FloatArray, *, is_wanted: bool = True) -> DoubleArray:
        """Residuals in dB `[128, n_pieces]` of the pieces that `bands_db` `[128, n_frames]` completes, STEP_PIECES at a time.

        With `is_wanted` false these pieces only count for later ones.
        """
        self._frames = np.concatenate([self._frames, bands_db], axis=1)
        n_new = self._frames.shape[1] // (PIECE_FRAMES * STEP_PIECES) * STEP_PIECES
        whole, self._frames = np.split(self._frames, [n_new * PIECE_FRAMES], axis=1)
        new = whole.reshape(N_SCALE_BANDS, n_new, PIECE_FRAMES).mean(axis=2, dtype=np.float64)
        self._pieces = np.concatenate([self._pieces, new], axis=1)[:, -max(self._n_clip, n_new) :]
        if not n_new or not is_wanted:
            return np.zeros((N_SCALE_BANDS, 0))
        clip_db = self._pieces[:, -self._n_clip :].mean(axis=1)
        nearest_db = clip_db - find_residual(clip_db, self._normal_db, self._std_db)
        found: DoubleArray = new - nearest_db[:, None]
        return found
