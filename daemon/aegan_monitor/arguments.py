"""Command line of aegan-monitor: the commands and their options."""

import argparse
import math
from functools import partial
from pathlib import Path

from aegan_monitor import __version__
from aegan_monitor.command_options import add_command, parse_budget, parse_count, parse_index, parse_map_path, parse_positive, parse_seed
from aegan_monitor.terminal_arguments import add_terminal_commands

METER_CHANNELS = 2  # sound servers offer 32, most of them copies or empty
LONGEST_MEASUREMENT_S = 600.0
LARGEST_SPEED = 100.0  # of the demo; the network cannot follow a faster pump
DESCRIPTION = "Listens to machines, and publishes an alarm over MQTT when one sounds wrong."
START = "first steps: aegan-monitor demo, aegan-monitor devices --meter, aegan-monitor config init"


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="aegan-monitor", description=DESCRIPTION, epilog=START)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, title="commands", metavar="COMMAND")

    run = add_command(commands, "run", "Monitors the machines until it is stopped.", "aegan-monitor run --config monitor.yaml")
    run.add_argument("--config", type=Path, required=True, metavar="FILE", help="configuration (aegan-monitor config init writes one)")

    config = add_command(commands, "config", "Prints a configuration with every key, its default and a comment.", "aegan-monitor config")
    actions = config.add_subparsers(dest="action", help="write it to a file instead")
    init = add_command(
        actions,
        "init",
        "Writes that configuration to a file, with what belongs to this computer. On a terminal it prompts for what no option gives.",
        "aegan-monitor config init --machine pump --bundle bundles/pump",
    )
    init.add_argument(
        "file", type=Path, nargs="?", default=Path("monitor.yaml"), metavar="FILE", help="must not exist yet (default: monitor.yaml)"
    )
    init.add_argument("--node", metavar="NAME", help="name of this computer, unlike any other at the broker (default: the host name)")
    init.add_argument("--machine", metavar="NAME", help="name of the machine (default: pump)")
    init.add_argument("--bundle", type=Path, metavar="DIR", help="folder of its bundle (default: /var/lib/aegan-monitor/bundle)")
    init.add_argument("--device", metavar="NAME", help="microphone, as aegan-monitor devices lists it (default: the system's)")
    init.add_argument("--broker", metavar="HOST", help="host, or host:port, of the MQTT broker (default: localhost)")
    init.add_argument("--privacy", choices=["true", "false"], help="true: alarms keep pictures, but no sound (default: false)")

    check = add_command(
        commands,
        "check",
        "Tests on this machine all that monitoring needs: configuration, bundle, provider, microphone, broker.",
        "aegan-monitor check --config monitor.yaml",
    )
    tested = check.add_mutually_exclusive_group(required=True)
    tested.add_argument("--config", type=Path, metavar="FILE", help="test everything that this configuration names")
    tested.add_argument("bundle", type=Path, nargs="?", metavar="BUNDLE", help="test this bundle alone")
    report_help = "write what the normal sound of all machines (or places of the bundle) proves: commissioning.txt, .json and .png"
    check.add_argument("--report", type=Path, metavar="DIR", help=report_help)
    check.add_argument("--verbose", action="store_true", help="print every stage of the golden check")

    _add_speed(commands)

    devices = add_command(
        commands, "devices", "Lists the microphones, and shows how loud they are.", "aegan-monitor devices --meter --seconds 10"
    )
    devices.add_argument("device", nargs="?", metavar="NAME", help="name of a device, or a part of it (default: all)")
    devices.add_argument("--json", action="store_true", help="print each device as a JSON object on a line")
    devices.add_argument("--meter", action="store_true", help="show level, peak and clipping until Ctrl-C")
    devices.add_argument("--seconds", type=parse_positive, default=math.inf, metavar="N", help="end the meter after N seconds")
    devices.add_argument("--channels", type=parse_count, default=METER_CHANNELS, metavar="N", help="first channels to show (default: 2)")

    record = add_command(
        commands,
        "record",
        "Records normal sound as 10 s clips, in the folders that aegan-train fit reads.",
        "aegan-monitor record --machine pump --out recordings --hours 8",
    )
    record.add_argument("--out", type=Path, required=True, metavar="DIR", help="clips are added to those in DIR/dev_data/MACHINE/train")
    record.add_argument("--machine", metavar="NAME", help="name of the folder; with --config a machine of that configuration")
    record.add_argument("--config", type=Path, metavar="FILE", help="use microphone and rate of a machine in this configuration")
    record.add_argument("--device", metavar="NAME", help="microphone, as aegan-monitor devices lists it (default: the system's)")
    from_help = "cut long recordings (WAV or FLAC, any sample rate) into clips, in place of a microphone"
    record.add_argument("--from", type=Path, nargs="+", default=[], dest="files", metavar="FILE", help=from_help)
    record.add_argument("--channel", type=parse_index, metavar="N", help="of the device or files, from 0 (default: 0 of a device)")
    record.add_argument("--bundle", type=Path, metavar="DIR", help="use the sample rate of this bundle (default: 16 kHz)")
    record.add_argument("--hours", type=parse_positive, default=math.inf, metavar="H", help="end after H hours of clips")
    record.add_argument("--clips", type=parse_count, default=math.inf, metavar="N", help="end after N clips")
    record.add_argument("--keep-free-mb", type=parse_positive, default=500.0, metavar="MB", help="end before less is free (default: 500)")

    _add_tools_for_recordings(commands)

    add_terminal_commands(commands)

    backup = add_command(
        commands,
        "backup",
        "Copies configuration, bundles, outbox, history and evidence to one tar file, while the monitor runs.",
        "aegan-monitor backup --config monitor.yaml backup.tar",
    )
    backup.add_argument("--config", type=Path, required=True, metavar="FILE", help="back up this configuration, and what it names")
    backup.add_argument("out", type=Path, metavar="OUT", help="the tar file, which must not exist yet")

    reload = add_command(
        commands,
        "reload",
        "Makes a daemon under systemd read its configuration again; fails if it is refused.",
        "aegan-monitor reload 1234",
    )
    reload.add_argument("pid", type=parse_count, metavar="PID", help="process id of the daemon, as the unit gives it")

    _add_demo(commands)
    return parser


