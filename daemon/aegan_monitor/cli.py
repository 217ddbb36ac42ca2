"""Entry point of aegan-monitor: one function a command. Each imports only what its command needs."""

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
from aegan_monitor.program import print_problem, run_command
from aegan_monitor.terminal_arguments import COMMANDS


def _run(arguments: argparse.Namespace) -> int:
    from aegan_monitor.config.model import load_config  # noqa: PLC0415 - each command loads only what it needs
    from aegan_monitor.logs import make_handler  # noqa: PLC0415
    from aegan_monitor.service.console import Console  # noqa: PLC0415
    from aegan_monitor.service.monitor import Monitor  # noqa: PLC0415

    config = load_config(arguments.config)
    handler = make_handler(sys.stderr, os.environ)
    logging.basicConfig(level=config.log_level.upper(), handlers=[handler])
    console = Console(sys.stderr) if sys.stderr.isatty() else None
    if console:
        console.guard(handler)
    faulthandler.enable()  # logs each thread's stack when the process crashes or systemd's watchdog ends it
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a reload now would read what is being read anyway
    monitor = Monitor(config, read_again=lambda: load_config(arguments.config), console=console)
    stop_on_signals(monitor.stop)
    signal.signal(signal.SIGHUP, lambda *_: monitor.reload())
    monitor.run()
    return 0


def _reload(arguments: argparse.Namespace) -> int:
    from aegan_monitor.service.reload_answer import find_answer_path, request_reload  # noqa: PLC0415

    request_reload(arguments.pid, find_answer_path(os.environ.get("RUNTIME_DIRECTORY")))
    return 0


def _config(arguments: argparse.Namespace) -> int:
    from aegan_monitor.tools.terminal.configuration import SETTINGS, read_template, write_configuration  # noqa: PLC0415

    if arguments.action is None:
        print(read_template(), end="")
    else:
        given = {option: str(value) for option in SETTINGS if (value := getattr(arguments, option)) is not None}
        ask = input if sys.stdin.isatty() and sys.stdout.isatty() else None
        write_configuration(arguments.file, given, ask, print)
    return 0


def _terminal(arguments: argparse.Namespace) -> int:
    from aegan_monitor.tools.terminal.run import run_at_terminal  # noqa: PLC0415

    warn = partial(print_problem, "aegan-monitor")
    return run_at_terminal(arguments, partial(print, flush=True), warn, stop_on_signals)


def _completion(arguments: argparse.Namespace) -> int:
    from aegan_monitor.tools.terminal.completion import make_completion  # noqa: PLC0415

    print(make_completion(make_parser(), arguments.shell), end="")
    return 0


def _replay(arguments: argparse.Namespace) -> int:
    from aegan_monitor.tools.progress import Progress  # noqa: PLC0415
    from aegan_monitor.tools.replay import replay_recordings  # noqa: PLC0415

    report, warn = partial(print, flush=True), partial(print_problem, "aegan-monitor")
    return replay_recordings(arguments, report, warn, Progress(sys.stderr), os.environ)


def _backtest(arguments: argparse.Namespace) -> int:
    from aegan_monitor.tools.backtest.backtest import backtest_configuration  # noqa: PLC0415
    from aegan_monitor.tools.backtest.plant import backtest_plant  # noqa: PLC0415
    from aegan_monitor.tools.progress import Progress  # noqa: PLC0415

    warn = partial(print_problem, "aegan-monitor")
    if arguments.plant:
        return backtest_plant(arguments, partial(print, flush=True), warn)
    return backtest_configuration(arguments, partial(print, flush=True), warn, Progress(sys.stderr))


def _localize(arguments: argparse.Namespace) -> int:
    from aegan_monitor.detection.bundle import load_bundle  # noqa: PLC0415
    from aegan_monitor.detection.golden import require_golden  # noqa: PLC0415
    from aegan_monitor.inference.onnx_runtime import OrtSession  # noqa: PLC0415
    from aegan_monitor.tools.localize.localize import localize  # noqa: PLC0415
    from aegan_monitor.tools.progress import Progress  # noqa: PLC0415

    bundle = load_bundle(arguments.bundle)
    session = OrtSession(bundle)
    require_golden(bundle, session)
    localize(bundle, session, arguments.clip, arguments.out, print, Progress(sys.stderr))
    return 0


def _bundle(arguments: argparse.Namespace) -> int:
    from aegan_monitor.tools.bundles.command import change_bundle  # noqa: PLC0415

    return change_bundle(arguments, partial(print, flush=True), os.environ)


