"""The runtime objects of a configuration. A reload reuses those that have not changed."""

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aegan_monitor.audio.source import Capture
from aegan_monitor.config.capture import MicCaptureConfig
from aegan_monitor.config.model import InferenceConfig, MachineConfig, MonitorConfig
from aegan_monitor.config.validation import Settings
from aegan_monitor.decision.budget import Budget, share_budget
from aegan_monitor.detection.bundle import demo_bundle, load_bundle
from aegan_monitor.errors import BundleAccessError, BundleError, ConfigError, InferenceError
from aegan_monitor.mqtt.endpoint import Endpoint, make_endpoint
from aegan_monitor.outbox.store import find_path
from aegan_monitor.service.inference import Sessions
from aegan_monitor.service.runtime import Line, make_line

log = logging.getLogger(__name__)

RELOADABLE = frozenset(
    {"mqtt", "home_assistant", "inference", "log_level", "health_interval_s", "common_cause_s", "false_alarms", "machines"}
)
MOST_ATTEMPTS = 3  # to read a bundle in whose place others come
NEEDS_RESTART = frozenset({"mqtt.base_topic", "mqtt.keepalive_s"})  # in every topic; in how long the outbox keeps an event


@dataclass(frozen=True, slots=True)
class Setup:
    """The runtime objects of one configuration; constructing it starts nothing."""

    config: MonitorConfig
    connection: Endpoint
    sessions: Sessions
    lines: list[Line]
    budgets: dict[str, Budget]

    def has_broker_of(self, other: "Setup") -> bool:
        """Whether both use the same broker in the same way, so that the connection can stay."""
        mine, others = self.config, other.config
        return self.connection == other.connection and (mine.mqtt, mine.home_assistant) == (others.mqtt, others.home_assistant)

    def describe_changes(self, before: "Setup") -> str:
        """The changes to machines and broker since `before`, for example `pump runs on, fan replaced, yard removed`."""
        names = {line.machine.name for line in self.lines}
        known = {line.machine.name for line in before.lines}
        changes = [
            f"{line.machine.name} {'runs on' if line in before.lines else 'replaced' if line.machine.name in known else 'added'}"
            for line in self.lines
        ]
        changes += [f"{line.machine.name} removed" for line in before.lines if line.machine.name not in names]
        return ", ".join([*changes, *([] if self.has_broker_of(before) else ["another connection to the broker"])])


def build(
    config: MonitorConfig,
    capture: Callable[[MachineConfig, int], Capture],
    before: Setup | None = None,
    make_sessions: Callable[[InferenceConfig, Path], Sessions] = Sessions,
) -> Setup:
    """Load and prove every bundle, and build every line.

    A line of `before` is kept, running, if neither its configuration nor the content of its bundle has changed, its capture has not
    ended with an error, and its inference works.

    Raises:
        ConfigError, BundleError, InferenceError: As the parts raise; or a change since `before` needs a restart.
    """
    if before and (fixed := list(find_fixed(before.config, config))):
        raise ConfigError("\n".join(fixed))
    connection = make_endpoint(config.mqtt, config.node)
    if connection.warning:
        log.warning(connection.warning)
    keeps_sessions = before is not None and before.config.inference == config.inference and before.sessions.are_current()
    state = find_path(config.outbox.path, config.node, os.environ).parent
    sessions = before.sessions if before and keeps_sessions else make_sessions(config.inference, state)
    known = {line.machine.name: line for line in before.lines} if before and keeps_sessions else {}
    budgets = share(config)

    def find_line(machine: MachineConfig) -> Line:
        return _find_unchanged(machine, known) or _make(machine, sessions, capture, budgets[machine.name])

    lines = [_settle(machine.bundle, partial(find_line, machine)) for machine in config.machines]
    return Setup(config, connection, sessions, lines, budgets)


def _settle(folder: Path, make: Callable[[], Line]) -> Line:
    """The line that `make` makes of one bundle: it is made again if another folder takes the place meanwhile (`aegan-monitor bundle`).

    Raises:
        BundleError, InferenceError: As `make` raises; or the folder is exchanged again and again.
    """
    for _ in range(MOST_ATTEMPTS):
        before = _identify(folder)
        try:
            line = make()
        except (BundleError, InferenceError):
            if _identify(folder) == before:
                raise
        else:
            if _identify(folder) == before:
                return line
    raise BundleAccessError(f"{folder}: another bundle took its place {MOST_ATTEMPTS} times while it was read; try again")


def _identify(folder: Path) -> tuple[int, int] | None:
    """Device and number of a folder; None if there is none."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def share(config: MonitorConfig) -> dict[str, Budget]:
    """The budget of false alarms of each machine."""
    own = {each.name: each.alarm.false_alarms for each in config.machines}
    return share_budget(config.false_alarms.per_week, {name: each.per_week if each else None for name, each in own.items()})


def find_fixed(old: MonitorConfig, new: MonitorConfig) -> Iterator[str]:
    """One line for each key that has changed and needs a restart."""
    for key, was, wanted in _compare(old, new):
        if key in NEEDS_RESTART or key.split(".")[0] not in RELOADABLE:
            yield f"{key}: is {was} and cannot become {wanted} by a reload; restart the daemon, or change it back"


def _compare(old: Settings, new: Settings, prefix: str = "") -> Iterator[tuple[str, object, object]]:
    """The keys that differ, with the old and the new value."""
    for key in type(old).model_fields:
        was, wanted = getattr(old, key), getattr(new, key)
        if isinstance(was, Settings) and isinstance(wanted, Settings):
            yield from _compare(was, wanted, f"{prefix}{key}.")
        elif was != wanted:
            yield f"{prefix}{key}", was, wanted


def _find_unchanged(machine: MachineConfig, known: dict[str, Line]) -> Line | None:
    line = known.get(machine.name)
    if line is None or line.config != machine or line.supervisor.error or line.retry.error:  # a failed machine is built again
        return None
    is_same = load_bundle(machine.bundle).record.record_sha256 == line.bundle.record.record_sha256
    return line if is_same else None


def _make(machine: MachineConfig, sessions: Sessions, capture: Callable[[MachineConfig, int], Capture], budget: Budget) -> Line:
    line = make_line(machine, sessions, capture, budget)
    if isinstance(machine.capture, MicCaptureConfig) and machine.bundle.resolve() == demo_bundle().resolve():
        log.warning("%s: its bundle is the demo's, which knows a synthesised pump alone: its alarms mean nothing here", machine.name)
    return line
