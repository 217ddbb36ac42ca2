"""`aegan-monitor check`: prove, stage by stage, that this computer can monitor."""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from aegan_monitor import __version__
from aegan_monitor.alarm.judge import Judge
from aegan_monitor.audio.level import measure_level
from aegan_monitor.audio.recording import find_rate_hz
from aegan_monitor.clock import now
from aegan_monitor.config.alarm import AlarmConfig
from aegan_monitor.config.evidence import EvidenceConfig
from aegan_monitor.config.model import InferenceConfig, MachineConfig, MonitorConfig, load_config
from aegan_monitor.detection.bundle import Bundle, load_bundle, require_streamable
from aegan_monitor.detection.features import FeatureParameters
from aegan_monitor.detection.golden import StageCheck, require_golden
from aegan_monitor.detection.network import GRAPHS
from aegan_monitor.errors import AeganError, CaptureError
from aegan_monitor.evidence.case_writer import MOST_PUBLISHED_BYTES
from aegan_monitor.files import show_path
from aegan_monitor.homeassistant.discovery import discover, list_trials
from aegan_monitor.inference.choice import open_wanted
from aegan_monitor.inference.open import open_session
from aegan_monitor.inference.prepared import Prepared
from aegan_monitor.inference.providers import STRICT
from aegan_monitor.messages.topics import Topics
from aegan_monitor.mqtt.endpoint import add_secrets, locate
from aegan_monitor.service.build import share
from aegan_monitor.service.runtime import choose_score, make_capture
from aegan_monitor.tools.broker_probe import BrokerProbe
from aegan_monitor.tools.broker_visit import Permission
from aegan_monitor.tools.commissioning import Section, make_section, write_page
from aegan_monitor.tools.daemon_state import read_prepared

Report = Callable[[str], object]
LISTEN_S = 1.0
NODE_BYTES, MACHINE_BYTES = 2100, 800  # at most: the JSON of any payload, and what each machine adds to the health of the node
_T = TypeVar("_T")


def check_bundle(
    folder: Path, inference: InferenceConfig, prepared: Prepared, report: Report, *, verbose: bool = False, reports: Path | None = None
) -> None:
    """Load a bundle, replay its golden recording here, and print what it alarms on; `reports` takes the commissioning report as files.

    Raises:
        BundleError, InferenceError: As the parts raise.
        AeganError: A report cannot be written.
    """
    bundle = _open_bundle(folder, report)
    _prove_bundle(bundle, inference, report, verbose=verbose)
    record = bundle.record
    _prove_session(bundle, inference, prepared, record.score, report)
    sections = [make_section(place, Judge(record, record.score, AlarmConfig(place=place)).policy) for place in record.calibration]
    for line in (line for section in sections for line in section.lines):
        report(line)
    for line in write_page(reports, f"bundle {show_path(folder)}, {_describe_now()}", sections) if reports else []:
        report(line)


def _open_bundle(folder: Path, report: Report) -> Bundle:
    """Load a bundle and print what it is."""
    bundle = load_bundle(folder)
    record = bundle.record
    made = record.provenance
    trained = f"{made.n_epochs} epochs on {made.n_training_clips} clips"
    report(f"{folder}: {record.machine_type}, {record.network.preset}, {trained}, its own score is {record.score}")
    return bundle


def _prove_bundle(bundle: Bundle, inference: InferenceConfig, report: Report, *, verbose: bool = False) -> None:
    """Replay its golden recording here, through every graph, in strict fp32; `verbose` prints every stage."""
    session = open_session(bundle, GRAPHS, STRICT, n_threads=inference.n_threads)
    checks = require_golden(bundle, session, report=lambda check: report(_describe(check)) if verbose else None)
    worst = max(checks, key=lambda check: check.deviation / check.tolerance)
    report(f"golden check passed (nearest to its bound: {worst.stage}, {worst.deviation:.1e} of {worst.tolerance:g})")


def _prove_session(bundle: Bundle, inference: InferenceConfig, prepared: Prepared, score: str, report: Report) -> None:
    """Open the session that `run` opens, and print what it runs on, and what `aegan-monitor prepare` has found for that."""
    session = open_wanted(bundle, inference, prepared, score, report)
    report(f"provider: {session.provider}, precision: {session.precision} (requested: {', '.join(session.requested)})")
    for found in prepared.find(bundle, score, inference.n_threads):
        if found.choice == (session.provider, session.precision):
            gate = found.gate.describe() if found.gate else "the golden check alone decides"
            report(f"prepared: {found.segments_per_s:.0f} segments/s; {gate}")


def _describe(check: StageCheck) -> str:
    return f"  {check.stage:<10} deviation {check.deviation:8.1e}  at most {check.tolerance:g}  {'ok' if check.passed else 'FAILED'}"


class _Verdicts:
    """Runs stages one after the other and collects their failures.

    Attributes:
        exit_code: Of the most serious failure; 0 without one.
    """

    def __init__(self, report_failure: Callable[[AeganError], object]) -> None:
        self.exit_code = 0
        self._report_failure = report_failure

    def attempt(self, stage: Callable[[], _T]) -> _T | None:
        """The result of the stage; None if it failed, after reporting why."""
        try:
            return stage()
        except AeganError as error:
            self._report_failure(error)
            self.exit_code = max(self.exit_code, error.exit_code)
            return None


