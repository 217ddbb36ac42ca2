"""The command line of aegan-monitor: which commands there are, what each takes, and which values make sense."""

import argparse
import math
from pathlib import Path

from aegan_monitor import __version__

METER_CHANNELS = 2  # sound servers offer 32, of which most are copies or empty
LARGEST_SPEED = 100.0  # of the demo; a faster pump would outrun the network
DESCRIPTION = "aegan-monitor: listens to machines and says over MQTT when one sounds wrong."
MAP_SUFFIXES = (".png", ".npz")


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="aegan-monitor", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)

    run = commands.add_parser("run", help="monitor until stopped")
    run.add_argument("--config", type=Path, required=True, metavar="FILE")

    reload = commands.add_parser("reload", help="let a daemon read its configuration anew, and tell what came of it")
    reload.add_argument("pid", type=parse_count, metavar="PID", help="of the daemon; systemctl reload aegan-monitor does the same")

    replay = commands.add_parser("replay", help="score recordings: as one stream, or each as a clip")
    source = replay.add_mutually_exclusive_group(required=True)
    source.add_argument("--bundle", type=Path, metavar="DIR")
    source.add_argument("--config", type=Path, metavar="FILE", help="bundle, score and alarm of one of its machines")
    replay.add_argument("--machine", metavar="NAME", help="which of them, where there are several")
    replay.add_argument("--clips", action="store_true", help="each file is a clip of its own")
    replay.add_argument("--jsonl", type=Path, metavar="OUT", help="write one object a decision (or a clip), with all scores")
    replay.add_argument("files", type=Path, nargs="+", metavar="FILE")

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

    check = commands.add_parser("check", help="prove that this machine can monitor: configuration, bundle, provider, microphone, broker")
    check.add_argument("--config", type=Path, metavar="FILE")
    check.add_argument("bundle", type=Path, nargs="?", metavar="BUNDLE")
    check.add_argument("--verbose", action="store_true", help="print every stage of the golden check")

    devices = commands.add_parser("devices", help="list microphones, and how loud they are")
    devices.add_argument("device", nargs="?", metavar="NAME", help="name, or part of it (default: all)")
    devices.add_argument("--meter", action="store_true", help="show level, peak and clipping until Ctrl-C")
    devices.add_argument("--seconds", type=parse_positive, default=math.inf, metavar="N", help="end the meter after so long")
    devices.add_argument(
        "--channels",
        type=parse_count,
        default=METER_CHANNELS,
        metavar="N",
        help="the meter shows the first N of each device (default: %(default)s)",
    )

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

    demo = commands.add_parser("demo", help="listen to a synthesised pump until its bearing fails")
    demo.add_argument("--seed", type=parse_seed, metavar="N", default=0, help="the pump on another day (default: 0)")
    demo.add_argument("--speed", type=parse_speed, default=1.0, help="times real time (default: 1)")
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
