"""A configuration with every key, and helpers that load one."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from aegan_monitor.config.model import (
    MonitorConfig,
    load_config,
)
from aegan_monitor.errors import ConfigError

Data = dict[str, Any]
MACHINE = {"name": "pump", "bundle": "b"}
OWNED = "the bundle sets this feature parameter, so that it is the same as in training; remove the key"
FULL: Data = {
    "node": "cellar",
    "mqtt": {
        "host": "broker",
        "port": 8883,
        "protocol": "3.1.1",
        "base_topic": "plant/hall-1",
        "client_id": "c",
        "username": "u",
        "keepalive_s": 9,
        "retry_s": 5,
        "websocket_path": "/mqtt",
        "tls": {"ca_file": "/ca.pem", "certificate_file": "/c.pem", "key_file": "/k.pem", "verify": True},
    },
    "outbox": {"path": "/o.sqlite", "max_mb": 1, "max_age_h": 2},
    "inference": {"providers": ["cuda", "cpu"], "precision": "fp32", "policy": "require", "n_threads": 2},
    "metrics": {"host": "::1", "port": 9877},
    "log_level": "debug",
    "health_interval_s": 5,
    "machines": [
        {
            "name": "pump",
            "bundle": "bundles/pump",
            "capture": {"kind": "mic", "device": "USB", "channel": 1},
            "score": "D_maha",
            "alarm": {"quantile": 0.9, "margin": 1, "on_delay_s": 0, "off_delay_s": 2.5},
            "operating_state": {"grace_s": 30, "standstill_alarm_s": 600},
            "no_data_s": 1,
            "retry_s": 2,
        },
        {"name": "fan", "bundle": "/b", "capture": {"kind": "file", "paths": ["a.wav"], "pace": "fast", "loop": True}},
        {"name": "gear", "bundle": "/b", "capture": {"kind": "stdin", "sample_format": "f32le"}},
    ],
}


def settle(folder: Path, data: Data | str) -> MonitorConfig:
    """The configuration that `load_config` makes of `data`."""
    path = folder / "m.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data), encoding="utf-8")
    return load_config(path)


def problems(folder: Path, data: Data | str) -> list[str]:
    """The messages of `load_config` about `data`, one line each, without the folder."""
    with pytest.raises(ConfigError) as caught:
        settle(folder, data)
    return str(caught.value).replace(f"{folder}/", "").split("\n")


def make_config(*machines: str, **more: Any) -> MonitorConfig:
    """The configuration of the node `hall` with these machines."""
    return MonitorConfig.model_validate({"node": "hall", "machines": [{"name": name, "bundle": "b"} for name in machines]} | more)
