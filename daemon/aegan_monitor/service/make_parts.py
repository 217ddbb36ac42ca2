"""Makes the parts that the configuration wants beside monitoring itself."""

from aegan_monitor.config.model import MonitorConfig
from aegan_monitor.history.history import History
from aegan_monitor.history.store import HistoryStore, find_path
from aegan_monitor.service.parts import Part


def make_parts(config: MonitorConfig) -> list[Part]:
    """One of each; nothing starts, and no file is opened."""
    parts: list[Part] = []
    if config.history.keep_days:
        path = find_path(config.history.path, config.outbox.path, config.node)
        parts.append(History(HistoryStore(path, config.history.keep_days)))
    return parts
