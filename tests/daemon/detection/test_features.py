"""Log-mel frames equal librosa's for any split of the samples."""

from itertools import pairwise

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegan_monitor.detection.features import FeatureParameters, LogMel, limit_range, make_filterbank
from aegan_monitor.types import Frames
from tolerances import LOGMEL_DB

FEATURES = FeatureParameters()
FILTERBANK = make_filterbank(FEATURES)
RNG = np.random.default_rng(5)
SOUND = (0.1 * RNG.normal(size=40_000) * np.linspace(0.01, 1, 40_000)).astype(np.float32)


def frames_of(parts: list[np.ndarray]) -> Frames:
    """All frames of a clip that arrives in parts."""
    logmel = LogMel(FEATURES, FILTERBANK)
    found = [logmel.push(part.astype(np.float32)) for part in parts] + [logmel.flush()]
    names = ("db", "power", "baseline_db")
    return Frames(*(np.concatenate([getattr(f, name) for f in found], axis=-1) for name in names))


def test_the_filterbank_is_librosas() -> None:
    """The mel bands equal librosa's (Slaney scale and area norm)."""
    expected = librosa.filters.mel(sr=16_000, n_fft=2048, n_mels=128, fmin=0, fmax=8000, htk=False, norm="slaney")
    np.testing.assert_allclose(FILTERBANK, expected, atol=1e-9)


@pytest.mark.parametrize("level", [1.0, 1e-3, 0.0])
def test_frames_are_librosas(level: float) -> None:
    """A whole clip gives librosa's centred power spectrogram in dB."""
    sound = SOUND * np.float32(level)
    mel = librosa.feature.melspectrogram(
        y=sound, sr=16_000, n_fft=2048, hop_length=512, n_mels=128, power=2.0, center=True, pad_mode="constant", norm="slaney"
    )
    expected = librosa.power_to_db(mel, ref=1.0, amin=1e-10, top_db=None)
    found = frames_of([sound]).db
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < LOGMEL_DB


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, len(SOUND)), max_size=12))
def test_any_split_gives_the_same_frames(cuts: list[int]) -> None:
    """Any split into pushes gives the same frames."""
    places = [0, *sorted(cuts), len(SOUND)]
    split = frames_of([SOUND[a:b] for a, b in pairwise(places)])
    whole = frames_of([SOUND])
    assert split.db.shape == whole.db.shape
    assert np.abs(split.db - whole.db).max() < LOGMEL_DB
    np.testing.assert_allclose(split.power, whole.power, rtol=1e-6)


def test_frame_power_is_the_mean_square() -> None:
    """A sine of amplitude 0.5 has a power of 0.125 in every full frame."""
    sine = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000)
    power = frames_of([sine]).power
    np.testing.assert_allclose(power[2:-3], 0.125, rtol=1e-4)


@pytest.mark.parametrize("dc", [0.0, 0.03, 0.5])
def test_dc_is_no_power(dc: float) -> None:
    """A DC offset does not change the power of noise."""
    noise = 1e-3 * np.random.default_rng(3).normal(size=16_000)
    np.testing.assert_allclose(frames_of([noise + dc]).power[2:-3], frames_of([noise]).power[2:-3], rtol=1e-3)


def test_a_frame_is_ready_as_soon_as_its_samples_are_there() -> None:
    """Frame k is complete at sample 1024 + 512 k."""
    logmel = LogMel(FEATURES, FILTERBANK)
    assert logmel.push(SOUND[:1023]).db.shape[1] == 0
    assert logmel.push(SOUND[1023:1024]).db.shape[1] == 1
    assert logmel.push(SOUND[1024:1535]).db.shape[1] == 0
    assert logmel.push(SOUND[1535:1536]).db.shape[1] == 1


def test_linear_bands_are_equally_wide() -> None:
    """Linear bands tile the spectrum with triangles of one width."""
    bank = make_filterbank(FeatureParameters(band_scale="linear", n_bands=64))
    centres = np.argmax(bank, axis=1)
    assert set(np.diff(centres)) <= {15, 16}


def test_limit_range_lifts_what_lies_under_the_clips_own_maximum() -> None:
    """top_db limits the range below the clip's maximum; None changes nothing."""
    db = np.array([[0.0, -50.0, -90.0]], np.float32)
    np.testing.assert_array_equal(limit_range(db, 80.0), [[0.0, -50.0, -80.0]])
    assert limit_range(db, None) is db
