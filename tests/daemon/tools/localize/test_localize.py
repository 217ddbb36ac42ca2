"""Localisation finds an added sound at its time and band, and finds nothing in normal sound."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import Bundle, demo_bundle, load_bundle
from aegan_monitor.detection.features import FeatureParameters, LogMel, band_edges_hz
from aegan_monitor.detection.network import MAX_BATCH
from aegan_monitor.detection.segments import ClipParameters
from aegan_monitor.inference.onnx_runtime import OrtSession
from aegan_monitor.tools.localize.localize import Localisation, Localiser, denoise, extend, localize
from aegan_monitor.tools.localize.picture import band_marks, pool
from aegan_monitor.tools.progress import Progress
from aegan_monitor.types import FloatArray
from fakes import Terminal
from synthetic import RATE_HZ, TONE_S, add_tone, write_wav

CLIP_SAMPLES = 10 * RATE_HZ
NEAR_S = 0.15
QUIETEST_DB = 12.0  # of the tone over the clip in its band: all of 420 were found from here on, at 10 dB 83 of 84, 8 dB 77, 6 dB 51
ARRAYS = ["bands_hz", "denoised", "excess", "map", "mean_normal", "residual", "times_s"]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """The built-in bundle."""
    return load_bundle(demo_bundle())


@pytest.fixture(scope="module")
def localiser(bundle: Bundle) -> Localiser:
    """A localiser on the built-in bundle."""
    return Localiser(bundle, OrtSession(bundle, ["generator"]).reconstruct)


def assert_only_region(found: Localisation, hz: float, start_s: float) -> None:
    """The first region has the tone's start and end, and a band at most two bands wider."""
    begin_s, end_s, lowest, highest = found.boxes[0]
    assert abs(begin_s - start_s) <= NEAR_S
    assert abs(end_s - start_s - TONE_S) <= NEAR_S
    assert found.bands_hz[lowest, 0] <= hz <= found.bands_hz[highest, 2]
    nearest = int(np.argmin(np.abs(found.bands_hz[:, 1] - hz)))
    assert nearest - 2 <= lowest <= highest <= nearest + 2


@pytest.mark.parametrize("over_db", [QUIETEST_DB, 20.0, 35.0])
@pytest.mark.parametrize("hz", [200.0, 700.0, 3000.0, 7000.0])
@pytest.mark.parametrize(("seed", "start_s"), [(300, 0.5), (301, 4.3), (302, 9.0)])
def test_the_residual_points_at_an_added_tone(
    bundle: Bundle, localiser: Localiser, seed: int, start_s: float, hz: float, over_db: float
) -> None:
    """An added tone is found at its time and band, in the words and in the residual."""
    found = localiser.localise(add_tone(bundle, Pump(seed).read(CLIP_SAMPLES), hz, start_s, over_db))

    assert_only_region(found, hz, start_s)
    words = re.fullmatch(
        r"(\d+\.\d) to (\d+\.\d) s, (\d+\.\d\d) to (\d+\.\d\d) kHz: louder than expected, \d+ times the usual deviation", found.words[0]
    )
    assert words is not None
    assert [float(number) for number in words.groups()[:2]] == pytest.approx(found.boxes[0][:2], abs=0.051)
    assert float(words[3]) - 0.006 <= hz / 1000 <= float(words[4]) + 0.006
    is_tone = (found.times_s > start_s + 0.05) & (found.times_s < start_s + TONE_S - 0.05)
    band = int(np.argmin(np.abs(found.bands_hz[:, 1] - hz)))
    assert found.residual[band, is_tone].mean() > 2 * found.residual[band, ~is_tone].mean()


@pytest.mark.parametrize("seed", range(310, 315))
def test_nothing_is_made_up(bundle: Bundle, localiser: Localiser, seed: int) -> None:
    """Normal sound, and a tone as strong as the clip in its band, give no region and say so."""
    clip = Pump(seed).read(CLIP_SAMPLES)
    for samples in (clip, add_tone(bundle, clip, 1500.0, 5.0, 0.0)):
        found = localiser.localise(samples)
        assert found.boxes == ()
        (line,) = found.words
        assert re.fullmatch(r"nothing stands out: the farthest place has \d\.\d times the usual deviation, 8 would stand out", line)


def test_a_fault_that_never_stops_is_found(localiser: Localiser) -> None:
    """A constant fault is louder at both resonances of the pump's bearing alone: as loud as before as a whole, it is quieter elsewhere."""
    words = localiser.localise(Pump(51, fault_from_s=-2.0).read(CLIP_SAMPLES)).words

    assert [line for line in words[2:] if "quieter than expected" not in line] == []
    for line, khz in zip(words[:2], (4.7, 2.9), strict=True):
        found = re.fullmatch(r"all the time, (\d\.\d\d) to (\d\.\d\d) kHz: louder than expected, \d+ times the usual deviation", line)
        assert found is not None
        assert float(found[1]) < khz < float(found[2])


def test_several_regions_are_told_apart(bundle: Bundle, localiser: Localiser) -> None:
    """Two tones and a lasting fault in a minute are separate regions, the strongest first."""
    minute = Pump(53, fault_from_s=44.0).read(6 * CLIP_SAMPLES)
    minute = add_tone(bundle, add_tone(bundle, minute, 1000.0, 20.0, 30.0), 2000.0, 8.0, 40.0)
    boxes = localiser.localise(minute).boxes

    assert [round(start_s, 1) for start_s, *_ in boxes[:2]] == [pytest.approx(8.0, abs=NEAR_S), pytest.approx(20.0, abs=NEAR_S)]
    assert boxes[2][0] == pytest.approx(44.5, abs=0.6)
    assert boxes[2][1] == 60.0


