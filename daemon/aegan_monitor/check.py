"""`aegan-monitor check`: proves, stage by stage, that this machine can monitor."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from aegan_monitor.bundle import Bundle, load_bundle
from aegan_monitor.config import AlarmConfig, InferenceConfig, MachineConfig, MonitorConfig, load_config
from aegan_monitor.connection import make_connection
from aegan_monitor.decision import make_threshold
from aegan_monitor.discovery import list_trials
from aegan_monitor.errors import AeganError, CaptureError
from aegan_monitor.golden import StageCheck, require_golden
from aegan_monitor.level import measure_level
from aegan_monitor.line import choose_score, make_capture, require_streamable
from aegan_monitor.logmel import FeatureParameters
from aegan_monitor.messages import Topics
from aegan_monitor.probe import BrokerProbe, Permission
from aegan_monitor.record import BundleFields
from aegan_monitor.session import OrtSession

Tell = Callable[[str], object]
LISTEN_S = 1.0
_T = TypeVar("_T")


def check_bundle(folder: Path, inference: InferenceConfig, tell: Tell) -> Bundle:
    """Load a bundle and replay its golden recording here.

    Raises:
        BundleError: It is damaged, or computes something else here.
        InferenceError: No runtime, or a required provider is not in use.
    """
    bundle = load_bundle(folder)
    record = bundle.record
    made = record.provenance
    trained = f"{made.n_epochs} epochs on {made.n_training_clips} clips"
    tell(f"{folder}: {record.machine_type}, {record.network.preset}, {trained}, its own score is {record.score}")
    session = OrtSession(bundle, providers=inference.providers, policy=inference.policy, n_threads=inference.n_threads)
    tell(f"provider: {session.provider} (asked for: {', '.join(session.requested)})")
    require_golden(bundle, session, lambda check: tell(_describe(check)))
    tell("golden check passed")
    return bundle


def _describe(check: StageCheck) -> str:
    return f"  {check.stage:<10} deviation {check.deviation:8.1e}  at most {check.tolerance:g}  {'ok' if check.passed else 'FAILED'}"


class _Verdicts:
    """Runs stages one after the other, whatever became of those before.

    Attributes:
        exit_code: Of the most serious failure; 0 without one.
    """

    def __init__(self, tell_failure: Callable[[AeganError], object]) -> None:
        self.exit_code = 0
        self._tell_failure = tell_failure

    def attempt(self, stage: Callable[[], _T]) -> _T | None:
        """What the stage gives; None where it failed, and that is told."""
        try:
            return stage()
        except AeganError as error:
            self._tell_failure(error)
            self.exit_code = max(self.exit_code, error.exit_code)
            return None


def check_configuration(path: Path, tell: Tell, tell_failure: Callable[[AeganError], object]) -> int:
    """Check a configuration, and then its bundles, its captures, and the way to its broker, all of them; the exit code.

    Raises:
        ConfigError: The configuration itself is wrong.
    """
    config = load_config(path)
    tell(f"{path}: configuration is right: node {config.node}, {len(config.machines)} machine(s)")
    verdicts = _Verdicts(tell_failure)
    for machine in config.machines:
        bundle = verdicts.attempt(partial(check_machine, machine, config.inference, tell))
        if bundle or machine.capture.kind == "mic":  # a microphone gives any rate; a recording must have the bundle's
            features = bundle.record.features if bundle else FeatureParameters()
            verdicts.attempt(partial(check_capture, machine, features.sample_rate_hz, tell))
    verdicts.attempt(partial(check_broker, config, tell))
    return verdicts.exit_code


def check_machine(machine: MachineConfig, inference: InferenceConfig, tell: Tell) -> Bundle:
    """Check a machine's bundle, and that it can do what the machine wants of it.

    Raises:
        ConfigError, BundleError, InferenceError: As the parts tell.
    """
    bundle = check_bundle(machine.bundle, inference, tell)
    require_streamable(bundle)
    tell(f"{machine.name}: {tell_threshold(bundle.record, choose_score(machine, bundle), machine.alarm)}")
    return bundle


def tell_threshold(fields: BundleFields, score: str, alarm: AlarmConfig) -> str:
    """What a machine alarms on, beside where normal sound lies: a threshold that nothing can reach, or anything, is seen."""
    threshold = make_threshold(fields, score, alarm.quantile, alarm.margin)
    normal = fields.calibration
    least, median, largest = np.interp([0, 0.5, 1], normal.probabilities, normal.quantiles[score])
    copies = f" and their {normal.n_copies} copies before other backgrounds" if normal.n_copies else ""
    return (
        f"alarm on {score} above {threshold.on:.4g}, cleared below {threshold.off:.4g}; "
        f"{normal.n_clips} normal clips{copies} gave {least:.4g} to {largest:.4g}, median {median:.4g}"
    )


def check_broker(config: MonitorConfig, tell: Tell) -> None:
    """Go the way to the broker, up to permission to publish and to hear commands.

    Raises:
        ConfigError: A secret or a certificate cannot be read.
        PublishError: A stage failed.
    """
    connection = make_connection(config.mqtt, config.node)
    topics = Topics(config.mqtt.base_topic, config.node)
    commands = (topics.name("command", "+"), topics.name("command", config.machines[0].name)) if config.mqtt.commands.enabled else None
    BrokerProbe(connection, config.mqtt.protocol, list_permissions(config), commands).run(tell)


def list_permissions(config: MonitorConfig) -> list[Permission]:
    """To publish below the node's name, and what Home Assistant is told."""
    topics = Topics(config.mqtt.base_topic, config.node)
    found = [Permission("permission to publish", {topics.of_node("check"): topics.of_node("#")})]
    if config.home_assistant.discovery:
        trials = list_trials(config.node, [machine.name for machine in config.machines], config.home_assistant.prefix)
        found.append(Permission("permission to publish discovery", trials, ", or set home_assistant.discovery: false"))
    return found


def check_capture(machine: MachineConfig, sample_rate_hz: int, tell: Tell) -> None:
    """Open the machine's capture and tell its level.

    Raises:
        CaptureError: It cannot be had, or gives digital silence or one value only.
    """
    if machine.capture.kind == "stdin":
        tell(f"{machine.name}: capture is standard input, which is not read here")
        return
    capture = make_capture(machine, sample_rate_hz)
    heard = [np.zeros(0, np.float32)]
    try:
        capture.open()
        while sum(map(len, heard)) < LISTEN_S * sample_rate_hz and (block := capture.read()) is not None:
            heard.append(block.samples)
    except CaptureError as error:
        raise CaptureError(f"{machine.name}: {error}") from error
    finally:
        capture.close()
    level = measure_level(np.concatenate(heard))
    if level.is_constant:
        raise CaptureError(f"{machine.name}: {capture.describe()}: expected sound, found {level}")
    tell(f"{machine.name}: hears {capture.describe()}, level {level.rms_dbfs:.1f} dBFS, peak {level.peak_dbfs:.1f} dBFS")
