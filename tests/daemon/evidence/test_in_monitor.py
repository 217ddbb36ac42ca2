"""Evidence as a part of the monitor: by the configuration, and in health."""

from pathlib import Path

import pytest

from aegan_monitor.clock import now
from aegan_monitor.config.model import load_config
from aegan_monitor.evidence.writer import EvidenceWriter
from aegan_monitor.service.monitor import Monitor
from broker import find_free_port, wait_until
from monitoring import HoldingCapture, make_their_parts, running, write_config


@pytest.mark.parametrize(("key", "is_made"), [("keep_days: 1", True), ("max_mb: 0", False)])
def test_a_quota_of_nothing_is_no_evidence(key: str, is_made: bool, tmp_path: Path) -> None:
    """There is no such part, so nothing is copied and nothing is written."""
    path = write_config(tmp_path, find_free_port(), "pump")
    path.write_text(f"evidence: {{{key}}}\n{path.read_text()}")
    assert any(isinstance(part, EvidenceWriter) for part in make_their_parts(path)) == is_made


def test_a_folder_that_cannot_be_made_is_said_in_health(tmp_path: Path) -> None:
    """The monitor runs as before."""
    path = write_config(tmp_path, find_free_port(), "pump")
    path.write_text(f"evidence: {{path: {path}/evidence}}\n{path.read_text()}")
    monitor = Monitor(load_config(path), capture=lambda _, rate_hz: HoldingCapture(rate_hz))
    with running(monitor):
        wait_until(lambda: monitor._health.read(now()).health.evidence_problem, "the problem")
        problem = monitor._health.read(now()).health.evidence_problem
    assert problem == f"{path}/evidence: Not a directory; alarms have no new sound and pictures until that is mended"
