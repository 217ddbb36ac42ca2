"""Makes the parts that the configuration wants beside monitoring itself."""

import os
from collections.abc import Callable, Sequence

from aegan_monitor.config.model import MonitorConfig
from aegan_monitor.detection.bundle import Bundle
from aegan_monitor.evidence.folder import WritableFolder, find_path
from aegan_monitor.evidence.writer import EvidenceWriter
from aegan_monitor.outbox.store import find_path as find_outbox_path
from aegan_monitor.service.parts import Part
from aegan_monitor.service.runtime import Line


def make_parts(config: MonitorConfig, list_lines: Callable[[], Sequence[Line]]) -> list[Part]:
    """One of each; nothing starts, and no file is opened. `list_lines` gives the lines that run now."""
    parts: list[Part] = []
    if config.evidence.max_mb:
        parts.append(_make_evidence(config, list_lines))
    return parts


def _make_evidence(config: MonitorConfig, list_lines: Callable[[], Sequence[Line]]) -> EvidenceWriter:
    path = find_path(config.evidence.path, find_outbox_path(config.outbox.path, config.node, os.environ), config.node)
    return EvidenceWriter(WritableFolder(path), config.evidence, lambda name: _find_bundle(name, list_lines()))


def _find_bundle(machine: str, lines: Sequence[Line]) -> Bundle | None:
    return next((line.bundle for line in lines if line.machine.name == machine), None)
