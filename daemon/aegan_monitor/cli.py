"""aegan-monitor: listens to machines and says over MQTT when one sounds wrong."""

import argparse
import faulthandler
import logging
import math
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from aegan_monitor import __version__
from aegan_monitor.errors import run_command

LARGEST_SPEED = 100.0  # of the demo; a faster pump would outrun the network
MAP_SUFFIXES = (".png", ".npz")


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="aegan-monitor", description=__doc__)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)

    run = commands.add_parser("run", help="monitor until stopped")
    run.add_argument("--config", type=Path, required=True, metavar="FILE")
    run.set_defaults(action=run_run)

    reload = commands.add_parser("reload", help="let a daemon read its configuration anew, and tell what came of it")
    reload.add_argument("pid", type=int, metavar="PID", help="of the daemon; systemctl reload aegan-monitor does the same")
    reload.set_defaults(action=run_reload)

    replay = commands.add_parser("replay", help="score recordings: as one stream, or each as a clip")
    source = replay.add_mutually_exclusive_group(required=True)
    source.add_argument("--bundle", type=Path, metavar="DIR")
    source.add_argument("--config", type=Path, metavar="FILE", help="bundle, score and alarm of its first machine")
    replay.add_argument("--clips", action="store_true", help="each file is a clip of its own")
    replay.add_argument("--jsonl", type=Path, metavar="OUT", help="write one object a decision (or a clip), with all scores")
    replay.add_argument("files", type=Path, nargs="+", metavar="FILE")
    replay.set_defaults(action=run_replay)

    localize = commands.add_parser("localize", help="show where in a recording the unusual sound is: when, and at which frequencies")
    localize.add_argument("bundle", type=Path, metavar="BUNDLE")
    localize.add_argument("clip", type=Path, metavar="CLIP", help="WAV or FLAC")
    localize.add_argument(
        "--out",
        type=parse_map_path,
        required=True,
        metavar="FILE",
        help="map.png: picture, and map.npz with the arrays; map.npz: arrays only",
    )
    localize.set_defaults(action=run_localize)

    check = commands.add_parser("check", help="prove that this machine can monitor: configuration, bundle, provider, microphone, broker")
    check.add_argument("--config", type=Path, metavar="FILE")
    check.add_argument("bundle", type=Path, nargs="?", metavar="BUNDLE")
    check.set_defaults(action=run_check)

    devices = commands.add_parser("devices", help="list microphones, and how loud they are")
    devices.add_argument("device", nargs="?", metavar="NAME", help="name, or part of it (default: all)")
    devices.add_argument("--meter", action="store_true", help="show level, peak and clipping until Ctrl-C")
    devices.add_argument("--seconds", type=parse_positive, default=math.inf, metavar="N", help="end the meter after so long")
    devices.add_argument(
        "--channels", type=parse_count, default=2, metavar="N", help="the meter shows the first N of each device (default: 2)"
    )
    devices.set_defaults(action=run_devices)

    record = commands.add_parser("record", help="record normal sound as 10 s clips that aegan-train fit takes as they are")
    record.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="clips go to DIR/dev_data/MACHINE/train, continuing what is there"
    )
    record.add_argument("--machine", metavar="NAME", help="what the folder is called; with --config one of its machines")
    record.add_argument("--config", type=Path, metavar="FILE", help="take capture and sample rate from there, instead of:")
    record.add_argument("--device", metavar="NAME", help="microphone, as aegan-monitor devices lists it (default: the system's)")
    record.add_argument("--channel", type=int, default=None, metavar="N", help="of the device, from 0 (default: 0)")
    record.add_argument("--bundle", type=Path, metavar="DIR", help="take its sample rate (default: 16 kHz)")
    record.add_argument("--hours", type=parse_positive, default=math.inf, metavar="H", help="end after so many hours of clips")
    record.add_argument("--clips", type=parse_count, default=math.inf, metavar="N", help="end after so many clips")
    record.add_argument("--max-mb", type=parse_positive, default=math.inf, metavar="MB", help="end before the machine's clips take more")
    record.add_argument(
        "--keep-free-mb", type=parse_positive, default=500.0, metavar="MB", help="end before less is free on the disk (default: 500)"
    )
    record.set_defaults(action=run_record)

    demo = commands.add_parser("demo", help="listen to a synthesised pump until its bearing fails")
    demo.add_argument("--seed", type=parse_seed, metavar="N", default=0, help="the pump on another day (default: 0)")
    demo.add_argument("--speed", type=parse_speed, default=1.0, help="times real time (default: 1)")
    demo.set_defaults(action=run_demo)
    return parser


def parse_speed(text: str) -> float:
    """A number over 0, as argparse wants it."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= LARGEST_SPEED:
        raise argparse.ArgumentTypeError(f"expected a number over 0 and up to {LARGEST_SPEED:g}, found {text!r}")
    return number


def parse_positive(text: str) -> float:
    """A number over 0, as argparse wants it."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number over 0, found {text!r}")
    return number


def parse_count(text: str) -> int:
    """A whole number of 1 or more, as argparse wants it."""
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, found {text!r}")
    return int(text)


