"""Computes log-mel frames from a stream of samples, however it is split."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from aegan_monitor.types import DoubleArray, FloatArray, Frames

BandScale = Literal["mel", "linear"]

GROUP_BANDS = 32  # smaller groups have fewer zeros and more calls
LOWEST_DBFS = -150.0
BLOCK_FRAMES = 32  # transformed at a time: the intermediate arrays (1.6 MB) stay in the processor's cache


@dataclass(frozen=True, slots=True)
class FeatureParameters:
    """Parameters of the log-mel spectrogram, set by the bundle alone.

    Attributes:
        n_fft: Samples under one window.
        hop_samples: Samples from frame to frame (512 at 16 kHz is 32 ms).
        f_min_hz, f_max_hz: Edges of the lowest and the highest band.
        floor_power: Power below which the logarithm is cut off.
        top_db: Range under the maximum of a clip: not causal, so only for whole clips (published tables); else null.
    """

    sample_rate_hz: int = 16_000
    n_fft: int = 2048
    hop_samples: int = 512
    band_scale: BandScale = "mel"
    n_bands: int = 128
    f_min_hz: float = 0.0
    f_max_hz: float = 8000.0
    floor_power: float = 1e-10
    top_db: float | None = None

    def problems(self) -> list[str]:
        """Inconsistent parameters, one line each; empty if there are none."""
        counts = (self.sample_rate_hz, self.n_fft, self.hop_samples, self.n_bands)
        fits = {
            "sample_rate_hz, n_fft, hop_samples, n_bands: expected over 0": min(counts) > 0,
            "hop_samples: expected up to n_fft": self.hop_samples <= self.n_fft,
            "f_min_hz, f_max_hz: expected to rise from 0 or more to at most half the sample rate": (
                0 <= self.f_min_hz < self.f_max_hz <= self.sample_rate_hz / 2
            ),
            "floor_power: expected over 0": self.floor_power > 0,
            "top_db: expected over 0, or null": self.top_db is None or self.top_db > 0,
        }
        return [problem for problem, holds in fits.items() if not holds]

    @property
    def hop_s(self) -> float:
        """Seconds from frame to frame."""
        return self.hop_samples / self.sample_rate_hz


def mel_from_hz(hz: DoubleArray) -> DoubleArray:
    """The Slaney mel scale: linear below 1 kHz, logarithmic above.

    Source: M. Slaney, Auditory Toolbox, Interval Research TR 1998-010.
    """
    linear = hz * 3 / 200
    return np.where(hz < 1000.0, linear, 15.0 + np.log(np.maximum(hz, 1000.0) / 1000.0) * 27 / np.log(6.4))


def hz_from_mel(mel: DoubleArray) -> DoubleArray:
    """Inverse of `mel_from_hz`."""
    return np.where(mel < 15.0, mel * 200 / 3, 1000.0 * np.exp((np.maximum(mel, 15.0) - 15.0) * np.log(6.4) / 27))


def band_edges_hz(features: FeatureParameters) -> DoubleArray:
    """Edges of the bands, `[n_bands + 2]`: band i rises from edge i to edge i + 1 and falls to edge i + 2."""
    low, high = np.array(features.f_min_hz), np.array(features.f_max_hz)
    if features.band_scale == "mel":
        return hz_from_mel(np.linspace(mel_from_hz(low), mel_from_hz(high), features.n_bands + 2))
    return np.linspace(low, high, features.n_bands + 2)


def make_filterbank(features: FeatureParameters) -> FloatArray:
    """Triangular bands of unit area (Slaney's norm) between `band_edges_hz`, float32 `[n_bands, n_fft / 2 + 1]`."""
    edges = band_edges_hz(features)
    bins = np.fft.rfftfreq(features.n_fft, 1 / features.sample_rate_hz)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return (triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


@dataclass(frozen=True, slots=True)
class BandGroup:
    """Neighbouring bands of a filterbank, the bins of the spectrum with weights in them, and these weights `[n_bins, n_bands]`."""

    bands: slice
    bins: slice
    weights: FloatArray


def group_bands(filterbank: FloatArray, first_band: int) -> list[BandGroup]:
    """A filterbank `[n_bands, n_bins]` in groups of GROUP_BANDS, without most of the zeros beside the triangles."""
    groups = []
    for start in range(0, len(filterbank), GROUP_BANDS):
        rows = filterbank[start : start + GROUP_BANDS]
        heard = np.flatnonzero(rows.any(axis=0))
        bins = slice(int(heard[0]), int(heard[-1]) + 1) if len(heard) else slice(0, 1)
        bands = slice(first_band + start, first_band + start + len(rows))
        groups.append(BandGroup(bands, bins, np.ascontiguousarray(rows[:, bins].T)))
    return groups


class LogMel:
    """Centred frames of `10 log10(max(filterbank @ |FFT|^2, floor))` from a stream.

    The stream starts after n_fft / 2 zeros, so frame k is complete after n_fft / 2 + k hop samples.
    Differs from librosa (`top_db=None`) by under 1e-4 dB.
    """

    def __init__(self, features: FeatureParameters, filterbank: FloatArray, baseline_filterbank: FloatArray | None = None) -> None:
        """Store the filterbanks, float32 `[bands, n_fft / 2 + 1]`; `baseline_filterbank` adds the bands of the baselines."""
        self.features = features
        self._n_bands = len(filterbank)
        parts = [filterbank] if baseline_filterbank is None else [filterbank, baseline_filterbank]
        self._groups = [group for place, part in enumerate(parts) for group in group_bands(part, place * self._n_bands)]
        self._n_all_bands = sum(map(len, parts))
        ramp = np.arange(features.n_fft) / features.n_fft
        self._window = 0.5 - 0.5 * np.cos(2 * np.pi * ramp)  # periodic Hann
        self._window_power = float(np.sum(self._window**2))
        # Reused scratch memory: its allocation takes longer than the arithmetic. float64, as NumPy's FFT of float32 converts to it.
        n_bins = features.n_fft // 2 + 1
        self._windowed = np.empty((BLOCK_FRAMES, features.n_fft))
        self._spectrum = np.empty((BLOCK_FRAMES, n_bins), np.complex128)
        self._squares = np.empty((2, BLOCK_FRAMES, n_bins))
        self._power = np.empty((BLOCK_FRAMES, n_bins), np.float32)
        self.reset()

    def reset(self) -> None:
        """Start a new stream; no frame spans the reset."""
        self._pending = np.zeros(self.features.n_fft // 2, np.float32)

    def push(self, samples: FloatArray) -> Frames:
        """All frames that `samples` (float32 `[n_samples]`) complete."""
        n_fft, hop = self.features.n_fft, self.features.hop_samples
        self._pending = np.concatenate([self._pending, samples])
        n_frames = max(0, (len(self._pending) - n_fft) // hop + 1)
        bands, mean_square = np.empty((n_frames, self._n_all_bands), np.float32), np.empty(n_frames)
        if n_frames:
            windows = np.lib.stride_tricks.sliding_window_view(self._pending, n_fft)[: n_frames * hop : hop]
            for start in range(0, n_frames, BLOCK_FRAMES):
                block = slice(start, start + BLOCK_FRAMES)
                self._transform(windows[block], bands[block], mean_square[block])
        self._pending = self._pending[n_frames * hop :]
        return Frames(bands.T[: self._n_bands], mean_square, bands.T[self._n_bands :])

    def flush(self) -> Frames:
        """The frames that n_fft / 2 zeros after the end of a clip complete."""
        return self.push(np.zeros(self.features.n_fft // 2, np.float32))

    def transform_clip(self, samples: FloatArray) -> Frames:
        """All frames of a recording as one clip, with n_fft / 2 zeros at both ends, after a reset."""
        self.reset()
        return self.push(np.concatenate([samples, np.zeros(self.features.n_fft // 2, np.float32)]))

    def _transform(self, windows: FloatArray, bands: FloatArray, mean_square: DoubleArray) -> None:
        """Fill `bands` `[n_frames, all bands]` in dB and `mean_square` from `windows` `[n_frames, n_fft]` of samples."""
        n = len(windows)
        windowed, spectrum, squares, power = self._windowed[:n], self._spectrum[:n], self._squares[:, :n], self._power[:n]
        np.multiply(windows, self._window, out=windowed)
        np.fft.rfft(windowed, out=spectrum)
        np.square(spectrum.real, out=squares[0])
        np.square(spectrum.imag, out=squares[1])
        np.add(squares[0], squares[1], out=power, casting="same_kind")
        for group in self._groups:
            np.matmul(power[:, group.bins], group.weights, out=bands[:, group.bands])
        np.maximum(bands, np.float32(self.features.floor_power), out=bands)
        np.log10(bands, out=bands)
        bands *= np.float32(10.0)
        # DC is no sound; under a Hann window it fills the lowest two bins (Parseval's theorem: those and the mirror of the second)
        np.einsum("ij,ij->i", windowed, windowed, out=mean_square)
        mean_square -= (squares[:, :, :2].sum(axis=0) @ np.array([1.0, 2.0])) / self.features.n_fft
        np.maximum(mean_square, 0.0, out=mean_square)
        mean_square /= self._window_power


def dbfs_from_power(power: float) -> float:
    """Level of a mean square (full scale 1) in dB relative to a full-scale sine, LOWEST_DBFS at least. Source: AES17."""
    return max(LOWEST_DBFS, 10 * math.log10(2 * power)) if power > 0 else LOWEST_DBFS


def limit_range(db: FloatArray, top_db: float | None) -> FloatArray:
    """Raise values more than `top_db` under the maximum of the clip (not causal; None changes nothing)."""
    return db if top_db is None else np.maximum(db, db.max() - np.float32(top_db))
