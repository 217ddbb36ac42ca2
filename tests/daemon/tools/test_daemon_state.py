"""The state of a daemon is found: that of a service, or what a user has started at a terminal."""

import os
from pathlib import Path

from aegan_monitor.config.model import load_config
from aegan_monitor.detection.bundle import demo_bundle
from aegan_monitor.tools.daemon_state import find_state


def test_the_state_that_was_written_last_is_found(tmp_path: Path) -> None:
    """Without $STATE_DIRECTORY, as in a terminal. An old trial of this user does not hide the service; new rows are in the log."""
    (tmp_path / "monitor.yaml").write_text(f"node: box\nmachines: [{{name: pump, bundle: {demo_bundle()}}}]\n")
    config, home = load_config(tmp_path / "monitor.yaml"), {"XDG_STATE_HOME": str(tmp_path / "home")}
    own, of_service = tmp_path / "home" / "aegan-monitor" / "outbox-box.sqlite", tmp_path / "aegan-monitor-2" / "outbox-box.sqlite"
    service = {**home, "STATE_DIRECTORY": str(of_service.parent)}
    assert find_state(config, home, tmp_path) == home
    for path, written_s, expected in ((of_service, 100, service), (own, 50, service), (Path(f"{own}-wal"), 200, home)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (written_s, written_s))
        assert find_state(config, home, tmp_path) == expected
