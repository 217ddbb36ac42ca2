"""`aegan-monitor record` and `devices` with a microphone."""

import contextlib
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from aegan_monitor.audio.device.discovery import InputDevice
from aegan_monitor.audio.source import Capture
from aegan_monitor.demo.pump import Pump
from aegan_monitor.errors import CaptureError
from aegan_monitor.tools.devices import Meter, choose_devices, describe_device, dump_device
from aegan_monitor.types import Block
from broker import wait_until
from fakes import ScriptedCapture
from pulse import SINK, PulseServer
from synthetic import RATE_HZ, write_wav

if TYPE_CHECKING:
    from collections.abc import Sequence

DEADLINE_S = 60.0
COMMAND = [sys.executable, "-m", "aegan_monitor.cli"]
MIC = InputDevice("Yeti", "ALSA", 2, 16_000.0, is_default=True, identity="alsa:Yeti")
LINE = InputDevice("Line", "ALSA", 0, 0.0, is_default=False, identity="alsa:Line")


def test_a_device_is_described_in_a_line() -> None:
    """A device is one line, without facts that are unknown."""
    assert describe_device(MIC) == "alsa:Yeti  Yeti: 2 channel(s), 16000 Hz, ALSA  (default)"
    assert describe_device(LINE) == "alsa:Line  Line: ALSA"
    assert dump_device(LINE).startswith('{"device": "alsa:Line", "name": "Line", "host_api": "ALSA", "n_channels": 0, ')


def test_a_device_is_chosen_by_identity_or_name() -> None:
    """A device is chosen by identity or part of its name; a missing one gives the list of devices."""
    assert choose_devices([MIC, LINE], None) == [MIC, LINE]
    assert [choose_devices([MIC, LINE], wanted) for wanted in ("alsa:Line", "yet")] == [[LINE], [MIC]]
    hall, monitor = (
        InputDevice(name, "PulseAudio", 1, 48_000.0, is_default=False, identity=f"pulse:{source}", is_monitor=source.endswith(".monitor"))
        for name, source in (("Built-in Audio", "mic.hall"), ("Monitor of speaker", "mic.monitor"))
    )
    for wanted, found in [("hall", hall), ("mic", hall), ("mic.monitor", monitor), ("pulse:mic.monitor", monitor)]:
        assert choose_devices([hall, monitor], wanted) == [found]
    with pytest.raises(CaptureError, match=r"^no input device matches 'x'; available: alsa:Yeti, alsa:Line$"):
        choose_devices([MIC, LINE], "x")
    with pytest.raises(CaptureError, match=r"^no microphone found; plug one in, or check the sound server$"):
        choose_devices([], None)


def test_a_device_of_a_low_rate_says_what_it_cannot_hear() -> None:
    """A device with a low rate gives a warning about its bandwidth."""
    headset = InputDevice("Headset", "PulseAudio", 1, 8000.0, is_default=False, identity="pulse:bluez")
    assert "nothing above 4000 Hz can be heard" in describe_device(headset)
    assert "can be heard" not in describe_device(MIC)


@pytest.mark.parametrize("redraws", [False, True])
def test_the_meter_shows_each_channel(redraws: bool) -> None:
    """The meter shows level, clipping, silence and faults of each channel."""
    loud, silent = np.tile(np.array([1, -1], np.float32), 800), np.zeros(1600, np.float32)
    heard: Sequence[Sequence[Block | CaptureError]] = [[Block(loud, 0)], [Block(silent, 0)]]
    reported: list[str] = []

    def capture(_identity: str, channel: int, _rate_hz: int) -> Capture:
        return ScriptedCapture([list(heard[channel])])

    def tell(line: str) -> None:
        reported.append(line)
        if "muted" in line and any("CLIPPED" in each for each in reported):
            meter.stop()

    meter = Meter([MIC], 2, tell, redraws=redraws, interval_s=0.1, capture=capture)
    meter.run(20.0)
    shown = [re.sub("\x1b\\[[0-9]*[A-Z]", "", line) for line in reported]
    loudness = "  channel 0     3.0 dBFS  peak    0.0 dBFS  CLIPPED 1600 samples"
    assert loudness in [line[: len(loudness)] for line in shown]
    assert "  channel 1  digital silence: muted?" in shown
    assert shown[0] == "alsa:Yeti"  # a line of its own: identities are long
    assert ("\x1b[K" in reported[0]) == redraws


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ([], "record: expected --machine NAME (the folder's name), or --config FILE; name one"),
        (
            ["--machine", "../x"],
            "record: name: expected letters, digits, - and _, the first a letter or digit, found '../x'",
        ),
        (
            ["--machine", "x", "--device", "usb:"],
            "record: capture.device: expected usb:<which>, found 'usb:'; aegan-monitor devices lists them",
        ),
        (
            ["--config", "x", "--device", "y"],
            "record: --device, --channel and --bundle stand in the configuration; leave them out, or --config",
        ),
    ],
)
def test_options_that_do_not_go_together(options: list[str], line: str, tmp_path: Path) -> None:
    """Conflicting options give one line, exit code 2, and no folder."""
    done = subprocess.run([*COMMAND, "record", "--out", str(tmp_path / "o"), *options], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, f"aegan-monitor: {line}\n")
    assert not (tmp_path / "o").exists()


