"""What the rest of the daemon gives to the page. Any thread may call these."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from aegan_monitor.config.model import MonitorConfig
from aegan_monitor.detection.bundle import Bundle
from aegan_monitor.messages.command_payloads import Command
from aegan_monitor.messages.payloads import Health


@dataclass(frozen=True, slots=True)
class Sources:
    """What the page shows, and where its commands go.

    Attributes:
        config: As it was at the start.
        read_health: The health message of this moment.
        read_metrics: The text for Prometheus.
        find_bundles: The bundle of each machine that is monitored now, by the machine's name.
        describe_proof: Lines of the commissioning report of a machine; none without a budget of false alarms.
        submit: Queues a command for a machine; why it is refused at once, else empty: then a result is published.
        history: File of the history; None if there is none.
        evidence: Folder of the evidence; None if there is none.
        demo_faults: In the demo: whether the fault of each machine is switched on, which the page changes. None: this is no demo.
    """

    config: MonitorConfig
    read_health: Callable[[], Health]
    read_metrics: Callable[[], bytes]
    find_bundles: Callable[[], Mapping[str, Bundle]]
    describe_proof: Callable[[str], list[str]]
    submit: Callable[[str, Command], str]
    history: Path | None = None
    evidence: Path | None = None
    demo_faults: dict[str, bool] | None = None
