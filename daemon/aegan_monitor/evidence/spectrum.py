"""What a picture of sound shows: its level over time and frequency, and how far that is from normal sound. Pure."""

from dataclasses import dataclass, replace

import numpy as np

from aegan_monitor.decision.sound.changed_bands import find_residual
from aegan_monitor.detection.bundle import Bundle
from aegan_monitor.detection.features import FeatureParameters, LogMel, make_filterbank
from aegan_monitor.detection.views import N_SCALE_BANDS
from aegan_monitor.evidence.recent_sound import Pcm
from aegan_monitor.types import DoubleArray, FloatArray

N_BANDS = 256  # of the level: 31 Hz each at 16 kHz
PIECE_FRAMES = 8  # of one column of the residual: 0.26 s
BLOCK_PIECES = 20  # which are compared with the same normal clips: 5 s
PUSH_SAMPLES = 160_000  # bounds what the spectrum takes beside its result


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Sound over time and frequency; bands are of equal width, from 0 to `highest_hz`.

    Attributes:
        level_db: float32 `[N_BANDS, n_frames]`: level in each band, relative to a full-scale sine.
        residual_db: float64 `[128, n_pieces]`: mean level of PIECE_FRAMES frames less that of the nearest normal clips; None if the bundle
            knows no normal clips.
        band_hz: Width of a band of `level_db`.
    """

    level_db: FloatArray
    residual_db: DoubleArray | None
    band_hz: float
    highest_hz: float


def measure_spectrum(pcm: Pcm, bundle: Bundle) -> Spectrum:
    """The spectrum of int16 `[n_samples]`, a second at least.

    Source: the level is the power spectral density of Welch (1967), times the width of a band; 0 dB as in AES17.
    """
    highest_hz = bundle.record.features.sample_rate_hz / 2
    linear = replace(bundle.record.features, band_scale="linear", f_min_hz=0.0, f_max_hz=highest_hz, top_db=None)
    fine, coarse = replace(linear, n_bands=N_BANDS), replace(linear, n_bands=N_SCALE_BANDS)
    logmel = LogMel(fine, make_filterbank(fine), make_filterbank(coarse))
    parts = [logmel.push(pcm[i : i + PUSH_SAMPLES].astype(np.float32) / np.float32(32768)) for i in range(0, len(pcm), PUSH_SAMPLES)]
    parts.append(logmel.flush())
    level_db = _without_edges(np.concatenate([part.db for part in parts], axis=1), fine)
    bands_db = _without_edges(np.concatenate([part.baseline_db for part in parts], axis=1), fine)
    band_hz = highest_hz / (N_BANDS + 1)
    return Spectrum(level_db + np.float32(_full_scale_db(fine, band_hz)), _subtract_normal(bands_db, bundle), band_hz, highest_hz)


def _without_edges(db: FloatArray, features: FeatureParameters) -> FloatArray:
    """Replace the first and the last frames, whose windows reach beyond the sound, by their neighbours."""
    n_edge = -(-features.n_fft // (2 * features.hop_samples))
    return np.pad(db[:, n_edge:-n_edge], [(0, 0), (n_edge, n_edge)], mode="edge")


def _full_scale_db(features: FeatureParameters, band_hz: float) -> float:
    """What is added to a band of `LogMel` (power over unit area) for its level relative to a full-scale sine."""
    window_power = 3 / 8 * features.n_fft  # sum of the squares of a Hann window
    return float(10 * np.log10(2 * 2 * band_hz / (features.n_fft * window_power)))  # two sides of the spectrum; a sine has the power 1/2


def _subtract_normal(bands_db: FloatArray, bundle: Bundle) -> DoubleArray | None:
    """The residual of linear bands `[128, n_frames]`. Every BLOCK_PIECES pieces the nearest normal clips are looked for again."""
    normal_db, std_db = bundle.reference.baseline_clips[:, 0], bundle.reference.baseline_std[0]
    n_pieces = bands_db.shape[1] // PIECE_FRAMES
    if not len(normal_db) or not n_pieces:
        return None
    pieces = bands_db[:, : n_pieces * PIECE_FRAMES].reshape(len(bands_db), n_pieces, PIECE_FRAMES).mean(axis=2, dtype=np.float64)
    n_clip = min(n_pieces, bundle.record.clip.covered_frames // PIECE_FRAMES)
    residual_db: DoubleArray = np.empty_like(pieces)
    for first in range(0, n_pieces, BLOCK_PIECES):
        block = slice(first, first + BLOCK_PIECES)
        start = min(max(first + (BLOCK_PIECES - n_clip) // 2, 0), n_pieces - n_clip)
        clip_db = pieces[:, start : start + n_clip].mean(axis=1)
        nearest_db = clip_db - find_residual(clip_db, normal_db, std_db)
        residual_db[:, block] = pieces[:, block] - nearest_db[:, None]
    return residual_db
