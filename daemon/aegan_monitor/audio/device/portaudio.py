"""Captures sound cards without a sound server, through PortAudio in a child process (`portaudio_process.py`)."""

import contextlib
import json
import logging
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aegan_monitor.audio.device import portaudio_process as portaudio
from aegan_monitor.audio.device.stream import Chunk
from aegan_monitor.config.names import make_printable
from aegan_monitor.errors import CaptureError

log = logging.getLogger(__name__)

LARGEST_CHUNK = 1 << 20  # samples of a channel; far above those of any child
LONGEST_WORDS = 200
ANSWER_S = 5.0  # a Raspberry Pi with many cards takes two
COMMAND = (sys.executable, "-P", str(Path(portaudio.__file__)))  # -P: no modules are imported from the folder of that file

_ERROR = b'{"err'  # in place of a chunk's header; no chunk has so many samples


class PortAudio:
    """Starts child processes; `command` runs `portaudio_process.py`."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._command = tuple(command)

    def list_devices(self) -> list[dict[str, Any]]:
        """Input devices, as `portaudio_process.find_devices` lists them.

        Raises:
            CaptureError: PortAudio is missing, or cannot start.
        """
        child = _Child([*self._command, "list"])
        try:
            devices: list[dict[str, Any]] = child.read_line()["devices"]
        except ChildError as error:
            raise CaptureError(f"PortAudio does not start ({error}); check the sound system") from error
        finally:
            child.close()
        return devices

    def open(self, name: str, place: str) -> "PortAudioStream":
        """Open the device that PortAudio calls `place`; `name` is for messages.

        Raises:
            CaptureError: It does not open.
        """
        child = _Child([*self._command, "record", place])
        try:
            return PortAudioStream(name, child, child.read_line())
        except BaseException as error:
            child.close()
            if isinstance(error, ChildError):
                remedy = "close other programs that use it (aegan-monitor devices)"
                raise CaptureError(f"microphone {name!r}: does not open ({error}); {remedy}") from error
            raise


class PortAudioStream:
    """The samples of one child."""

    def __init__(self, name: str, child: "_Child", form: dict[str, Any]) -> None:
        self._name, self._child = name, child
        self.sample_rate_hz: int = form["sample_rate_hz"]
        self.n_channels: int = form["n_channels"]

    def read(self, timeout_s: float) -> Chunk | None:
        """See Stream."""
        header = portaudio.HEADER
        try:
            head = self._child.peek(header.size, timeout_s)
            if head is None:
                return None
            if head == _ERROR:
                self._child.read_line()
            n_samples, overflowed = header.unpack(head)
            if n_samples > LARGEST_CHUNK:
                raise ChildError(f"it wrote wrong data: {head!r}")
            n_bytes = header.size + 4 * n_samples * self.n_channels
            content = self._child.peek(n_bytes, timeout_s)
            if content is None:  # the child stopped within a chunk
                return None
            self._child.drop(n_bytes)
        except ChildError as error:
            raise CaptureError(f"microphone {self._name!r}: stopped ({error}); check that it is plugged in") from error
        samples = np.frombuffer(content, "<f4", offset=header.size).astype(np.float32)
        return Chunk(samples.reshape(n_samples, self.n_channels), overflowed)

    def close(self) -> None:
        """End the child."""
        self._child.close()


class ChildError(Exception):
    """A child reported an error, ended, or sent nothing."""


class _Child:
    """A child process and its unread output."""

    def __init__(self, command: list[str]) -> None:
        self._buffer = bytearray()
        self._last_words = ""  # the last line that ALSA or PortAudio printed
        pipe = subprocess.PIPE  # stdin, too: the child ends when it is closed
        try:  # process_group: Ctrl-C must not end the child, which would be a fault
            self._process = subprocess.Popen(command, 0, stdin=pipe, stdout=pipe, stderr=pipe, process_group=0)
        except OSError as error:
            raise CaptureError(f"PortAudio does not start ({error.strerror}); free memory or processes") from error
        self._pipes = [each for each in (self._process.stdin, self._process.stdout, self._process.stderr) if each]
        _, self._output, self._errors = (each.fileno() for each in self._pipes)

    def read_line(self) -> dict[str, Any]:
        """Read its first line."""
        deadline_s = time.monotonic() + ANSWER_S
        while b"\n" not in self._buffer:
            if not self._receive(deadline_s - time.monotonic()):
                raise ChildError(f"no answer for {ANSWER_S:g} s")
        line, _, rest = bytes(self._buffer).partition(b"\n")
        self._buffer[:] = rest
        try:
            content: dict[str, Any] = {**json.loads(line)}
        except (TypeError, ValueError) as error:
            raise ChildError(f"it wrote wrong data: {line[:40]!r}") from error
        if "missing" in content:
            raise CaptureError(content["missing"])
        if "error" in content:
            raise self._fail(content["error"])
        return content

    def peek(self, n_bytes: int, timeout_s: float) -> bytes | None:
        """The next bytes, which stay in the buffer; None if they have not arrived."""
        deadline_s = time.monotonic() + timeout_s
        while len(self._buffer) < n_bytes:
            if not self._receive(deadline_s - time.monotonic()):
                return None
        return bytes(self._buffer[:n_bytes])

    def drop(self, n_bytes: int) -> None:
        """Remove the next bytes."""
        del self._buffer[:n_bytes]

    def close(self) -> None:
        """Kill it; a process that hangs in the kernel is abandoned."""
        self._process.kill()
        for pipe in self._pipes:
            pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)

    def _receive(self, timeout_s: float) -> bool:
        """Wait for output, at most `timeout_s`; False when the time is up."""
        poll = select.poll()
        poll.register(self._output, select.POLLIN)
        poll.register(self._errors, select.POLLIN)  # a child with a full stderr would block
        ready = dict(poll.poll(1000 * max(0.0, timeout_s)))
        if ready.get(self._errors, 0) & select.POLLIN:
            self._log_errors()
        if self._output not in ready:
            if ready.get(self._errors) == select.POLLHUP:
                time.sleep(min(0.01, max(0.0, timeout_s)))
            return bool(ready) and timeout_s > 0
        content = os.read(self._output, 1 << 18)
        if not content:
            try:
                raise self._fail(f"its process ended with {self._process.wait(1.0)}")
            except subprocess.TimeoutExpired as error:
                raise self._fail("it has closed its output") from error
        self._buffer += content
        return True

    def _log_errors(self) -> None:
        """Log the lines of ALSA and PortAudio, and keep the last one."""
        for line in os.read(self._errors, 1 << 16).decode(errors="replace").splitlines():
            if text := make_printable(line.strip()):
                log.debug("PortAudio: %s", text)
                self._last_words = text[:LONGEST_WORDS]

    def _fail(self, reason: str) -> ChildError:
        """An error with the last printed line, which often names the cause."""
        poll = select.poll()
        poll.register(self._errors, select.POLLIN)
        while any(event & select.POLLIN for _, event in poll.poll(0)):
            self._log_errors()
        return ChildError(f"{reason}: {self._last_words}" if self._last_words else reason)
