"""The measured sample rate: exact to tens of ppm with jitter, quick for a wrong rate, unaffected by losses."""

import numpy as np
import pytest

from aegan_monitor.audio.device.rate_check import STEP_S, RateMeter
from aegan_monitor.audio.microphone import LONGEST_RATE_HOLD_OFF_S
from aegan_monitor.errors import CaptureError

RATE_HZ = 48_000
CHUNK_S = 0.05


def feed(meter: RateMeter, true_rate_hz: float, seconds: float, *, jitter_s: float = 0.0, start_s: float = 0.0, n_before: int = 0) -> None:
    """Chunks of 50 ms, each late by up to `jitter_s`."""
    random = np.random.default_rng(0)
    for index in range(1, round(seconds / CHUNK_S) + 1):
        n_chunk = round(CHUNK_S * RATE_HZ)
        due_s = index * n_chunk / true_rate_hz
        late_s = jitter_s * random.exponential() if random.random() < 0.9 else 5 * jitter_s * random.random()
        meter.add(n_before + index * n_chunk, start_s + due_s + late_s)


@pytest.mark.parametrize("ppm", [-180.0, 0.0, 35.0])
def test_the_deviation_is_right_to_tens_of_ppm(ppm: float) -> None:
    """With 20 ms of jitter the deviation is known to 30 ppm after two minutes, to 5 ppm after ten."""
    meter = RateMeter("mic", RATE_HZ)
    true_rate_hz = RATE_HZ * (1 + ppm / 1e6)
    feed(meter, true_rate_hz, 110, jitter_s=0.02)
    assert meter.deviation_ppm is None
    for seconds, tolerance in ((130, 30), (700, 5)):
        meter = RateMeter("mic", RATE_HZ)
        feed(meter, true_rate_hz, seconds, jitter_s=0.02)
        assert meter.deviation_ppm == pytest.approx(ppm, abs=tolerance)


@pytest.mark.parametrize(("true_rate_hz", "within_s"), [(96_000, 2.6), (24_000, 2.6), (44_100, 8.5), (49_500, 25.0)])
def test_a_wrong_rate_is_refused(true_rate_hz: int, within_s: float) -> None:
    """A very wrong rate is refused within seconds, one of three per cent within half a minute, with both figures."""
    meter = RateMeter("mic", RATE_HZ)
    with pytest.raises(
        CaptureError, match=r"mic: expected 48000 samples a second, found \d+; check the device's driver and settings"
    ) as caught:
        feed(meter, true_rate_hz, within_s * true_rate_hz / RATE_HZ, jitter_s=0.01)
    assert caught.value.fault == "wrong_rate"


@pytest.mark.parametrize("ppm", [-10_000, 10_000])
def test_a_bad_clock_is_no_wrong_rate(ppm: int) -> None:
    """A deviation of one per cent is published, not refused."""
    meter = RateMeter("mic", RATE_HZ)
    feed(meter, RATE_HZ * (1 + ppm / 1e6), 300, jitter_s=0.02)
    assert meter.deviation_ppm == pytest.approx(ppm, abs=30)


@pytest.mark.parametrize("loss_s", [0.1, 0.3, 1.0])
@pytest.mark.parametrize("ppm", [-10_000.0, 0.0, 10_000.0])
def test_lost_samples_are_no_wrong_rate(loss_s: float, ppm: float) -> None:
    """Lost samples, reported or not, keep the earlier deviation until ten steady minutes have passed."""
    for reported in (True, False):
        meter, true_rate_hz = RateMeter("mic", RATE_HZ), RATE_HZ * (1 + ppm / 1e6)
        feed(meter, true_rate_hz, 200)
        known_ppm, n_before = meter.deviation_ppm, 200 * 20 * round(CHUNK_S * RATE_HZ)
        lost_at_s = n_before / true_rate_hz + loss_s
        if reported:
            meter.restart()
        feed(meter, true_rate_hz, 10, start_s=lost_at_s, n_before=n_before)
        assert meter.deviation_ppm == pytest.approx(known_ppm, abs=2 if reported or loss_s > STEP_S else 500)
        feed(meter, true_rate_hz, 610, start_s=lost_at_s + 10, n_before=n_before + 10 * RATE_HZ)
        assert meter.deviation_ppm == pytest.approx(ppm, rel=0.02, abs=2)


def test_a_restart_forgets_the_proof_of_the_rate() -> None:
    """After a loss the measurement starts again."""
    meter = RateMeter("mic", RATE_HZ)
    feed(meter, RATE_HZ, 20)
    assert meter.measured_s > 18
    meter.restart()
    assert meter.measured_s == 0


def test_a_device_without_a_clock_is_refused_at_once() -> None:
    """A device that delivers at any speed is refused before it has given a score."""
    meter = RateMeter("mic", RATE_HZ)
    meter.add(RATE_HZ, 100.0)
    meter.add(2 * RATE_HZ, 100.01)
    with pytest.raises(CaptureError, match="mic: expected 48000 samples a second, found ") as caught:
        meter.add(4 * RATE_HZ, 100.02)
    assert caught.value.fault == "wrong_rate"


@pytest.mark.parametrize("behind", [0.05, 0.2, 0.3])
@pytest.mark.parametrize("seconds", [1.5, 3.0, 5.0])
def test_a_busy_start_is_no_wrong_rate(behind: float, seconds: float) -> None:
    """A reader that falls behind in the first seconds and catches up causes no fault."""
    meter = RateMeter("mic", RATE_HZ)
    for index in range(1, 400):
        due_s = index * CHUNK_S
        meter.add(round(due_s * RATE_HZ), due_s * (1 + behind) if due_s <= seconds else due_s)


@pytest.mark.parametrize("jitter_s", [0.0, 0.0002, 0.02])
@pytest.mark.parametrize("ppm", [-50.0, 0.0, 50.0])
def test_the_longest_hold_off_ends(ppm: float, jitter_s: float) -> None:
    """The measurement covers the longest hold-off, so the hold-off can end."""
    meter = RateMeter("mic", RATE_HZ)
    feed(meter, RATE_HZ * (1 + ppm / 1e6), 65, jitter_s=jitter_s)
    assert meter.measured_s >= LONGEST_RATE_HOLD_OFF_S
