"""Where the daemon of a configuration keeps its state on this computer: outbox, history and evidence."""

from collections.abc import Mapping
from pathlib import Path

from aegan_monitor.config.model import MonitorConfig
from aegan_monitor.inference.prepared import Prepared
from aegan_monitor.outbox.store import find_path

SERVICES = Path("/var/lib")  # where systemd keeps the states of services


def find_state(config: MonitorConfig, environment: Mapping[str, str], services: Path = SERVICES) -> Mapping[str, str]:
    """The environment of the daemon whose state this is: one that this user has started, or a service.

    Where both have left an outbox of this node, it is the one that was written last: a trial at a terminal is no service.
    """
    own = find_path(config.outbox.path, config.node, environment)
    places = {own: environment} | {
        path: {**environment, "STATE_DIRECTORY": str(path.parent)} for path in sorted(services.glob(f"aegan-monitor*/{own.name}"))
    }
    return places[max(filter(Path.exists, places), key=_find_last_write_s, default=own)]


def read_prepared(config: MonitorConfig | None, environment: Mapping[str, str]) -> Prepared:
    """What `aegan-monitor prepare` has found for the daemon of a configuration, or for a bundle alone."""
    if config is None:
        return Prepared(find_path(None, "", environment).parent)
    return Prepared(find_path(config.outbox.path, config.node, find_state(config, environment)).parent)


def _find_last_write_s(path: Path) -> float:
    """When a database was written last; new rows are in its log first."""
    log = path.with_name(f"{path.name}-wal")
    return max(each.stat().st_mtime for each in (path, log) if each.exists())
