"""`aegan-monitor bundle install` and `rollback`: another bundle for the machines that share a folder, while the daemon runs."""

import argparse
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

from aegan_monitor.alarm.judge import Judge
from aegan_monitor.config.model import MachineConfig, MonitorConfig, find_machine, load_config
from aegan_monitor.detection.bundle import Bundle, demo_bundle
from aegan_monitor.errors import AeganError, ConfigError
from aegan_monitor.files import show_path
from aegan_monitor.outbox.store import find_path
from aegan_monitor.service.build import share
from aegan_monitor.service.inference import Sessions
from aegan_monitor.service.reload_answer import find_answer_path, request_reload
from aegan_monitor.service.runtime import choose_score
from aegan_monitor.tools.bundles.place import find_previous, put_bundle, take_back
from aegan_monitor.tools.bundles.running import find_daemon
from aegan_monitor.tools.daemon_state import find_state

Report = Callable[[str], object]


def change_bundle(arguments: argparse.Namespace, report: Report, environment: Mapping[str, str]) -> int:
    """Install a bundle, or take the previous one back; then reload the daemon, if one runs. Returns the exit code.

    Raises:
        BundleError, InferenceError, ConfigError: The bundle is damaged, fails the golden check, or does not fit a machine.
        AeganError: It cannot be put in place, or the daemon refuses the reload.
    """
    command = f"bundle {arguments.action}"
    config = load_config(arguments.config)
    machine = find_machine(command, arguments.config, config.machines, arguments.machine)
    target = machine.bundle.resolve()
    if target == demo_bundle().resolve():
        raise ConfigError(
            f"machine {machine.name}: bundle: is the demo's; set a folder of its own, as /etc/aegan-monitor/bundles/{machine.name}"
        )
    users = [each for each in config.machines if each.bundle.resolve() == target]
    outbox = find_path(config.outbox.path, config.node, find_state(config, environment))

    def prove(folder: Path) -> Bundle:
        return _prove(folder, config, users, outbox.parent)

    bundle = put_bundle(arguments.file, target, prove) if arguments.action == "install" else take_back(target, prove)
    record, previous = bundle.record, find_previous(target)
    date = f" of {record.created:%Y-%m-%d}" if record.created else ""
    names = ", ".join(each.name for each in users)
    report(f"{names}: golden check passed; bundle {record.record_sha256[:8]}{date} is in place in {show_path(target)}")
    if previous.exists():
        report(f"the previous one is kept in {show_path(previous)}; aegan-monitor bundle rollback exchanges the two")
    _reload(outbox, report)
    return 0


def _prove(folder: Path, config: MonitorConfig, users: list[MachineConfig], state: Path) -> Bundle:
    """Load the bundle and open it as the daemon does for each of its machines, with the golden check on this computer."""
    sessions, budgets = Sessions(config.inference, state), share(config)
    bundle = sessions.load_bundle(folder)
    for machine in users:
        score = choose_score(machine, bundle)
        sessions.open(bundle, score)
        Judge(bundle.record, score, machine.alarm, budgets[machine.name], bundle.reference)
    return bundle


def _reload(outbox: Path, report: Report) -> None:
    """Make the daemon that runs read its bundles again."""
    try:
        daemon = find_daemon(outbox)
    except OSError as error:
        raise AeganError(
            f"{show_path(error.filename or outbox)}: {error.strerror}, so no daemon can be found; reload it: systemctl reload aegan-monitor"
        ) from error
    if daemon is None:
        report("no daemon runs with this configuration; it loads the bundle when it starts")
        return
    if answer := find_answer_path(daemon.runtime_directory):
        request_reload(daemon.pid, answer)
        report("the daemon has reloaded")
        return
    os.kill(daemon.pid, signal.SIGHUP)
    report(f"the daemon (process {daemon.pid}) reloads; its log says whether it uses the bundle")