def test_a_faulty_channel_is_reported_by_its_state() -> None:
    """A fault comes first in its line, so that a narrow terminal shows it."""
    reported: list[str] = []
    fault = CaptureError("microphone 'Yeti': expected sound, found only zeros for 1 s; unmute it, or choose another channel", "silent")

    def tell(line: str) -> None:
        reported.append(line)
        if "silent" in line:
            meter.stop()

    meter = Meter([MIC], 1, tell, redraws=True, interval_s=0.05, capture=lambda *_: ScriptedCapture([[fault] for _ in range(100)]))
    meter.run(20.0)
    assert reported[-1].startswith("  channel 0  silent: microphone 'Yeti': expected sound, found only zeros")


def test_a_folder_that_cannot_be_written_is_reported_in_one_line(tmp_path: Path) -> None:
    """An unwritable folder gives one line with the remedy."""
    (tmp_path / "o").touch()
    done = subprocess.run([*COMMAND, "record", "--out", str(tmp_path / "o"), "--machine", "x"], capture_output=True, text=True, check=False)
    line = f"{tmp_path}/o/dev_data/x/train: cannot be recorded into (Not a directory); free some space, or choose another --out"
    assert (done.returncode, done.stderr) == (1, f"aegan-monitor: {line}\n")


def test_a_configured_bundle_that_lacks_is_reported(tmp_path: Path) -> None:
    """A missing bundle gives a warning about the sample rate; without clips the exit code is 1."""
    machine = f"{{name: pump, bundle: {tmp_path}/late, capture: {{kind: stdin, sample_format: s16le}}}}"
    (tmp_path / "monitor.yaml").write_text(f"machines: [{machine}]\n")
    command = [*COMMAND, "record", "--out", str(tmp_path / "o"), "--config", str(tmp_path / "monitor.yaml"), "--keep-free-mb", "1"]
    done = subprocess.run(command, input=bytes(range(200)), capture_output=True, check=False)
    assert done.stdout.decode().splitlines()[0] == f"{tmp_path}/late: no such bundle folder (yet?): recording at 16000 Hz"
    assert done.returncode == 1


def test_configured_files_are_cut_not_recorded(tmp_path: Path) -> None:
    """A configured file capture is refused with a hint at `--from`."""
    (tmp_path / "monitor.yaml").write_text("machines: [{name: pump, bundle: none, capture: {kind: file, paths: [a.wav, b.wav]}}]\n")
    command = [*COMMAND, "record", "--out", str(tmp_path / "o"), "--config", str(tmp_path / "monitor.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "cut them with --from FILE... --machine pump" in done.stderr) == (2, True)


@pytest.mark.mic
def test_a_microphone_is_recorded_over_a_fault(pulse: PulseServer, tmp_path: Path) -> None:
    """Clips before and after an unplugged source are complete and exact, and Ctrl-C prints the summary."""
    played = write_wav(tmp_path / "sound.wav", Pump(5, RATE_HZ).read(60 * RATE_HZ))
    out = tmp_path / "out"
    command = [*COMMAND, "record", "--out", str(out), "--machine", "pump", "--device", f"pulse:{SINK}.monitor", "--keep-free-mb", "1"]
    reported = tmp_path / "reported"
    clips = out / "dev_data" / "pump" / "train"

    def wait_for_clips(n_clips: int) -> None:
        wait_until(lambda: len(list(clips.glob("normal*"))) >= n_clips, f"{n_clips} clips", DEADLINE_S)

    with reported.open("wb") as stdout, (tmp_path / "log").open("wb") as stderr, contextlib.ExitStack() as ends:
        process = ends.enter_context(subprocess.Popen(command, env=pulse.env, stdout=stdout, stderr=stderr))
        ends.callback(process.kill)
        with pulse.playing(played):
            wait_for_clips(1)
            pulse.control("unload-module", "module-null-sink")
        wait_until(lambda: re.search("^WAITING, nothing is recorded: ", reported.read_text(), re.MULTILINE), "the fault", DEADLINE_S)
        pulse.add_sink(SINK)
        with pulse.playing(played):
            wait_for_clips(2)
            process.terminate()
            assert process.wait(DEADLINE_S) == 0
    log = (tmp_path / "log").read_text()
    assert all(" INFO " in line for line in log.splitlines()), log
    assert re.search("^gap: sound was lost; [0-9.]+ s of a begun clip discarded$", reported.read_text(), re.MULTILINE)
    assert re.search(r"^recorded: 2 clips, 0\.01 h, coverage [0-9.]+ %, [0-9]+ gap\(s\), ", reported.read_text(), re.MULTILINE)
    assert re.search("^recording goes on after [0-9]+ s$", reported.read_text(), re.MULTILINE)
    paths = sorted(clips.glob("normal*"))
    assert len(paths) == 2
    whole = soundfile.read(played, dtype="int16")[0]
    for path in paths:
        clip = soundfile.read(path, dtype="int16")[0]
        heard = clip[len(clip) // 4 :]  # the player may begin within the first clip
        starts = np.flatnonzero(whole[: len(whole) - len(heard)] == heard[0])
        assert len(clip) == 10 * RATE_HZ
        assert any(np.array_equal(whole[start : start + len(heard)], heard) for start in starts)
