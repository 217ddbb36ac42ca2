"""Level of samples by AES17, without DC."""

import numpy as np
import pytest

from aegan_monitor.audio.level import draw_bar, measure_level


def test_a_full_scale_sine_is_0_dbfs() -> None:
    """RMS and peak of a full-scale sine are 0 dBFS."""
    level = measure_level(np.sin(2 * np.pi * np.arange(16_000) / 16).astype(np.float32))
    assert level.rms_dbfs == pytest.approx(0.0, abs=0.01)
    assert level.peak_dbfs == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize(("dc", "warning"), [(0.0, ""), (0.03, "DC offset 0.03"), (-0.2, "DC offset -0.20")])
def test_dc_is_no_sound(dc: float, warning: str) -> None:
    """An offset does not change the level of noise, and a large offset is named."""
    noise = 1e-3 * np.random.default_rng(0).normal(size=16_000)
    level = measure_level((noise + dc).astype(np.float32))
    assert level.rms_dbfs == pytest.approx(-57.0, abs=0.2)
    assert level.warning == warning
    assert warning in str(level)


def test_the_bar_ends_at_its_ends() -> None:
    """The bar is empty at -60 dBFS and below, and full at 0."""
    assert [draw_bar(level).count("#") for level in (-150.0, -60.0, -30.0, 0.0)] == [0, 0, 10, 20]
