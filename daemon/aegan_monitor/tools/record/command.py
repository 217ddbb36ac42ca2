"""`aegan-monitor record`: its options, and the recorder or file cutter that they ask for."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from aegan_monitor.audio.ring import Ring
from aegan_monitor.config.capture import FileCaptureConfig, MicCaptureConfig
from aegan_monitor.config.model import MachineConfig, find_machine, load_config
from aegan_monitor.config.names import Name
from aegan_monitor.config.validation import validate
from aegan_monitor.detection.bundle import load_bundle
from aegan_monitor.detection.features import FeatureParameters
from aegan_monitor.errors import ConfigError, UsageError
from aegan_monitor.logs import print_error
from aegan_monitor.service.runtime import RING_S, make_capture, make_supervisor
from aegan_monitor.tools.record.clip_folder import ClipFolder
from aegan_monitor.tools.record.clip_writer import CLIP_S, MB, ClipWriter, Quota
from aegan_monitor.tools.record.file_cutter import FileCutter
from aegan_monitor.tools.record.recorder import Recorder

_CLEAR_LINE = "\x1b[K"


@dataclass(frozen=True, slots=True)
class RecordRequest:
    """The options of the command line; infinity where there is no limit."""

    out: Path
    machine: str | None
    config: Path | None
    device: str | None
    channel: int | None
    files: list[Path]
    bundle: Path | None
    hours: float
    clips: float
    max_mb: float
    keep_free_mb: float


def choose_machine(request: RecordRequest) -> MachineConfig:
    """The machine that is recorded, from the configuration or the options.

    Raises:
        UsageError: The options do not go together.
        ConfigError: The configuration is wrong, or has no such machine.
    """
    if request.files and (request.config is not None or request.device is not None):
        raise UsageError("record: --from takes files instead of a microphone; leave out --config and --device")
    if request.config is None:
        if request.machine is None:
            raise UsageError("record: expected --machine NAME (the folder's name), or --config FILE; name one")
        try:
            TypeAdapter(Name).validate_python(request.machine)
        except ValidationError as error:
            raise UsageError(
                f"record: --machine: expected letters, digits, - and _, the first a letter or digit, found {request.machine!r}"
            ) from error
        if request.channel is not None and request.channel < 0:
            raise UsageError(f"record: --channel: expected 0 or more, found {request.channel}")
        try:
            capture = validate(MicCaptureConfig, {"device": request.device, "channel": request.channel or 0}, "record")
        except ConfigError as error:
            raise UsageError(str(error)) from None
        return MachineConfig(name=request.machine, bundle=request.bundle or Path(), capture=capture)
    if request.device is not None or request.channel is not None or request.bundle is not None:
        raise UsageError("record: --device, --channel and --bundle stand in the configuration; leave them out, or --config")
    machine = find_machine("record", request.config, load_config(request.config).machines, request.machine)
    if isinstance(machine.capture, FileCaptureConfig):
        raise UsageError(f"record: the capture of {machine.name} is files; cut them with --from FILE... --machine {machine.name}")
    return machine


def choose_rate_hz(request: RecordRequest, machine: MachineConfig, report: Callable[[str], object]) -> int:
    """The bundle's rate in Hz; the method's where there is no bundle yet. It says so when a configured bundle is missing.

    Raises:
        BundleError: There is a bundle, but it cannot be read.
    """
    if request.bundle is None and (request.config is None or not machine.bundle.exists()):
        rate_hz = FeatureParameters().sample_rate_hz
        if request.config is not None:
            report(f"{machine.bundle}: no such bundle folder (yet?): recording at {rate_hz} Hz")
        return rate_hz
    return load_bundle(machine.bundle).record.features.sample_rate_hz


def make_recorder(request: RecordRequest, *, shows: bool) -> Recorder | FileCutter:
    """What records or cuts, printing on stdout; with `shows` the last line is the present level.

    Raises:
        AeganError: As `choose_machine` and `choose_rate_hz`.
    """
    machine = choose_machine(request)
    clear = f"\r{_CLEAR_LINE}" if shows else ""

    def report(line: str) -> None:
        print(f"{clear}{line}", flush=True)

    def show(line: str) -> None:
        sys.stdout.write(f"{clear}{line[: shutil.get_terminal_size().columns - 1]}")  # a line that wraps could not be cleared
        sys.stdout.flush()

    rate_hz = choose_rate_hz(request, machine, report)
    quota = Quota(min(request.clips, request.hours * 3600 / CLIP_S), request.max_mb * MB, request.keep_free_mb * MB)
    writer = ClipWriter(ClipFolder(request.out, machine.name), rate_hz, quota, report, lists_clips=not request.files)
    if request.files:
        return FileCutter(request.files, request.channel, writer, rate_hz, report, lambda line: print_error(f"aegan-monitor: {line}"))
    ring = Ring(round(RING_S * rate_hz), 1)
    supervisor = make_supervisor(machine, ring, make_capture(machine, rate_hz))
    return Recorder(supervisor, ring, writer, rate_hz, report, show if shows else None)
