"""aegan-monitor: listens to machines and says over MQTT when one sounds wrong."""

import argparse
import faulthandler
import logging
import math
import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial

from aegan_monitor.arguments import make_parser
from aegan_monitor.errors import UsageError
from aegan_monitor.program import run_command, tell_error


def run_run(arguments: argparse.Namespace) -> int:
    """`aegan-monitor run`."""
    from aegan_monitor.config.model import load_config  # noqa: PLC0415 - each command loads only what it needs
    from aegan_monitor.logs import make_handler  # noqa: PLC0415
    from aegan_monitor.service.monitor import Monitor  # noqa: PLC0415

    config = load_config(arguments.config)
    logging.basicConfig(level=config.log_level.upper(), handlers=[make_handler(sys.stderr, os.environ)])
    faulthandler.enable()  # where each thread was, in the log, when it crashes or systemd's watchdog ends it
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # too early: what it would read is being read
    monitor = Monitor(config, read_again=lambda: load_config(arguments.config))
    stop_on_signals(monitor.stop)
    signal.signal(signal.SIGHUP, lambda *_: monitor.reload())
    monitor.run()
    return 0


def run_reload(arguments: argparse.Namespace) -> int:
    """`aegan-monitor reload`."""
    from aegan_monitor.service.reload_answer import find_answer_path, request_reload, send_hangup  # noqa: PLC0415

    path = find_answer_path(os.environ.get("RUNTIME_DIRECTORY"))
    if path is None:
        send_hangup(arguments.pid)
        print(f"aegan-monitor: asked process {arguments.pid} to reload; its log tells whether it did: 'reloaded' or 'reload failed'")
    else:
        request_reload(arguments.pid, path)
    return 0


def run_replay(arguments: argparse.Namespace) -> int:
    """`aegan-monitor replay`."""
    from aegan_monitor.config.model import AlarmConfig, InferenceConfig, find_machine, load_config  # noqa: PLC0415
    from aegan_monitor.detection.bundle import load_bundle  # noqa: PLC0415
    from aegan_monitor.detection.golden import require_golden  # noqa: PLC0415
    from aegan_monitor.detection.network import OrtSession  # noqa: PLC0415
    from aegan_monitor.service.runtime import choose_score  # noqa: PLC0415
    from aegan_monitor.tools.replay import Replay, open_lines  # noqa: PLC0415

    if arguments.config:
        config = load_config(arguments.config)
        machine, inference = find_machine("replay", arguments.config, config.machines, arguments.machine), config.inference
        bundle = load_bundle(machine.bundle)
        score, alarm = choose_score(machine, bundle), machine.alarm
        print(f"{arguments.config}: machine {machine.name}, bundle {machine.bundle}, score {score}", flush=True)
    elif arguments.machine is not None:
        raise UsageError("replay: --machine names one of a configuration; leave it out, or name --config instead of --bundle")
    else:
        bundle, inference = load_bundle(arguments.bundle), InferenceConfig()
        score, alarm = bundle.record.score, AlarmConfig()
    session = OrtSession(bundle, providers=inference.providers, policy=inference.policy, n_threads=inference.n_threads)
    require_golden(bundle, session)
    replay = Replay(bundle, session, score, alarm)
    with open_lines(arguments.jsonl) as record:
        action = replay.clips if arguments.clips else replay.stream
        action(arguments.files, print, record)
    return 0


def run_localize(arguments: argparse.Namespace) -> int:
    """`aegan-monitor localize`."""
    from aegan_monitor.detection.bundle import load_bundle  # noqa: PLC0415
    from aegan_monitor.detection.golden import require_golden  # noqa: PLC0415
    from aegan_monitor.detection.network import OrtSession  # noqa: PLC0415
    from aegan_monitor.tools.localize.localize import localize  # noqa: PLC0415

    bundle = load_bundle(arguments.bundle)
    session = OrtSession(bundle)
    require_golden(bundle, session)
    shows = sys.stderr.isatty()
    show = partial(print, end="\r", file=sys.stderr, flush=True) if shows else lambda _: None
    localize(bundle, session, arguments.clip, arguments.out, print, show)
    return 0


def run_check(arguments: argparse.Namespace) -> int:
    """`aegan-monitor check`."""
    from aegan_monitor.config.model import InferenceConfig  # noqa: PLC0415
    from aegan_monitor.tools.check import check_bundle, check_configuration  # noqa: PLC0415

    if (arguments.config is None) == (arguments.bundle is None):
        make_parser().error("check takes either --config FILE or BUNDLE")
    if arguments.config:
        return check_configuration(
            arguments.config, partial(print, flush=True), partial(tell_error, "aegan-monitor"), verbose=arguments.verbose
        )
    check_bundle(arguments.bundle, InferenceConfig(), print, verbose=arguments.verbose)
    return 0


def run_devices(arguments: argparse.Namespace) -> int:
    """`aegan-monitor devices`."""
    from aegan_monitor.audio.microphone import list_devices  # noqa: PLC0415
    from aegan_monitor.tools.devices import Meter, choose_devices, describe_device  # noqa: PLC0415

    found = choose_devices(list_devices(), arguments.device)
    for device in found:
        print(describe_device(device), flush=True)
    if arguments.meter or arguments.seconds < math.inf:
        redraws = sys.stdout.isatty()
        logging.getLogger("aegan_monitor").setLevel(logging.CRITICAL)  # what a listener logs stands in its device's line
        meter = Meter(found, arguments.channels, lambda line: print(line, flush=True), redraws=redraws, interval_s=0.2 if redraws else 1.0)
        stop_on_signals(meter.stop)
        meter.run(arguments.seconds)
    return 0


def run_record(arguments: argparse.Namespace) -> int:
    """`aegan-monitor record`."""
    from aegan_monitor.logs import PLAIN_FORMAT, make_handler  # noqa: PLC0415
    from aegan_monitor.tools.record.command import RecordRequest, make_recorder  # noqa: PLC0415

    given = {name: getattr(arguments, name) for name in RecordRequest.__dataclass_fields__}
    shows, handler = sys.stdout.isatty(), make_handler(sys.stderr, os.environ)
    if shows and sys.stderr.isatty():
        handler.setFormatter(logging.Formatter(f"\r\x1b[K{PLAIN_FORMAT}"))  # over the line that shows the level now
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    recorder = make_recorder(RecordRequest(**given), shows=shows)
    stop_on_signals(recorder.stop)
    return recorder.run()


def stop_on_signals(stop: Callable[[], object]) -> None:
    """Ctrl-C and SIGTERM call `stop`.

    It sets a plain attribute that is looked at now and again: a second signal may come within the first one's handler, and the lock of
    a `threading.Event` would then wait for itself.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())


def run_demo(arguments: argparse.Namespace) -> int:
    """`aegan-monitor demo`."""
    from aegan_monitor.demo.show import run_show  # noqa: PLC0415

    return run_show(arguments.seed, arguments.speed)


ACTIONS = {
    "run": run_run,
    "reload": run_reload,
    "replay": run_replay,
    "localize": run_localize,
    "check": run_check,
    "devices": run_devices,
    "record": run_record,
    "demo": run_demo,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    arguments = make_parser().parse_args(argv)
    return run_command("aegan-monitor", lambda: ACTIONS[arguments.command](arguments))


if __name__ == "__main__":
    sys.exit(main())
