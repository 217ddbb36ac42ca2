"""PortAudio in a child process: its output, and children that fail, hang or die."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from aegan_monitor.audio.device import portaudio_process as portaudio
from aegan_monitor.audio.device.portaudio import COMMAND, PortAudio
from aegan_monitor.errors import CaptureError
from broker import wait_until
from soundcard import FalseSoundDevice, write_noisy_sounddevice
from stopwatch import Stopwatch


def record(wanted: str, *names: str) -> dict[str, Any]:
    """The first line that a child writes."""
    output, device = io.BytesIO(), FalseSoundDevice(*names)
    with suppress(device.PortAudioError):
        portaudio.record(device, portaudio.find_devices(device), wanted, output)
    line: dict[str, Any] = json.loads(output.getvalue().partition(b"\n")[0])
    return line


def test_only_what_can_be_heard_is_listed() -> None:
    """Only input devices are listed, with their number and a bounded number of channels."""
    [found] = portaudio.find_devices(FalseSoundDevice("USB Mic (hw:1,0)", n_channels=128))
    assert found == {
        "index": 1,
        "name": "USB Mic (hw:1,0)",
        "host_api": "ALSA",
        "n_channels": 32,
        "default_sample_rate_hz": 48_000.0,
        "is_default": True,
    }


@pytest.mark.parametrize(
    ("wanted", "line"),
    [
        ("(hw:1,0)", {"sample_rate_hz": 48_000, "n_channels": 2}),
        ("default", {"sample_rate_hz": 48_000, "n_channels": 2}),
        ("hw:1,0", {"error": "it is missing, or another program uses it"}),
        ("USB Mic", {"error": "it is missing, or another program uses it"}),
        ("twice", {"error": "several devices have this name"}),
    ],
)
def test_the_child_takes_whole_names_only(wanted: str, line: dict[str, Any]) -> None:
    """The child takes whole names, or card numbers that were just read."""
    assert record(wanted, "USB Mic (hw:1,0)", "USB Mic (hw:11,0)", "default", "twice", "twice") == line


CHILD = """
import sys, time
sys.path[:0] = {path!r}
from aegan_monitor.audio.device import portaudio_process as portaudio
from soundcard import FalseSoundDevice
sys.modules["sounddevice"] = FalseSoundDevice("USB Mic (hw:1,0)")
portaudio.main(sys.argv[1:], sys.stdout.buffer)
"""


def child(tmp_path: Path, code: str) -> PortAudio:
    """A PortAudio whose child is this program."""
    (tmp_path / "child.py").write_text(code)
    return PortAudio([sys.executable, str(tmp_path / "child.py")])


@pytest.fixture
def false_portaudio(tmp_path: Path) -> Iterator[PortAudio]:
    """The real child with a fake sounddevice."""
    return child(tmp_path, CHILD.format(path=sys.path))  # type: ignore[return-value]


def test_chunks_come_with_their_overflows_until_the_device_goes(false_portaudio: PortAudio) -> None:
    """Chunks carry their overflow flag; the end of the device gives one line."""
    assert [device["name"] for device in false_portaudio.list_devices()] == ["USB Mic (hw:1,0)"]
    stream = false_portaudio.open("USB Mic", "(hw:1,0)")
    assert (stream.sample_rate_hz, stream.n_channels) == (48_000, 2)
    chunks = [stream.read(10.0), stream.read(10.0)]
    assert [(chunk.samples.shape, float(chunk.samples[0, 0]), chunk.overflowed) for chunk in chunks if chunk] == [
        ((4800, 2), 1.0, False),
        ((4800, 2), 2.0, True),
    ]
    with pytest.raises(CaptureError) as caught:
        stream.read(10.0)
    assert str(caught.value) == "microphone 'USB Mic': stopped (Unanticipated host error); check that it is plugged in"
    stream.close()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "import os; os.abort()",
            "microphone 'USB Mic': does not open (its process ended with -6); close other programs that use it (aegan-monitor devices)",
        ),
        (
            """print('{"error": "Device unavailable"}')""",
            "microphone 'USB Mic': does not open (Device unavailable); close other programs that use it (aegan-monitor devices)",
        ),
        ("""print('{"missing": "PortAudio is not installed"}')""", "PortAudio is not installed"),
        (
            """import sys; print("ALSA lib pcm.c: one\\nALSA lib x: failed", file=sys.stderr); print('{"error": "-9996"}')""",
            "microphone 'USB Mic': does not open (-9996: ALSA lib x: failed); close other programs that use it (aegan-monitor devices)",
        ),
    ],
)
def test_a_device_that_does_not_open_is_reported(tmp_path: Path, code: str, message: str) -> None:
    """A driver that crashes ends only the child."""
    with pytest.raises(CaptureError) as caught:
        child(tmp_path, code).open("USB Mic", "(hw:1,0)")
    assert str(caught.value) == message


def test_a_driver_that_hangs_does_not_hang_us(tmp_path: Path) -> None:
    """A hanging driver blocks neither a read nor the end, and leaves no process."""
    code = """import time; print('{"sample_rate_hz": 16000, "n_channels": 1}', flush=True); time.sleep(1000)"""
    stream = child(tmp_path, code).open("USB Mic", "(hw:1,0)")
    with Stopwatch() as watch:
        assert stream.read(0.2) is None
        stream.close()
        assert watch.read_s() < 2
    assert str(tmp_path) not in subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout


def test_a_signal_to_our_group_spares_it(tmp_path: Path) -> None:
    """Ctrl-C in a terminal does not end the child; only the daemon ends it."""
    code = """import os, time; print(f'{{"sample_rate_hz": {os.getpgrp()}, "n_channels": 1}}', flush=True); time.sleep(100)"""
    stream = child(tmp_path, code).open("USB Mic", "(hw:1,0)")
    stream.close()
    assert stream.sample_rate_hz != os.getpgrp()


PARENT = """
import sys, time
from aegan_monitor.audio.device.portaudio import COMMAND, PortAudio
stream = PortAudio(["env", f"PYTHONPATH={sys.argv[1]}", *COMMAND]).open("USB Mic", sys.argv[1])
print("open", flush=True)
time.sleep(10)
"""


def test_a_driver_that_hangs_does_not_outlive_us(tmp_path: Path) -> None:
    """A kill of the daemon leaves no hanging child that holds the device."""
    module = write_noisy_sounddevice(tmp_path) / "sounddevice.py"
    module.write_text(module.read_text().replace("USB Mic", str(tmp_path)).replace("time.sleep(", "time.sleep(1000 + "))

    def children() -> list[str]:
        listed = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        return [line for line in listed.splitlines() if line.endswith(f"record {tmp_path}")]

    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "open\n"
        assert len(children()) == 1
        parent.kill()
    wait_until(lambda: not children(), "the end of the child")


def test_missing_portaudio_is_reported(tmp_path: Path) -> None:
    """Listing and opening without PortAudio say what to install."""
    (tmp_path / "sounddevice.py").write_text('raise OSError("PortAudio library not found")\n')
    missing = PortAudio(["env", f"PYTHONPATH={tmp_path}", *COMMAND])
    message = r"PortAudio is not installed \(PortAudio library not found\); install it: apt-get install libportaudio2"
    with pytest.raises(CaptureError, match=message):
        missing.list_devices()
    with pytest.raises(CaptureError, match=message):
        missing.open("USB Mic", "(hw:1,0)")


FORM = """import os, struct, time; os.write(1, b'{"sample_rate_hz": 16000, "n_channels": 2}\\n');"""


@pytest.mark.parametrize("code", ["print('garbage')", "print('[1]')"])
def test_what_is_no_form_is_reported(tmp_path: Path, code: str) -> None:
    """Output that does not follow the protocol is an error."""
    with pytest.raises(CaptureError, match=r"microphone 'USB Mic': does not open \(it wrote wrong data: "):
        child(tmp_path, code + "; import time; time.sleep(100)").open("USB Mic", "(hw:1,0)")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("os.write(1, bytes([255]) * 1000)", r"it wrote wrong data: b'\\xff\\xff\\xff\\xff\\xff'"),
        ("os.close(1); time.sleep(100)", "it has closed its output"),
    ],
)
def test_garbage_ends_the_stream(tmp_path: Path, code: str, reason: str) -> None:
    """Unbounded garbage ends the stream."""
    stream = child(tmp_path, FORM + code).open("USB Mic", "(hw:1,0)")
    with pytest.raises(CaptureError, match=rf"microphone 'USB Mic': stopped \({reason}\)"):
        stream.read(5.0)
    stream.close()


def test_a_child_that_stops_amid_a_chunk_gives_nothing(tmp_path: Path) -> None:
    """A child that stops within a chunk gives nothing after the time-out."""
    stream = child(tmp_path, FORM + "os.write(1, struct.pack('<I?', 800, False) + bytes(100)); time.sleep(100)").open("USB Mic", "(hw:1,0)")
    with Stopwatch() as watch:
        assert [stream.read(0.2), stream.read(0.2)] == [None, None]
        assert watch.read_s() < 2
    stream.close()


def test_what_a_driver_prints_is_no_sound(tmp_path: Path) -> None:
    """Libraries that print to standard output do not disturb the samples."""
    (tmp_path / "sounddevice.py").write_text("import os; os.write(1, b'ALSA lib: hello'); raise OSError('PortAudio library not found')\n")
    with pytest.raises(CaptureError, match="PortAudio is not installed"):
        PortAudio(["env", f"PYTHONPATH={tmp_path}", *COMMAND]).list_devices()