def test_what_is_missing_stands_out_too(localiser: Localiser) -> None:
    """A second without the pump is found as quieter than expected."""
    samples = Pump(54).read(CLIP_SAMPLES)
    samples[4 * RATE_HZ : 5 * RATE_HZ] *= 0.01
    found = localiser.localise(samples)

    assert found.boxes[0][0] == pytest.approx(4.0, abs=NEAR_S)
    assert found.boxes[0][1] == pytest.approx(5.0, abs=NEAR_S)
    assert "quieter than expected" in found.words[0]


def test_the_pictures_are_what_they_say(bundle: Bundle, localiser: Localiser) -> None:
    """All pictures share one grid: levels are mapped to [0, 1], map and residual are magnitudes of differences."""
    samples = Pump(55).read(CLIP_SAMPLES)
    found = localiser.localise(samples)
    record = bundle.record
    db = LogMel(record.features, bundle.reference.filterbank).transform_clip(samples).db
    x = record.scaling.apply(db)
    session = OrtSession(bundle, ["generator"])

    assert found.denoised == pytest.approx((denoise(x, record.clip, session.reconstruct) + 1) / 2, abs=1e-4)
    assert found.residual == pytest.approx(np.abs((x + 1) / 2 - found.denoised), abs=1e-4)
    normal = (record.scaling.apply(bundle.reference.mean_spectrogram) + 1) / 2
    assert found.map[:, :304] == pytest.approx(np.abs(found.denoised[:, :304] - normal), abs=1e-6)
    assert found.times_s == pytest.approx(np.arange(db.shape[1]) * 0.032)
    assert (found.bands_hz[0, 0], found.bands_hz[-1, 2]) == (0.0, pytest.approx(8000.0))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 80), st.integers(0, 2**32 - 1))
def test_denoised_is_the_mean_over_all_segments(width: int, hop: int, more: int, seed: int) -> None:
    """The denoised picture is the mean over all segments of any hop, in batches up to MAX_BATCH."""
    x = np.random.default_rng(seed).normal(size=(3, width + more)).astype(np.float32)
    hop = min(hop, width)
    clip = ClipParameters(segment_frames=width, segment_hop_frames=hop, clip_frames=width, decision_hop_frames=hop)

    def reconstruct(segments: FloatArray) -> FloatArray:
        assert len(segments) <= MAX_BATCH
        recon: FloatArray = segments * segments.mean(axis=(2, 3), keepdims=True) + np.arange(width, dtype=np.float32)
        return recon

    starts = {*range(0, more + 1, hop), more}
    for column, found in enumerate(denoise(x, clip, reconstruct).T):
        recons = [reconstruct(x[None, None, :, s : s + width])[0, 0, :, column - s] for s in starts if s <= column < s + width]
        assert found == pytest.approx(np.mean(recons, axis=0), rel=1e-4, abs=1e-4)


def test_the_mean_normal_picture_fits_any_length() -> None:
    """The mean normal picture is cut for shorter clips, and continued by its mean over time for longer ones."""
    mean = np.array([[1, 2, 6]], np.float32)
    assert extend(mean, 2).tolist() == [[1, 2]]
    assert extend(mean, 5).tolist() == [[1, 2, 6, 3, 3]]
    assert extend(mean, 7).tolist() == [[3] * 7]


def test_a_short_event_is_not_lost_in_a_picture_of_a_long_recording() -> None:
    """A column shows the difference farthest from 0 of its frames, and the mean of their levels."""
    picture = np.zeros((2, 2500), np.float32)
    picture[0, 1234], picture[1, 2499] = 3.0, -6.0
    pooled = pool(picture, by_mean=False)
    assert pooled.shape == (2, 834)
    assert pooled[:, [1234 // 3, -1]].tolist() == [[3.0, 0.0], [0.0, -6.0]]
    assert pool(picture, by_mean=True)[:, [1234 // 3, -1]].tolist() == [[1.0, 0.0], [0.0, -6.0]]


@pytest.mark.parametrize(
    ("features", "labels"),
    [
        (FeatureParameters(), ["8", "4", "2", "1", "0.5", "0.25"]),
        (FeatureParameters(band_scale="linear"), ["8", "7", "6", "5", "4", "3", "2", "1", "0"]),
        (FeatureParameters(sample_rate_hz=48_000, band_scale="linear", f_max_hz=24_000.0), ["20", "15", "10", "5", "0"]),
        (FeatureParameters(f_min_hz=200.0, f_max_hz=700.0), ["0.5", "0.25"]),
    ],
)
def test_the_frequency_axis_has_round_marks_where_the_bands_are(features: FeatureParameters, labels: list[str]) -> None:
    """Frequency marks are octaves for mel and equal steps for linear bands, at least 7 bands apart."""
    edges_hz = band_edges_hz(features)
    marks = band_marks(edges_hz, features.band_scale)
    assert [label for _, label in marks] == labels
    for place, label in marks:
        assert np.interp(place, np.arange(-1, features.n_bands + 1), edges_hz) == pytest.approx(1000 * float(label), abs=150)


def test_a_long_recording_shows_its_progress(bundle: Bundle, tmp_path: Path) -> None:
    """Progress rises to 100 %."""
    path = write_wav(tmp_path / "long.wav", Pump(52).read(6 * CLIP_SAMPLES))
    terminal, seconds = Terminal(), itertools.count()
    progress = Progress(terminal, lambda: next(seconds))
    localize(bundle, OrtSession(bundle, ["generator"]), path, tmp_path / "map.npz", lambda _: None, progress)
    parts = [int(share) for share in re.findall(r"(\d+) %", terminal.getvalue())]
    assert parts == sorted(parts)
    assert len(parts) > 3
    assert parts[-1] == 100
