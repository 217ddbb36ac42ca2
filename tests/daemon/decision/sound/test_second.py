"""What is measured of one second."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.decision.sound.second import _find_longest_repeat, _has_repeat, measure_second

RATE_HZ = 16_000
SINE = np.sin(2 * np.pi * 20 * np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)


def test_clipped_sound_is_no_drop_out() -> None:
    """A low tone that clips repeats its largest value for 16 ms, which is counted as clipped."""
    found = measure_second(np.clip(3 * SINE, -1, 1), RATE_HZ)
    assert not found.has_drop_out
    assert found.n_clipped > RATE_HZ // 2


@pytest.mark.parametrize(("length_s", "amplitude", "expected"), [(0.007, 0.5, False), (0.009, 0.5, True), (0.009, 0.0005, False)])
def test_a_drop_out_is_long_and_inside_sound(length_s: float, amplitude: float, expected: bool) -> None:
    """From 8 ms on repeated samples are a drop-out, but not in sound that 16 bits barely hold."""
    samples = amplitude * SINE
    samples[5100 : 5100 + round(length_s * RATE_HZ)] = samples[5100]
    assert measure_second(samples, RATE_HZ).has_drop_out == expected


@given(n=st.integers(2, 9), seed=st.integers(0, 2**32 - 1), n_values=st.integers(2, 5))
def test_a_repeat_is_found_as_by_the_plain_search(n: int, seed: int, n_values: int) -> None:
    """The look at every n - 1st pair leaves out no stretch of n equal samples."""
    rng = np.random.default_rng(seed)
    samples = np.repeat(rng.integers(0, n_values, 30), rng.integers(1, 6, 30)).astype(np.float32)

    assert _has_repeat(samples, n) == (_find_longest_repeat(samples) >= n)


def test_one_value_is_constant_and_its_mean_is_the_dc_offset() -> None:
    """A second of one value has no drop-out inside sound."""
    found = measure_second(np.full(RATE_HZ, 0.25, np.float32), RATE_HZ)
    assert (found.constant, found.dc, found.has_drop_out) == (0.25, 0.25, False)
