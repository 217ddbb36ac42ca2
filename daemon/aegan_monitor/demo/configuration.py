"""The configuration of the demonstration, as `monitor.yaml` would have it."""

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from aegan_monitor.config.model import MonitorConfig
from aegan_monitor.detection.bundle import demo_bundle

SAMPLE_RATE_HZ = 16_000  # of the demo's bundle


def make_config(names: Iterable[str], mqtt_port: int, page_port: int | None, folder: Path, *, pace: str) -> MonitorConfig:
    """Machines that listen to `<name>.flac` in `folder`, which also takes outbox, history and evidence."""
    return MonitorConfig.model_validate(
        {
            "node": "demo",
            "mqtt": {"host": "127.0.0.1", "port": mqtt_port, "protocol": "3.1.1"},
            "outbox": {"path": folder / "outbox.sqlite"},
            "web": {"port": page_port},
            "machines": [
                {
                    "name": name,
                    "bundle": demo_bundle(),
                    "capture": {"kind": "file", "paths": [folder / f"{name}.flac"], "pace": pace},
                }
                for name in names
            ],
        }
    )


def explain_lack_of_page() -> str:
    """Why there is no page, in one line; empty if there is one."""
    lacking = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
    return f"no page: {' and '.join(lacking)} not installed; pip install {' '.join(lacking)}" if lacking else ""
