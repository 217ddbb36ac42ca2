"""The true rate: a few tens of ppm in spite of jitter, a wrong one and lost samples soon."""

import numpy as np
import pytest

from aegan_monitor.audio.device.rate_check import RateMeter
from aegan_monitor.audio.microphone import LONGEST_PROVEN_RATE_S
from aegan_monitor.errors import CaptureError

RATE_HZ = 48_000
CHUNK_S = 0.05


def feed(meter: RateMeter, true_rate_hz: float, seconds: float, *, jitter_s: float = 0.0, start_s: float = 0.0, n_before: int = 0) -> float:
    """Chunks of a twentieth of a second, each late by up to `jitter_s`; the seconds that were told as lost."""
    random = np.random.default_rng(0)
    lost_s = 0.0
    for index in range(1, round(seconds / CHUNK_S) + 1):
        n_chunk = round(CHUNK_S * RATE_HZ)
        due_s = index * n_chunk / true_rate_hz
        late_s = jitter_s * random.exponential() if random.random() < 0.9 else 5 * jitter_s * random.random()
        lost_s += meter.add(n_before + index * n_chunk, start_s + due_s + late_s)
    return lost_s


@pytest.mark.parametrize("ppm", [-180.0, 0.0, 35.0])
def test_the_deviation_is_right_to_tens_of_ppm(ppm: float) -> None:
    """After two minutes it is known, to 30 ppm with 20 ms of jitter; after ten to 5."""
    meter = RateMeter("mic", RATE_HZ)
    true_rate_hz = RATE_HZ * (1 + ppm / 1e6)
    feed(meter, true_rate_hz, 110, jitter_s=0.02)
    assert meter.deviation_ppm is None
    for seconds, tolerance in ((130, 30), (700, 5)):
        meter = RateMeter("mic", RATE_HZ)
        assert feed(meter, true_rate_hz, seconds, jitter_s=0.02) == 0
        assert meter.deviation_ppm == pytest.approx(ppm, abs=tolerance)


@pytest.mark.parametrize(("true_rate_hz", "within_s"), [(96_000, 2.6), (24_000, 2.6), (44_100, 8.5), (49_500, 25.0)])
def test_a_wrong_rate_is_refused(true_rate_hz: int, within_s: float) -> None:
    """Another clock altogether within seconds, three per cent within half a minute, with both figures."""
    meter = RateMeter("mic", RATE_HZ)
    with pytest.raises(
        CaptureError, match=r"mic: expected 48000 samples a second, found \d+; check the device's driver and settings"
    ) as caught:
        feed(meter, true_rate_hz, within_s * true_rate_hz / RATE_HZ, jitter_s=0.01)
    assert caught.value.fault == "wrong_rate"


@pytest.mark.parametrize("ppm", [-10_000, 10_000])
def test_a_bad_clock_is_no_wrong_rate(ppm: int) -> None:
    """One per cent is far more than any quartz is off, and it is only published."""
    meter = RateMeter("mic", RATE_HZ)
    assert feed(meter, RATE_HZ * (1 + ppm / 1e6), 300, jitter_s=0.02) == 0
    assert meter.deviation_ppm == pytest.approx(ppm, abs=30)


def test_samples_lost_in_silence_are_noticed() -> None:
    """A second that never comes is told once, and is no wrong rate."""
    meter = RateMeter("mic", RATE_HZ)
    assert feed(meter, RATE_HZ, 130) == 0
    assert feed(meter, RATE_HZ, 10, start_s=131, n_before=130 * RATE_HZ) == pytest.approx(1.0, abs=0.1)


def test_samples_lost_on_a_fast_device_are_no_wrong_rate() -> None:
    """It is many seconds early by then, and that is no jump."""
    meter, true_rate_hz = RateMeter("mic", RATE_HZ), RATE_HZ * 1.01
    feed(meter, true_rate_hz, 600 / 1.01)
    assert feed(meter, true_rate_hz, 10, start_s=600 / 1.01 / 1.01 + 1, n_before=round(600 / 1.01) * RATE_HZ) > 0.5


def test_a_busy_moment_is_no_loss() -> None:
    """Everything comes after a second in which nobody had time."""
    meter = RateMeter("mic", RATE_HZ)
    feed(meter, RATE_HZ, 60)
    assert meter.add(61 * RATE_HZ, 61.0) == 0
    assert feed(meter, RATE_HZ, 30, start_s=61, n_before=61 * RATE_HZ) == 0


def test_a_device_without_a_clock_is_refused_at_once() -> None:
    """It gives as many samples as are taken; so few of them come that they make no score."""
    meter = RateMeter("mic", RATE_HZ)
    meter.add(RATE_HZ, 100.0)
    meter.add(2 * RATE_HZ, 100.01)
    with pytest.raises(CaptureError, match="mic: expected 48000 samples a second, found ") as caught:
        meter.add(4 * RATE_HZ, 100.02)
    assert caught.value.fault == "wrong_rate"


@pytest.mark.parametrize("behind", [0.05, 0.2, 0.3])
@pytest.mark.parametrize("seconds", [1.5, 3.0, 5.0])
def test_a_busy_start_is_no_wrong_rate(behind: float, seconds: float) -> None:
    """For the first seconds the reader falls behind ever more, then catches up."""
    meter = RateMeter("mic", RATE_HZ)
    for index in range(1, 400):
        due_s = index * CHUNK_S
        meter.add(round(due_s * RATE_HZ), due_s * (1 + behind) if due_s <= seconds else due_s)


@pytest.mark.parametrize("loss_s", [0.1, 0.3, 0.45])
def test_small_losses_are_noticed(loss_s: float) -> None:
    """Each of four in ten minutes, and the rate is as right as without."""
    meter, n_found = RateMeter("mic", RATE_HZ), 0
    for index in range(1, 12_001):
        n_found += meter.add(round(index * CHUNK_S * RATE_HZ), index * CHUNK_S + loss_s * (index // 2900)) > 0
    assert n_found == 4
    assert meter.deviation_ppm == pytest.approx(0, abs=5)


@pytest.mark.parametrize("jitter_s", [0.0, 0.0002, 0.02])
@pytest.mark.parametrize("ppm", [-50.0, 0.0, 50.0])
def test_the_longest_proof_can_be_given(ppm: float, jitter_s: float) -> None:
    """A device that has lost its trust again and again is believed at last: the meter looks back that far."""
    meter = RateMeter("mic", RATE_HZ)
    feed(meter, RATE_HZ * (1 + ppm / 1e6), 65, jitter_s=jitter_s)
    assert meter.measured_s >= LONGEST_PROVEN_RATE_S
