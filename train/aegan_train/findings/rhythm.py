"""A rhythm in normal sound: the autocorrelation of its onsets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aegan_monitor.detection.views import BandSummary
from aegan_monitor.types import DoubleArray, FloatArray

LEAST_FRAMES = 4  # 0.13 s
LEAST_BEATS = 3  # in a window
LEAST_STRENGTH = 0.35  # of steady machines nearly all windows stay under 0.2
AS_STRONG = 0.8  # of several peaks this strong the first is the period, the others are its multiples
SMOOTHING = np.array([0.25, 0.5, 0.25])  # a period is rarely a whole number of frames
LEAST_SHARE, LEAST_WINDOWS = 0.1, 3  # with a rhythm
TOLERANCE = 0.1  # of the period, between windows


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A rhythm.

    Attributes:
        period_s: Mean time from beat to beat.
        strength: Median autocorrelation of the onsets at that period where the rhythm is there, 0 to 1.
        share: The part of the windows in which it is there.
    """

    period_s: float
    strength: float
    share: float


def describe_rhythm(rhythm: Rhythm | None, members: Sequence[str]) -> list[str]:
    """The lines that `fit` prints; `members` are those of the deciding score."""
    if rhythm is None:
        return ["rhythm: none"]
    period = f"{rhythm.period_s:.2f} s ({60 / rhythm.period_s:.0f} beats a minute)"
    line = f"rhythm: a beat every {period}, in {rhythm.share:.0%} of the clips, strength {rhythm.strength:.1f} of 1"
    if "C_moments" in members:
        return [line]
    return [line, "  this score does not see missing and late beats: add C_moments to fusion"]


def find_rhythm(bands: Sequence[BandSummary], hop_s: float) -> Rhythm | None:
    """The rhythm of the windows of normal sound, or None without one; `hop_s` are seconds from frame to frame."""
    found = np.array([find_beat(each.groups) for each in bands])
    is_strong = found[:, 1] >= LEAST_STRENGTH
    if not is_strong.any():
        return None
    lags, strengths = found[is_strong].T
    agrees = np.abs(lags / np.median(lags) - 1) <= TOLERANCE
    n_there = int(np.count_nonzero(agrees))
    if n_there < max(LEAST_WINDOWS, LEAST_SHARE * len(found), len(lags) / 2):
        return None
    return Rhythm(float(lags[agrees].mean()) * hop_s, float(np.median(strengths[agrees])), n_there / len(found))


def find_beat(groups: FloatArray) -> tuple[float, float]:
    """(period in frames, strength) of the strongest rhythm in groups of bands in dB `[n_groups, n_frames]`; zeros without any."""
    strengths = correlate(np.convolve(find_onsets(groups), SMOOTHING, "same"))
    lags = np.arange(LEAST_FRAMES, groups.shape[1] // LEAST_BEATS)
    peaks = lags[(strengths[lags] > strengths[lags - 1]) & (strengths[lags] >= strengths[lags + 1])]
    if not len(peaks):
        return 0.0, 0.0
    first = int(peaks[np.argmax(strengths[peaks] >= AS_STRONG * strengths[peaks].max())])
    before, top, after = strengths[first - 1 : first + 2].tolist()
    return first + 0.5 * (before - after) / (before - 2 * top + after), top  # a parabola through the peak


def find_onsets(groups: FloatArray) -> DoubleArray:
    """The onsets `[n_frames - 1]`: what each frame is louder than the one before it, in dB over all groups (spectral flux), centred."""
    rises = np.maximum(0, np.diff(groups, axis=1)).sum(axis=0, dtype=np.float64)
    found: DoubleArray = rises - rises.mean()
    return found


def correlate(signal: DoubleArray) -> DoubleArray:
    """The autocorrelation `[n]` of a centred signal, 1 at lag 0 (or all 0 for silence); longer lags have fewer terms and so less weight."""
    spectrum = np.fft.rfft(signal, 2 * len(signal))
    products = np.fft.irfft(np.abs(spectrum) ** 2)[: len(signal)]
    found: DoubleArray = products / max(products[0], np.finfo(float).tiny)
    return found
