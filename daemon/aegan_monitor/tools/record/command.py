"""`aegan-monitor record`: its options, and the recorder or file cutter that they ask for."""

import shutil
import sys
from argparse import Namespace
from collections.abc import Callable

from aegan_monitor.audio.ring import Ring
from aegan_monitor.config.capture import FileCaptureConfig
from aegan_monitor.config.model import MachineConfig, find_machine, load_config
from aegan_monitor.config.validation import validate
from aegan_monitor.detection.bundle import load_bundle
from aegan_monitor.detection.features import FeatureParameters
from aegan_monitor.errors import ConfigError, UsageError
from aegan_monitor.logs import print_error
from aegan_monitor.service.runtime import RING_S, make_capture, make_supervisor
from aegan_monitor.tools.record.clip_folder import ClipFolder
from aegan_monitor.tools.record.clip_writer import CLIP_S, MB, ClipWriter
from aegan_monitor.tools.record.file_cutter import FileCutter
from aegan_monitor.tools.record.recorder import Recorder

_CLEAR_LINE = "\x1b[K"


def _choose_machine(options: Namespace) -> MachineConfig:
    """The machine that is recorded, from the configuration or the options."""
    if options.files and (options.config is not None or options.device is not None):
        raise UsageError("record: --from takes files instead of a microphone; leave out --config and --device")
    if options.config is None:
        if options.machine is None:
            raise UsageError("record: expected --machine NAME (the folder's name), or --config FILE; name one")
        capture = {"device": options.device, "channel": options.channel or 0}
        try:
            return validate(MachineConfig, {"name": options.machine, "bundle": str(options.bundle or "."), "capture": capture}, "record")
        except ConfigError as error:
            raise UsageError(str(error)) from None
    if options.device is not None or options.channel is not None or options.bundle is not None:
        raise UsageError("record: --device, --channel and --bundle stand in the configuration; leave them out, or --config")
    machine = find_machine("record", options.config, load_config(options.config).machines, options.machine)
    if isinstance(machine.capture, FileCaptureConfig):
        raise UsageError(f"record: the capture of {machine.name} is files; cut them with --from FILE... --machine {machine.name}")
    return machine


def _choose_rate_hz(options: Namespace, machine: MachineConfig, report: Callable[[str], object]) -> int:
    """The bundle's rate in Hz; the method's where there is no bundle yet. It says so when a configured bundle is missing."""
    if options.bundle is None and (options.config is None or not machine.bundle.exists()):
        rate_hz = FeatureParameters().sample_rate_hz
        if options.config is not None:
            report(f"{machine.bundle}: no such bundle folder (yet?): recording at {rate_hz} Hz")
        return rate_hz
    return load_bundle(machine.bundle).record.features.sample_rate_hz


def make_recorder(options: Namespace, *, shows: bool) -> Recorder | FileCutter:
    """What records or cuts, printing on stdout; with `shows` the last line is the present level.

    Raises:
        UsageError: The options do not go together.
        ConfigError, BundleError: The configuration is wrong, or has no such machine; the bundle cannot be read.
    """
    machine = _choose_machine(options)
    clear = f"\r{_CLEAR_LINE}" if shows else ""

    def report(line: str) -> None:
        print(f"{clear}{line}", flush=True)

    def show(line: str) -> None:
        sys.stdout.write(f"{clear}{line[: shutil.get_terminal_size().columns - 1]}")  # a line that wraps could not be cleared
        sys.stdout.flush()

    rate_hz = _choose_rate_hz(options, machine, report)
    writer = ClipWriter(
        ClipFolder(options.out, machine.name),
        rate_hz,
        report,
        n_wanted=min(options.clips, options.hours * 3600 / CLIP_S),
        keep_free_bytes=options.keep_free_mb * MB,
        lists_clips=not options.files,
    )
    if options.files:
        return FileCutter(options.files, options.channel, writer, rate_hz, report, lambda line: print_error(f"aegan-monitor: {line}"))
    ring = Ring(round(RING_S * rate_hz), 1)
    supervisor = make_supervisor(machine, ring, make_capture(machine, rate_hz))
    return Recorder(supervisor, ring, writer, rate_hz, report, show if shows else None)
