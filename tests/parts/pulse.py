"""A microphone without hardware: a PulseAudio of our own, whose null sink is heard sample for sample."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

SINK = "mic"
STEP_DEADLINE_S = 20.0

_ASOUNDRC = """\
pcm.!default { type pulse hint { show on description "pulse" } }
ctl.!default { type pulse }
"""


class PulseServer:
    """A private server under `folder`; what is played to its sink is what the default microphone hears.

    Attributes:
        address: Where it listens.
        env: The environment in which a child hears (and plays to) this server, and no other.
    """

    def __init__(self, folder: Path, sample_rate_hz: int = 16_000) -> None:
        """Store; the folder's path must be short enough for a socket in it (under 90 characters)."""
        self._folder = folder
        self._sample_rate_hz = sample_rate_hz
        self._process: subprocess.Popen[bytes] | None = None
        self.address = f"unix:{folder / 'native'}"
        home = folder / "home"
        own = {"HOME": str(home), "XDG_RUNTIME_DIR": str(folder / "run"), "PULSE_SERVER": self.address}
        self.env = {**{name: value for name, value in os.environ.items() if not name.startswith(("PULSE_", "XDG_"))}, **own}

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def start(self) -> None:
        """Start the server and make its null sink the default for playing and for listening."""
        for name in ("home", "run"):
            (self._folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        (self._folder / "home" / ".asoundrc").write_text(_ASOUNDRC)
        options = ["--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes", "--realtime=no", "--high-priority=no"]
        native = f"module-native-protocol-unix auth-anonymous=1 socket={self._folder / 'native'}"
        with (self._folder / "pulse.log").open("wb") as log:
            self._process = subprocess.Popen(
                ["pulseaudio", "-n", *options, "-L", native], env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._wait_until_it_answers()
        self.add_sink(SINK)
        self.control("set-default-sink", SINK)
        self.control("set-default-source", f"{SINK}.monitor")

    def stop(self) -> None:
        """End the server; harmless when it does not run."""
        if self._process is not None:
            self.resume()
            self._process.terminate()
            self._process.wait(STEP_DEADLINE_S)
            self._process = None

    def kill(self) -> None:
        """Kill the server, as a crash does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(STEP_DEADLINE_S)
        self._process = None

    def pause(self) -> None:
        """Stop the server process (SIGSTOP)."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue the server process (SIGCONT)."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def add_sink(self, name: str, sample_rate_hz: int | None = None, n_channels: int = 1) -> str:
        """Add a null sink, whose monitor is a source; returns the module's number, for `control("unload-module", ...)`."""
        rate_hz = sample_rate_hz or self._sample_rate_hz
        # norewinds: a null sink that rewinds is not heard sample for sample
        return self.control(
            "load-module", "module-null-sink", f"sink_name={name}", f"rate={rate_hz}", f"channels={n_channels}", "norewinds=1"
        )

    def add_tone(self, name: str, frequency_hz: int, sample_rate_hz: int | None = None) -> None:
        """Add a source `<name>.monitor` that sounds by itself."""
        # not module-sine-source: it gives its samples once in two seconds
        self.add_sink(name, sample_rate_hz)
        self.control("load-module", "module-sine", f"sink={name}", f"frequency={frequency_hz}")

    def remove(self, name: str) -> None:
        """Unplug a sink or tone of that name, its source first."""
        for argument in (f"sink_name={name} ", f"sink={name} "):
            rows = [line.split("\t") for line in self.control("list", "short", "modules").splitlines()]
            for number in [row[0] for row in rows if argument in f"{row[2]} "]:
                self.control("unload-module", number)

    def control(self, *arguments: str) -> str:
        """Run pactl and return its output."""
        done = subprocess.run(["pactl", *arguments], env=self.env, check=True, capture_output=True, text=True, timeout=STEP_DEADLINE_S)
        return done.stdout.strip()

    def play(self, path: Path) -> None:
        """Play a recording to the sink, to its end."""
        subprocess.run(["paplay", f"--device={SINK}", str(path)], env=self.env, check=True)

    @contextmanager
    def playing(self, path: Path, sink: str = SINK) -> Iterator[None]:
        """Play a recording until its end, or until that of the block."""
        with subprocess.Popen(["paplay", f"--device={sink}", str(path)], env=self.env, stderr=subprocess.DEVNULL) as player:
            try:
                yield
            finally:
                player.kill()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + STEP_DEADLINE_S
        while subprocess.run(["pactl", "info"], env=self.env, capture_output=True, check=False).returncode:
            if time.monotonic() > deadline or (self._process is not None and self._process.poll() is not None):
                self.stop()
                raise RuntimeError(f"pulseaudio does not answer: {(self._folder / 'pulse.log').read_text()}")
            time.sleep(0.02)
