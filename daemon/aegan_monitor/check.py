"""`aegan-monitor check`: proves, stage by stage, that this machine can monitor."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from aegan_monitor.bundle import Bundle, load_bundle
from aegan_monitor.config import InferenceConfig, MachineConfig, load_config
from aegan_monitor.connection import make_connection
from aegan_monitor.errors import BundleError, CaptureError
from aegan_monitor.golden import check_golden
from aegan_monitor.line import choose_score, make_capture, require_streamable
from aegan_monitor.messages import Topics
from aegan_monitor.probe import BrokerProbe
from aegan_monitor.session import OrtSession

Tell = Callable[[str], object]
LISTEN_S = 1.0


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
    tell(f"{folder}: {record.machine_type}, {record.network.preset}, {trained}, score {record.score}")
    session = OrtSession(bundle, providers=inference.providers, policy=inference.policy, n_threads=inference.n_threads)
    tell(f"provider: {session.provider} (asked for: {', '.join(session.requested)})")
    checks = check_golden(bundle, session)
    for check in checks:
        tell(f"  {check.stage:<10} deviation {check.deviation:8.1e}  at most {check.tolerance:g}  {'ok' if check.passed else 'FAILED'}")
    failed = [check.stage for check in checks if not check.passed]
    if failed:
        raise BundleError(
            f"{folder}: golden check failed at {', '.join(failed)}; this provider computes something else than the machine that "
            "made the bundle: try inference.providers: [cpu], or export again"
        )
    tell("golden check passed")
    return bundle


def check_configuration(path: Path, tell: Tell) -> None:
    """Check a configuration, its bundles, its captures, and the way to its broker.

    Raises:
        ConfigError, BundleError, InferenceError, CaptureError, PublishError: The first thing that does not hold.
    """
    config = load_config(path)
    connection = make_connection(config.mqtt, config.node)
    tell(f"{path}: configuration is right: node {config.node}, {len(config.machines)} machine(s)")
    for machine in config.machines:
        bundle = check_bundle(machine.bundle, config.inference, tell)
        require_streamable(bundle)
        choose_score(machine, bundle)
        check_capture(machine, bundle.record.features.sample_rate_hz, tell)
    topics = Topics(config.mqtt.base_topic, config.node)
    commands = (topics.name("command", "+"), topics.name("command", config.machines[0].name)) if config.mqtt.commands.enabled else None
    BrokerProbe(connection, config.mqtt.protocol, topics.of_node("check"), commands).run(tell)


def check_capture(machine: MachineConfig, sample_rate_hz: int, tell: Tell) -> None:
    """Open the machine's capture and tell its level.

    Raises:
        CaptureError: It cannot be had, or gives digital silence or one value only.
    """
    if machine.capture.kind == "stdin":
        tell(f"{machine.name}: capture is standard input, which is not read here")
        return
    capture = make_capture(machine, sample_rate_hz)
    heard = np.zeros(0, np.float32)
    capture.open()
    try:
        while len(heard) < LISTEN_S * sample_rate_hz and (block := capture.read()) is not None:
            heard = np.concatenate([heard, block.samples])
    finally:
        capture.close()
    peak = float(np.abs(heard).max(initial=0.0))
    if peak == 0.0:
        raise CaptureError(f"{machine.name}: {capture.describe()}: expected sound, found only zeros; record it again")
    rms = float(np.sqrt(np.mean(heard.astype(np.float64) ** 2)))
    tell(f"{machine.name}: hears {capture.describe()}, level {20 * np.log10(rms):.1f} dBFS, peak {20 * np.log10(peak):.1f} dBFS")
