"""Views of a clip: the vectors in which it is compared with normal clips, made of its 128 linear and 128 mel bands.

A mean over time forgets what happens within a clip. So there are views of the spread, the peak and the change over time, and `moments`,
windows of 2 s that hold the order of events: a beat that is missing, weak, double or late. `pieces` of 64 ms show how long something lasts.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from aegan_monitor.types import DoubleArray, FloatArray

SCALES = 2  # linear, mel
N_SCALE_BANDS = 128
N_GROUPS = 8  # of 16 neighbouring linear bands, for windows
WINDOW_FRAMES = 64  # 2 s: longer than a beat of most machines
WINDOW_HOP_FRAMES = 4  # half as many windows as with 2, with the same AUC
PIECE_FRAMES = 2  # 64 ms: shorter than a bang
N_PIECE_GROUPS = 32  # of 4 neighbouring linear bands
LEAST_POWER = 1e-10
LEAST_FLUX_DB = 0.05  # below the flux of any real sound


@dataclass(frozen=True, slots=True)
class BandSummary:
    """What the views of a clip need of its bands.

    Attributes:
        mean, spread, peak: Mean, standard deviation and maximum over time in dB, float64 `[2, 128]`, linear and mel.
        flux: Logarithm of the mean absolute difference between neighbouring frames, float64 `[2, 128]`.
        groups: Groups of linear bands in dB without their median over time, float32 `[8, n_frames]`.
        pieces: Means of linear bands over groups and over 2 frames in dB, float32 `[n_pieces, 32]`.
    """

    mean: DoubleArray
    spread: DoubleArray
    peak: DoubleArray
    flux: DoubleArray
    groups: FloatArray
    pieces: FloatArray


def summarise(db: FloatArray) -> BandSummary:
    """The summary of bands in dB `[256, n_frames]`."""

    def shape(values: FloatArray) -> DoubleArray:
        return values.astype(np.float64).reshape(SCALES, N_SCALE_BANDS)

    power = db[:N_SCALE_BANDS].reshape(N_GROUPS, -1, db.shape[1]) / np.float32(10)
    np.power(np.float32(10), power, out=power)  # in place: these are the largest arrays of a decision
    steps = np.diff(db, axis=1)
    np.abs(steps, out=steps)
    groups = 10 * np.log10(power.mean(axis=1) + LEAST_POWER)
    return BandSummary(
        mean=db.mean(axis=1, dtype=np.float64).reshape(SCALES, N_SCALE_BANDS),
        spread=shape(db.std(axis=1)),
        peak=shape(db.max(axis=1)),
        flux=shape(np.log(steps.mean(axis=1) + LEAST_FLUX_DB)),
        groups=(groups - np.median(groups, axis=1, keepdims=True)).astype(np.float32),
        pieces=cut_pieces(db),
    )


def cut_windows(bands: BandSummary) -> FloatArray:
    """The windows of a clip, float32 `[n_windows, 8 * 64]`."""
    windows = np.lib.stride_tricks.sliding_window_view(bands.groups, WINDOW_FRAMES, axis=1)[:, ::WINDOW_HOP_FRAMES]
    return windows.transpose(1, 0, 2).reshape(windows.shape[1], -1)


def cut_pieces(db: FloatArray) -> FloatArray:
    """The pieces of a clip with bands in dB `[256, n_frames]`: means, float32 `[n_pieces, 32]`; a last odd frame is left out."""
    n_pieces = db.shape[1] // PIECE_FRAMES
    groups = db[:N_SCALE_BANDS, : n_pieces * PIECE_FRAMES].reshape(N_PIECE_GROUPS, -1, n_pieces * PIECE_FRAMES).mean(axis=1)
    return np.ascontiguousarray(groups.reshape(N_PIECE_GROUPS, n_pieces, PIECE_FRAMES).mean(axis=2).T)


def _join(*values: DoubleArray) -> DoubleArray:
    return np.concatenate(values)[None]


View = Callable[[BandSummary], DoubleArray | FloatArray]
VIEWS: dict[str, View] = {  # each gives the vectors of a clip, `[n_vectors, n]`
    "linear": lambda bands: bands.mean[:1],
    "mel": lambda bands: bands.mean[1:],
    "linear_spread": lambda bands: _join(bands.mean[0], bands.spread[0]),
    "mel_spread": lambda bands: _join(bands.mean[1], bands.spread[1]),
    "linear_peak": lambda bands: _join(bands.mean[0], bands.peak[0]),
    "flux": lambda bands: bands.flux[:1],
    "moments": cut_windows,
    "pieces": lambda bands: bands.pieces,
}