def check_configuration(
    path: Path, report: Report, report_failure: Callable[[AeganError], object], *, verbose: bool = False, reports: Path | None = None
) -> int:
    """Check a configuration, all its bundles and captures, and the connection to its broker; returns the exit code.

    `reports` is the folder that takes the commissioning report of all machines as files.

    Raises:
        ConfigError: The configuration itself is wrong.
    """
    config = load_config(path)
    report(f"{path}: configuration is valid: node {config.node}, {len(config.machines)} machine(s)")
    verdicts = _Verdicts(report_failure)
    bundles: dict[str, Bundle | None] = {}
    budgets, prepared, proved = share(config), read_prepared(config, os.environ), set[tuple[str, str]]()
    sections: list[Section] = []
    for machine in config.machines:
        folder = os.path.realpath(machine.bundle)  # unlike Path.resolve it is content with a link to itself
        if folder not in bundles:
            bundles[folder] = bundle = verdicts.attempt(partial(_open_bundle, machine.bundle, report))
            if bundle:
                verdicts.attempt(partial(_prove_bundle, bundle, config.inference, report, verbose=verbose))
                verdicts.attempt(partial(require_streamable, bundle))
        section = make_section(machine.name, None)
        if bundle := bundles[folder]:
            score = verdicts.attempt(partial(choose_score, machine, bundle))
            if (key := (folder, score or bundle.record.score)) not in proved:  # machines with one bundle and score share a session
                proved.add(key)
                verdicts.attempt(partial(_prove_session, bundle, config.inference, prepared, key[1], report))
            if score:
                judge = Judge(bundle.record, score, machine.alarm, budgets[machine.name])
                section = _check_score(machine, judge, config.evidence, report)
        sections.append(section)
        verdicts.attempt(partial(_check_capture, machine, bundle, report))
    if reports:
        title = f"node {config.node}, {show_path(path)}, {_describe_now()}"
        for line in verdicts.attempt(partial(write_page, reports, title, sections)) or []:
            report(line)
    _check_broker(config, verdicts, report)
    return verdicts.exit_code


def _check_score(machine: MachineConfig, judge: Judge, evidence: EvidenceConfig, report: Report) -> Section:
    """Print what raises the alarm of a machine, how far its budget of false alarms is proved, and what is kept of an alarm."""
    section = make_section(machine.name, judge.policy, [evidence.describe()])
    for line in section.lines:
        report(f"{machine.name}: {line}")
    return section


def _describe_now() -> str:
    return f"{now():%Y-%m-%d %H:%M} UTC, aegan-monitor {__version__}"


def _check_broker(config: MonitorConfig, verdicts: _Verdicts, report: Report) -> None:
    """Check the broker up to the permissions to publish and to receive commands; without secrets or certificates as far as possible."""
    located = locate(config.mqtt, config.node)
    complete = verdicts.attempt(partial(add_secrets, located, config.mqtt))
    has_certificates = bool(verdicts.attempt(lambda: located.make_tls_context() or True))
    connection = complete or located
    topics = Topics(config.mqtt.base_topic, config.node)
    commands = (topics.name("command", "+"), topics.name("command", config.machines[0].name)) if config.mqtt.commands.enabled else None
    probe = BrokerProbe(
        connection if has_certificates else replace(connection, tls=None, password=None),
        config.mqtt.protocol,
        _list_permissions(config),
        commands,
        largest_bytes=_estimate_largest_bytes(config),
    )
    verdicts.attempt(lambda: probe.run(report, logs_in=has_certificates and complete is not None))


def _list_permissions(config: MonitorConfig) -> list[Permission]:
    """The permissions to publish below the node's name, and discovery for Home Assistant."""
    topics = Topics(config.mqtt.base_topic, config.node)
    found = [Permission("permission to publish", {topics.of_node("check"): topics.of_node("#")})]
    if config.home_assistant.discovery:
        trials = list_trials(config.node, [machine.name for machine in config.machines], config.home_assistant.prefix)
        found.append(Permission("permission to publish discovery", trials, ", or set home_assistant.discovery: false"))
    return found


def _estimate_largest_bytes(config: MonitorConfig) -> int:
    """Topic and payload of the largest message that the daemon sends, in bytes: health, an entity for discovery, or a picture."""
    topics, machines = Topics(config.mqtt.base_topic, config.node), [machine.name for machine in config.machines]
    health = len(topics.name("health")) + NODE_BYTES + sum(MACHINE_BYTES + len(machine) for machine in machines)
    picture = MOST_PUBLISHED_BYTES + max(len(topics.name("picture", machine)) for machine in machines)
    sizes = [health, *(len(message.topic) + len(message.payload) for message in discover(config, topics))]
    return max(sizes + [picture] * config.evidence.mqtt_picture)


def _check_capture(machine: MachineConfig, bundle: Bundle | None, report: Report) -> None:
    """Open the machine's capture and print its level; without a bundle a recording may have any rate."""
    if machine.capture.kind == "stdin":
        report(f"{machine.name}: capture is standard input, which is not read here")
        return
    rate_of_recording_hz = find_rate_hz(machine.capture.paths[0]) if machine.capture.kind == "file" and not bundle else None
    features = bundle.record.features if bundle else FeatureParameters()
    sample_rate_hz = rate_of_recording_hz or features.sample_rate_hz
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
    report(
        f"{machine.name}: hears {capture.describe()}, level {level.rms_dbfs:.1f} dBFS, peak {level.peak_dbfs:.1f} dBFS"
        + (f", {level.warning}: no sound, check the microphone" if level.warning else "")
    )
