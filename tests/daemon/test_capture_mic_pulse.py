"""The microphone on a real PortAudio and a PulseAudio of our own, each capture in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pulse import PulseServer

RATE_HZ = 16_000
DEADLINE_S = 60.0

SHOW_ERROR = """
import sys
from aegan_monitor.capture.mic import MicrophoneCapture, list_devices
from aegan_monitor.errors import CaptureError
try:
    {action}
except CaptureError as error:
    sys.exit(str(error))
"""

# Listens until it has heard so many samples from the first that is not 0, and saves them.
RECORD = """
import sys
import numpy as np
from aegan_monitor.capture.mic import MicrophoneCapture
n_wanted, path = int(sys.argv[1]), sys.argv[2]
capture = MicrophoneCapture("default", 0, 16000)
capture.open()
print(capture.describe(), flush=True)
heard, next_sample = np.zeros(0, np.float32), 0
while len(heard) < n_wanted:
    block = capture.read()
    assert block.start_sample == next_sample and not block.overflowed and 0 < len(block.samples) <= 1600
    next_sample += len(block.samples)
    heard = np.concatenate([heard, block.samples])
    heard = heard[np.flatnonzero(heard)[0]:] if heard.any() else heard[:0]
capture.close()
np.save(path, heard[:n_wanted])
"""

# Listens; when the device breaks, waits for a line on stdin and listens again.
BREAK = """
import sys
from aegan_monitor.capture.mic import MicrophoneCapture
from aegan_monitor.errors import CaptureError
now_s = 100.0
capture = MicrophoneCapture(None, 0, 16000, stall_s=float(sys.argv[1]), **({"clock": lambda: now_s} if len(sys.argv) > 2 else {}))
capture.open()
block = capture.read()
assert (block.start_sample, block.overflowed) == (0, False)
print("listening", flush=True)
try:
    while True:
        block = capture.read()
except CaptureError as error:
    print(error, flush=True)
capture.close()
next_sample = block.start_sample + len(block.samples)
sys.stdin.readline()
now_s += 7.0
capture.open()
block = capture.read()
print(block.start_sample - next_sample, block.overflowed, capture.read().overflowed, flush=True)
capture.close()
"""


def run_python(code: str, env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, to its end."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], env=env, check=False, capture_output=True, text=True, timeout=DEADLINE_S
    )


@contextmanager
def started_python(code: str, env: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Code in a process of its own, whose lines the test reads; it ends with the test at the latest."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code, *arguments], env=env, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def read_line(child: subprocess.Popen[str]) -> str:
    """The next line that the child prints; empty when it has ended."""
    assert child.stdout is not None
    return child.stdout.readline().rstrip("\n")


def last_line(text: str) -> str:
    """The line that is ours; ALSA's own complaints come before it."""
    return text.rstrip("\n").rpartition("\n")[2]


@pytest.mark.mic
def test_played_samples_are_heard_bit_by_bit(pulse: PulseServer, tmp_path: Path) -> None:
    """What is played into the sink comes out of the capture, sample for sample, without a hole."""
    played = np.random.default_rng(0).integers(-32768, 32768, 3 * RATE_HZ).astype(np.int16)
    played[0] = 1
    soundfile.write(tmp_path / "pump.wav", played, RATE_HZ)
    with started_python(RECORD, pulse.env, str(len(played)), str(tmp_path / "heard.npy")) as child:
        assert read_line(child) == "microphone 'default'"
        pulse.play(tmp_path / "pump.wav")
        _, complaints = child.communicate(timeout=DEADLINE_S)
    assert child.returncode == 0, complaints
    np.testing.assert_array_equal(np.load(tmp_path / "heard.npy"), played / np.float32(32768))


@pytest.mark.mic
def test_unplugged_device_is_heard_again(pulse: PulseServer) -> None:
    """A device that goes is told within its time; opened again it is heard, with a jump of the time that passed."""
    with started_python(BREAK, pulse.env, "5", "own clock") as child:
        assert read_line(child) == "listening"
        pulse.control("unload-module", "module-null-sink")
        assert read_line(child).startswith("microphone 'default': stopped (Unanticipated host error")
        pulse.add_sink("mic")
        pulse.control("set-default-source", "mic.monitor")
        output, complaints = child.communicate("\n", timeout=DEADLINE_S)
    assert output == f"{7 * RATE_HZ} True False\n", complaints


@pytest.mark.mic
def test_stalled_device_is_told(pulse: PulseServer) -> None:
    """A device that stays plugged in and gives nothing more is told after its time, and heard again when it gives."""
    with started_python(BREAK, pulse.env, "0.5") as child:
        assert read_line(child) == "listening"
        pulse.control("suspend-sink", "mic", "1")
        assert read_line(child) == "microphone 'default': expected sound, found none for 0.5 s; check the device and the sound server"
        pulse.control("suspend-sink", "mic", "0")
        output, complaints = child.communicate("\n", timeout=DEADLINE_S)
    assert output.endswith(" True False\n"), complaints


@pytest.mark.mic
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("'bathtub', 0, 16000", "no input device matches 'bathtub'; available: 'pulse', 'default', see aegan-monitor devices"),
        ("'UL', 0, 16000", "several input devices match 'UL': 'pulse', 'default'; give the whole name of one"),
        ("'Pulse', 32, 16000", "microphone 'pulse': expected a channel from 0 to 31, found 32; choose one of these"),
        (
            "'PULSE', 0, 1",
            (
                "microphone 'pulse': does not open at 1 Hz (Error opening InputStream: Invalid sample rate [PaErrorCode -9997]); "
                "see that no other program holds it, or choose a device that has this rate (aegan-monitor devices)"
            ),
        ),
    ],
)
def test_wrong_device_is_refused(pulse: PulseServer, arguments: str, expected: str) -> None:
    """A device that is not there, is ambiguous or cannot do what is asked for is refused in one line."""
    done = run_python(SHOW_ERROR.format(action=f"MicrophoneCapture({arguments}).open()"), pulse.env)
    assert (done.returncode, last_line(done.stderr)) == (1, expected)


@pytest.mark.mic
def test_devices_are_listed(pulse: PulseServer) -> None:
    """Every input device is listed, and the default is marked."""
    done = run_python("from aegan_monitor.capture.mic import list_devices\nfor device in list_devices(): print(device)", pulse.env)
    common = "host_api='ALSA', n_channels=32, default_sample_rate_hz=44100.0"
    assert done.stdout.splitlines() == [
        f"InputDevice(name='pulse', {common}, is_default=False)",
        f"InputDevice(name='default', {common}, is_default=True)",
    ]
