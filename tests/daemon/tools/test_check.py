"""The lines that `aegan-monitor check` prints about a bundle; tests/integration/test_check.py runs the command."""

import pytest

from aegan_monitor.config.model import InferenceConfig
from aegan_monitor.detection.bundle import demo_bundle
from aegan_monitor.detection.golden import TOLERANCES
from aegan_monitor.tools.check import check_bundle


@pytest.mark.parametrize("verbose", [False, True])
def test_four_lines_say_what_matters(verbose: bool) -> None:
    """Four lines: bundle, provider, golden check and threshold; with --verbose also every stage."""
    lines: list[str] = []
    check_bundle(demo_bundle(), InferenceConfig(), lines.append, verbose=verbose)
    stages = [line.split()[0] for line in lines if " deviation " in line]
    assert stages == (list(TOLERANCES) if verbose else [])
    matter = [line for line in lines if " deviation " not in line]
    assert len(matter) == 4
    for line, words in zip(matter, ("its own score is D_maha", "provider: cpu", "golden check passed", "alarm above"), strict=True):
        assert words in line
