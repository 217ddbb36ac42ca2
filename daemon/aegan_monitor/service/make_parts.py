"""Makes the parts that the configuration wants beside monitoring itself."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from aegan_monitor.clock import now
from aegan_monitor.config.model import MonitorConfig
from aegan_monitor.detection.bundle import Bundle
from aegan_monitor.evidence.folder import EvidenceFolder, WritableFolder
from aegan_monitor.evidence.folder import find_path as find_evidence
from aegan_monitor.evidence.lost_history import list_cases
from aegan_monitor.evidence.writer import EvidenceWriter
from aegan_monitor.history.history import History
from aegan_monitor.history.store import HistoryStore
from aegan_monitor.history.store import find_path as find_history
from aegan_monitor.messages.topics import Message, Topics
from aegan_monitor.service.command_queue import CommandQueue
from aegan_monitor.service.health import Snapshot
from aegan_monitor.service.metrics import MetricsServer, write_metrics
from aegan_monitor.service.parts import Part
from aegan_monitor.service.runtime import Line


def make_parts(
    config: MonitorConfig,
    read_health: Callable[[datetime], Snapshot],
    commands: CommandQueue,
    list_lines: Callable[[], Sequence[Line]],
    publish: Callable[[Message], object],
    demo_faults: dict[str, bool] | None = None,
) -> list[Part]:
    """One of each, in the order in which they start; nothing starts, and no store is opened.

    Args:
        config: The configuration.
        read_health: All figures of a moment.
        commands: Takes commands from other sources than MQTT.
        list_lines: The lines that run now.
        publish: Puts a message into the outbox.
        demo_faults: In the demo: whether the fault of each machine is switched on, which the page changes.

    Raises:
        ConfigError: A file that the configuration names cannot be used.
    """
    history = find_history(config.history.path, config.outbox.path, config.node) if config.history.keep_days else None
    evidence = find_evidence(config.evidence.path, config.outbox.path, config.node) if config.evidence.max_mb else None
    topics = Topics(config.mqtt.base_topic, config.node)
    parts: list[Part] = []

    def find_bundles() -> dict[str, Bundle]:
        return {line.machine.name: line.bundle for line in list_lines()}

    def publish_picture(machine: str, content: bytes) -> None:
        if machine in find_bundles():  # one that is removed has left the broker, too
            publish(topics.picture(machine, content))

    if history is not None:
        list_known = partial(list_cases, EvidenceFolder(evidence)) if evidence else tuple
        parts.append(History(HistoryStore(history, config.history.keep_days), list_cases=list_known))
    if evidence is not None:
        publishes = publish_picture if config.evidence.mqtt_picture else None
        parts.append(EvidenceWriter(WritableFolder(evidence), config.evidence, lambda name: find_bundles().get(name), publishes))
    if config.metrics.port is not None:
        parts.append(MetricsServer(config.metrics.host, config.metrics.port, read_health))
    if config.web.port is not None:  # a daemon without the page does not load what serves it
        from aegan_monitor.web.server import WebServer  # noqa: PLC0415
        from aegan_monitor.web.sources import Sources  # noqa: PLC0415

        sources = Sources(
            config=config,
            read_health=lambda: read_health(now()).health,
            read_metrics=lambda: write_metrics(read_health),
            find_bundles=find_bundles,
            describe_proof=lambda name: next((line.describe_proof() for line in list_lines() if line.machine.name == name), []),
            submit=commands.submit,
            history=history,
            evidence=evidence,
            demo_faults=demo_faults,
        )
        parts.append(WebServer(sources))
    return parts