def _check(arguments: argparse.Namespace) -> int:
    from aegan_monitor.config.model import InferenceConfig  # noqa: PLC0415
    from aegan_monitor.tools.check import check_bundle, check_configuration  # noqa: PLC0415
    from aegan_monitor.tools.daemon_state import read_prepared  # noqa: PLC0415

    if arguments.config:
        warn = partial(print_problem, "aegan-monitor")
        return check_configuration(arguments.config, partial(print, flush=True), warn, verbose=arguments.verbose, reports=arguments.report)
    prepared = read_prepared(None, os.environ)
    check_bundle(arguments.bundle, InferenceConfig(), prepared, print, verbose=arguments.verbose, reports=arguments.report)
    return 0


def _prepare(arguments: argparse.Namespace) -> int:
    from aegan_monitor.tools.progress import Progress  # noqa: PLC0415
    from aegan_monitor.tools.speed.prepare import prepare  # noqa: PLC0415

    return prepare(arguments, partial(print, flush=True), Progress(sys.stderr), os.environ)


def _benchmark(arguments: argparse.Namespace) -> int:
    from aegan_monitor.tools.progress import Progress  # noqa: PLC0415
    from aegan_monitor.tools.speed.benchmark import benchmark  # noqa: PLC0415

    warn, progress = partial(print_problem, "aegan-monitor"), Progress(sys.stderr)
    return benchmark(arguments.bundle, arguments.seconds, arguments.threads, print, warn, progress, as_json=arguments.json)


def _backup(arguments: argparse.Namespace) -> int:
    from aegan_monitor.tools.backup import back_up  # noqa: PLC0415

    return back_up(arguments.config, arguments.out, partial(print, flush=True), partial(print_problem, "aegan-monitor"), os.environ)


def _devices(arguments: argparse.Namespace) -> int:
    from aegan_monitor.audio.device.discovery import Devices  # noqa: PLC0415
    from aegan_monitor.tools.devices import Meter, choose_devices, describe_device, dump_device  # noqa: PLC0415

    meters = arguments.meter or arguments.seconds < math.inf
    if arguments.json and meters:
        raise UsageError("devices: --json lists devices, and --meter shows levels; keep one")
    found = choose_devices(Devices().list_all(), arguments.device)
    for device in found:
        print(dump_device(device) if arguments.json else describe_device(device), flush=True)
    if meters:
        redraws = sys.stdout.isatty()
        logging.getLogger("aegan_monitor").setLevel(logging.CRITICAL)  # the meter shows faults in the device's line
        meter = Meter(found, arguments.channels, lambda line: print(line, flush=True), redraws=redraws, interval_s=0.2 if redraws else 1.0)
        stop_on_signals(meter.stop)
        meter.run(arguments.seconds)
    return 0


def _record(arguments: argparse.Namespace) -> int:
    from aegan_monitor.logs import PLAIN_FORMAT, make_handler  # noqa: PLC0415
    from aegan_monitor.tools.record.command import make_recorder  # noqa: PLC0415

    shows, handler = sys.stdout.isatty(), make_handler(sys.stderr, os.environ)
    if shows and sys.stderr.isatty():
        handler.setFormatter(logging.Formatter(f"\r\x1b[K{PLAIN_FORMAT}"))  # overwrites the line with the level
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    recorder = make_recorder(arguments, shows=shows)
    stop_on_signals(recorder.stop)
    return recorder.run()


def stop_on_signals(stop: Callable[[], object]) -> None:
    """Make Ctrl-C and SIGTERM call `stop`.

    `stop` must only set a plain attribute. A second signal can interrupt the first one's handler, and a `threading.Event` would then
    wait for its own lock.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())


def _demo(arguments: argparse.Namespace) -> int:
    from aegan_monitor.demo.live import run_live  # noqa: PLC0415
    from aegan_monitor.demo.show import run_show  # noqa: PLC0415

    if arguments.live:
        return run_live(arguments.seed, arguments.speed, stop_on_signals)
    return run_show(arguments.seed, arguments.speed)


ACTIONS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": _run,
    "config": _config,
    "reload": _reload,
    "replay": _replay,
    "backtest": _backtest,
    "localize": _localize,
    "check": _check,
    "bundle": _bundle,
    "prepare": _prepare,
    "benchmark": _benchmark,
    "devices": _devices,
    "record": _record,
    "backup": _backup,
    "demo": _demo,
    **dict.fromkeys(("watch", "status", "cases", "forget", *COMMANDS), _terminal),
    "completion": _completion,
}


def open_standard_streams() -> None:
    """Open /dev/null in place of an output that was closed (`2>&-`): Python has None there, and other files would get its number."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_WRONLY)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, os.fdopen(number, "w"))


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run the command; returns the exit code."""
    open_standard_streams()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is loaded: its idle threads spin, and cost more than they bring
    arguments = make_parser().parse_args(argv)
    return run_command("aegan-monitor", lambda: ACTIONS[arguments.command](arguments))


if __name__ == "__main__":
    sys.exit(main())
