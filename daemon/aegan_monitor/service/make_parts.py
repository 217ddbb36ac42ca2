"""Makes the parts that the configuration wants beside monitoring itself."""

from collections.abc import Callable, Sequence

from aegan_monitor.config.model import MonitorConfig
from aegan_monitor.detection.bundle import Bundle
from aegan_monitor.evidence.folder import WritableFolder
from aegan_monitor.evidence.folder import find_path as find_evidence_path
from aegan_monitor.evidence.writer import EvidenceWriter
from aegan_monitor.history.history import History
from aegan_monitor.history.store import HistoryStore
from aegan_monitor.history.store import find_path as find_history_path
from aegan_monitor.service.parts import Part
from aegan_monitor.service.runtime import Line


def make_parts(config: MonitorConfig, list_lines: Callable[[], Sequence[Line]]) -> list[Part]:
    """One of each; nothing starts, and no file is opened. `list_lines` gives the lines that run now."""
    parts: list[Part] = []
    if config.history.keep_days:
        path = find_history_path(config.history.path, config.outbox.path, config.node)
        parts.append(History(HistoryStore(path, config.history.keep_days)))
    if config.evidence.max_mb:
        path = find_evidence_path(config.evidence.path, config.outbox.path, config.node)
        parts.append(EvidenceWriter(WritableFolder(path), config.evidence, lambda machine: _find_bundle(machine, list_lines())))
    return parts


def _find_bundle(machine: str, lines: Sequence[Line]) -> Bundle | None:
    """The bundle of a machine, None for one that has left the configuration."""
    return next((line.bundle for line in lines if line.machine.name == machine), None)