def _add_speed(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    prepare = add_command(
        commands,
        "prepare",
        "Finds the fastest provider and precision that are right on this computer, for providers: [auto].",
        "aegan-monitor prepare --config monitor.yaml",
    )
    tried = prepare.add_mutually_exclusive_group(required=True)
    tried.add_argument("--config", type=Path, metavar="FILE", help="for all machines of this configuration")
    tried.add_argument("bundle", type=Path, nargs="?", metavar="BUNDLE", help="for this bundle alone, with one thread")
    prepare.add_argument("--json", action="store_true", help="print one JSON object a bundle and score")

    benchmark = add_command(
        commands,
        "benchmark",
        "Measures how fast this computer runs a bundle, with every provider and precision that it can try.",
        "aegan-monitor benchmark bundles/pump",
    )
    benchmark.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle of the machine; its own score decides")
    benchmark.add_argument("--json", action="store_true", help="print each provider and precision as a JSON object on a line")
    benchmark.add_argument(
        "--seconds",
        type=partial(parse_positive, largest=LONGEST_MEASUREMENT_S),
        default=10.0,
        metavar="N",
        help="measure each for N seconds (default: 10)",
    )
    benchmark.add_argument("--threads", type=parse_count, default=1, metavar="N", help="as inference.n_threads (default: 1)")


def _add_demo(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command for those who have no machine at hand."""
    demo = add_command(
        commands, "demo", "Plays a synthesised pump until its bearing fails and the alarm comes.", "aegan-monitor demo --speed 2"
    )
    demo.add_argument("--live", action="store_true", help="three pumps until Ctrl-C; the page switches their faults on and off")
    demo.add_argument("--seed", type=parse_seed, metavar="N", default=0, help="random seed of the pump (default: 0)")
    demo.add_argument(
        "--speed", type=partial(parse_positive, largest=LARGEST_SPEED), default=1.0, metavar="X", help="times real time (default: 1)"
    )


def _add_tools_for_recordings(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The commands that read recordings."""
    replay = add_command(
        commands,
        "replay",
        "Scores recordings as the daemon would: as one stream, or each as a clip.",
        "aegan-monitor replay --bundle bundles/pump monday.wav tuesday.flac",
    )
    source = replay.add_mutually_exclusive_group(required=True)
    source.add_argument("--bundle", type=Path, metavar="DIR", help="bundle, with the alarm settings that it advises")
    source.add_argument("--config", type=Path, metavar="FILE", help="bundle, score and alarm settings of a machine in this configuration")
    replay.add_argument("--machine", metavar="NAME", help="name of that machine, if the configuration has several")
    replay.add_argument("--clips", action="store_true", help="score each file as a separate clip")
    replay.add_argument("--jsonl", type=Path, metavar="OUT", help="write one JSON object a decision (or a clip), with all scores")
    replay.add_argument("--channel", type=parse_index, metavar="N", help="channel of the files, from 0 (default: of a mono file)")
    replay.add_argument("files", type=Path, nargs="+", metavar="FILE", help="recording, WAV or FLAC")

    backtest = add_command(
        commands,
        "backtest",
        "Counts the alarms in recordings: how many are false, how soon each labelled fault is found.",
        "aegan-monitor backtest --config monitor.yaml --labels faults.csv --out backtest recordings",
    )
    backtest.add_argument("--config", type=Path, required=True, metavar="FILE", help="bundle, policy and budget of a machine in it")
    backtest.add_argument("--machine", metavar="NAME", help="name of that machine, if the configuration has several")
    backtest.add_argument("--labels", type=Path, metavar="CSV", help="known faults, one a line: file,start_s,end_s,what")
    budget_help = "also with this budget of false alarms a week, by the same scores; may be given several times"
    backtest.add_argument("--budget", type=parse_budget, action="append", default=[], metavar="N", help=budget_help)
    backtest.add_argument("--out", type=Path, metavar="DIR", help="write backtest.txt, .json, and .png with scores, evidence and alarms")
    backtest.add_argument("--channel", type=parse_index, metavar="N", help="channel of the files, from 0 (default: of a mono file)")
    folder_help = "recording (WAV or FLAC), or a folder whose recordings are joined by name to one stream"
    plant_help = "every machine of the configuration: FILE is a folder with a folder of recordings for each, --out keeps what was done"
    backtest.add_argument("--plant", action="store_true", help=plant_help)
    backtest.add_argument("--jobs", type=parse_count, metavar="N", help="with --plant: machines at a time (default: one a core)")
    backtest.add_argument("recordings", type=Path, nargs="+", metavar="FILE", help=folder_help)

    localize = add_command(
        commands,
        "localize",
        "Shows when, and at which frequencies, a recording is unusual.",
        "aegan-monitor localize bundles/pump recording.wav --out map.png",
    )
    localize.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle of the machine")
    localize.add_argument("clip", type=Path, metavar="CLIP", help="recording, WAV or FLAC")
    out_help = "map.png: picture, and map.npz with the arrays; map.npz: arrays only"
    localize.add_argument("--out", type=parse_map_path, required=True, metavar="FILE", help=out_help)
