"""Dead channels: constant samples are withheld, and the quietest real microphone is not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.audio.device.dead_channel import StuckSignalDetector
from aegan_monitor.types import FloatArray

RATE_HZ = 1000
LSB = 1 / 32768


def values(*parts: tuple[float, int]) -> FloatArray:
    """Samples of each value, with their count."""
    return np.concatenate([np.full(n, value, np.float32) for value, n in parts])


def push_all(watch: StuckSignalDetector, samples: FloatArray, n_block: int) -> FloatArray:
    """The samples that are passed on, when `samples` arrive in blocks."""
    blocks = [samples[start : start + n_block] for start in range(0, len(samples), n_block)]
    return np.concatenate([np.zeros(0, np.float32), *(part for block in blocks for part in watch.push(block))])


@given(st.integers(1, 700))
def test_a_short_rest_is_sound(n_block: int) -> None:
    """A short run of zeros is passed on later and unchanged, for any split into blocks."""
    sound = np.arange(1, 301, dtype=np.float32)
    samples = np.concatenate([np.zeros(100, np.float32), sound, np.zeros(700, np.float32), sound])
    watch = StuckSignalDetector(RATE_HZ)
    np.testing.assert_array_equal(push_all(watch, samples, n_block), samples[100:])
    assert watch.stuck_s == 0


@given(st.integers(1, 100), st.sampled_from([0.0, 0.25, -1.0]))
def test_what_does_not_move_never_goes_on(n_block: int, value: float) -> None:
    """Constant samples are not passed on before, during or after sound."""
    sound = np.arange(1, 301, dtype=np.float32)
    watch = StuckSignalDetector(RATE_HZ)
    before = push_all(watch, values((value, 500)), n_block)
    assert len(before) == 0
    heard = push_all(watch, np.concatenate([sound, values((value, 3000))]), n_block)
    np.testing.assert_array_equal(heard, [*sound, value])  # nobody knows yet of the first one that it stays
    assert watch.stuck_s > 2.8


def test_the_last_bit_is_life() -> None:
    """One change of the last of 16 bits in 0.9 s is enough to count as alive."""
    samples = values((0.0, 900), (LSB, 900), (0.0, 900), (-LSB, 900))
    watch = StuckSignalDetector(RATE_HZ)
    worst_s = 0.0
    for start in range(0, len(samples), 50):
        watch.push(samples[start : start + 50])
        worst_s = max(worst_s, watch.stuck_s)
    assert worst_s < 1.0


@pytest.mark.parametrize(
    ("value", "state", "message"),
    [
        (0.0, "silent", "mic: expected sound, found only zeros for 1 s; unmute it, or choose another channel"),
        (0.25, "constant", "mic: expected sound, found only the value 0.25 for 1 s; check its cable"),
    ],
)
def test_the_fault_has_a_name(value: float, state: str, message: str) -> None:
    """Zeros and any other constant value are different faults."""
    watch = StuckSignalDetector(RATE_HZ)
    watch.push(values((value, 1000)))
    error = watch.error("mic")
    assert (error.fault, str(error)) == (state, message)