def parse_seed(text: str) -> int:
    """A whole number from 0 to 2^32 - 1, as argparse wants it."""
    if not (text.isdecimal() and int(text) < 2**32):
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 to {2**32 - 1}, found {text!r}")
    return int(text)


def parse_map_path(text: str) -> Path:
    """A path that ends in .png or .npz, as argparse wants it."""
    if Path(text).suffix not in MAP_SUFFIXES:
        raise argparse.ArgumentTypeError(f"expected a path that ends in {' or '.join(MAP_SUFFIXES)}, found {text!r}")
    return Path(text)


def run_run(arguments: argparse.Namespace) -> int:
    """`aegan-monitor run`."""
    from aegan_monitor.config import load_config  # noqa: PLC0415 - each command loads only what it needs
    from aegan_monitor.logs import make_handler  # noqa: PLC0415
    from aegan_monitor.monitor import Monitor  # noqa: PLC0415

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
    from aegan_monitor.reload_answer import find_answer_path, request_reload, send_hangup  # noqa: PLC0415

    path = find_answer_path(os.environ.get("RUNTIME_DIRECTORY"))
    if path is None:
        send_hangup(arguments.pid)
        print(f"aegan-monitor: asked process {arguments.pid}; its log tells what came of it")
    else:
        request_reload(arguments.pid, path)
    return 0


def run_replay(arguments: argparse.Namespace) -> int:
    """`aegan-monitor replay`."""
    from aegan_monitor.bundle import load_bundle  # noqa: PLC0415
    from aegan_monitor.config import InferenceConfig, load_config  # noqa: PLC0415
    from aegan_monitor.golden import require_golden  # noqa: PLC0415
    from aegan_monitor.line import alarm_settings, choose_score  # noqa: PLC0415
    from aegan_monitor.machine import AlarmSettings  # noqa: PLC0415
    from aegan_monitor.replay import Replay, open_lines  # noqa: PLC0415
    from aegan_monitor.session import OrtSession  # noqa: PLC0415

    if arguments.config:
        config = load_config(arguments.config)
        machine, inference = config.machines[0], config.inference
        bundle = load_bundle(machine.bundle)
        score, alarm = choose_score(machine, bundle), alarm_settings(machine)
    else:
        bundle, inference = load_bundle(arguments.bundle), InferenceConfig()
        score, alarm = bundle.record.score, AlarmSettings()
    session = OrtSession(bundle, providers=inference.providers, policy=inference.policy, n_threads=inference.n_threads)
    require_golden(bundle, session)
    replay = Replay(bundle, session, score, alarm)
    with open_lines(arguments.jsonl) as record:
        action = replay.clips if arguments.clips else replay.stream
        action(arguments.files, print, record)
    return 0


def run_localize(arguments: argparse.Namespace) -> int:
    """`aegan-monitor localize`."""
    from aegan_monitor.bundle import load_bundle  # noqa: PLC0415
    from aegan_monitor.golden import require_golden  # noqa: PLC0415
    from aegan_monitor.localize import localize  # noqa: PLC0415
    from aegan_monitor.session import OrtSession  # noqa: PLC0415

    bundle = load_bundle(arguments.bundle)
    session = OrtSession(bundle)
    require_golden(bundle, session)
    localize(bundle, session, arguments.clip, arguments.out, print, lambda line: print(f"aegan-monitor: {line}", file=sys.stderr))
    return 0


def run_check(arguments: argparse.Namespace) -> int:
    """`aegan-monitor check`."""
    from aegan_monitor.check import check_bundle, check_configuration  # noqa: PLC0415
    from aegan_monitor.config import InferenceConfig  # noqa: PLC0415

    if (arguments.config is None) == (arguments.bundle is None):
        make_parser().error("check takes either --config FILE or BUNDLE")
    if arguments.config:
        check_configuration(arguments.config, print)
    else:
        check_bundle(arguments.bundle, InferenceConfig(), print)
    return 0


def run_devices(arguments: argparse.Namespace) -> int:
    """`aegan-monitor devices`."""
    from aegan_monitor.capture.mic import list_devices  # noqa: PLC0415
    from aegan_monitor.meter import Meter, choose_devices, describe_device  # noqa: PLC0415

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
    from aegan_monitor.record_request import RecordRequest, make_recorder  # noqa: PLC0415

    given = {name: getattr(arguments, name) for name in RecordRequest.__dataclass_fields__}
    shows, handler = sys.stdout.isatty(), make_handler(sys.stderr, os.environ)
    if shows and sys.stderr.isatty():
        handler.setFormatter(logging.Formatter(f"\r\x1b[K{PLAIN_FORMAT}"))  # over the line that shows the level now
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    recorder = make_recorder(RecordRequest(**given), shows=shows)
    stop_on_signals(recorder.stop)
    return recorder.run()


def stop_on_signals(stop: Callable[[], object]) -> None:
    """Ctrl-C and SIGTERM call `stop`."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())


def run_demo(arguments: argparse.Namespace) -> int:
    """`aegan-monitor demo`."""
    from aegan_monitor.demo.show import run_show  # noqa: PLC0415

    return run_show(arguments.seed, arguments.speed)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    arguments = make_parser().parse_args(argv)
    return run_command("aegan-monitor", lambda: arguments.action(arguments))


if __name__ == "__main__":
    sys.exit(main())
