"""What `aegan-monitor record` was asked for, and the recorder that does it."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from aegan_monitor.audio.ring import Ring
from aegan_monitor.config.capture import MicCaptureConfig
from aegan_monitor.config.model import MachineConfig, find_machine, load_config
from aegan_monitor.config.names import Name
from aegan_monitor.config.validation import validate
from aegan_monitor.detection.bundle import load_bundle
from aegan_monitor.detection.features import FeatureParameters
from aegan_monitor.errors import ConfigError, UsageError
from aegan_monitor.service.runtime import RING_S, make_capture, make_listener
from aegan_monitor.tools.record.clip_folder import ClipFolder
from aegan_monitor.tools.record.recorder import CLIP_S, MB, Quota, Recorder

_CLEAR_LINE = "\x1b[K"


@dataclass(frozen=True, slots=True)
class RecordRequest:
    """The options of the command line; infinity where there is no limit."""

    out: Path
    machine: str | None
    config: Path | None
    device: str | None
    channel: int | None
    bundle: Path | None
    hours: float
    clips: float
    max_mb: float
    keep_free_mb: float


def choose_machine(request: RecordRequest) -> MachineConfig:
    """The machine that is recorded, from the configuration or from the options.

    Raises:
        UsageError: The options do not go together.
        ConfigError: The configuration is wrong, or has no such machine.
    """
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
    return find_machine("record", request.config, load_config(request.config).machines, request.machine)


def choose_rate_hz(request: RecordRequest, machine: MachineConfig, tell: Callable[[str], object]) -> int:
    """The bundle's rate; the method's where there is none yet, since sound comes before bundles. A configured one that lacks is told.

    Raises:
        BundleError: There is a bundle, but it cannot be read.
    """
    if request.bundle is None and (request.config is None or not machine.bundle.exists()):
        rate_hz = FeatureParameters().sample_rate_hz
        if request.config is not None:
            tell(f"{machine.bundle}: no such bundle folder (yet?): recording at {rate_hz} Hz")
        return rate_hz
    return load_bundle(machine.bundle).record.features.sample_rate_hz


def make_recorder(request: RecordRequest, *, shows: bool) -> Recorder:
    """A recorder that tells on stdout; with `shows` its last line is the level now.

    Raises:
        AeganError: As `choose_machine` and `choose_rate_hz`.
    """
    machine = choose_machine(request)
    clear = f"\r{_CLEAR_LINE}" if shows else ""

    def tell(line: str) -> None:
        print(f"{clear}{line}", flush=True)

    rate_hz = choose_rate_hz(request, machine, tell)
    ring = Ring(round(RING_S * rate_hz), 1)
    listener = make_listener(machine, ring, make_capture(machine, rate_hz))
    quota = Quota(min(request.clips, request.hours * 3600 / CLIP_S), request.max_mb * MB, request.keep_free_mb * MB)

    def show(line: str) -> None:
        sys.stdout.write(f"{clear}{line[: shutil.get_terminal_size().columns - 1]}")  # a line that wraps could not be cleared
        sys.stdout.flush()

    return Recorder(listener, ring, ClipFolder(request.out, machine.name, rate_hz), rate_hz, quota, tell, show if shows else None)
