"""A recorder to be killed while it writes: the real one, on a loop read at full speed."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import numpy as np

from aegan_monitor.audio.file import FileCapture
from aegan_monitor.audio.ring import Ring
from aegan_monitor.audio.supervisor import CaptureSupervisor
from aegan_monitor.tools.record.clip_folder import ClipFolder
from aegan_monitor.tools.record.clip_writer import CLIP_S, ClipWriter
from aegan_monitor.tools.record.recorder import Recorder

RATE_HZ = 1000  # a fast machine's ear
CLIP = CLIP_S * RATE_HZ


def noise(n_samples: int, seed: int = 0, size: float = 0.1) -> np.ndarray:
    """Noise of 16-bit samples."""
    samples: np.ndarray = np.round(np.random.default_rng(seed).normal(0, size, n_samples) * 32768).clip(-32768, 32767) / 32768
    return samples.astype(np.float32)


def record_for_ever(out: str, machine: str, sound: str, n_calls: int) -> None:
    """Record until killed, from outside or (with a number) by itself before that system call."""

    def tell(line: str) -> None:
        print(line, file=sys.stderr)

    ring = Ring(10 * CLIP, 1)
    capture = FileCapture([Path(sound)], RATE_HZ, "fast", loop=True)
    supervisor = CaptureSupervisor(machine, capture, ring, live=False, waits=True, no_data_s=9.0, retry_s=1.0)
    writer = ClipWriter(ClipFolder(Path(out), machine), RATE_HZ, tell, keep_free_bytes=0)
    recorder = Recorder(supervisor, ring, writer, RATE_HZ, tell)
    with die_before(n_calls):
        recorder.run()


@contextmanager
def die_before(n_calls: int) -> Iterator[None]:
    """Kill this process before the system call with that number of this thread; 0: never."""
    n_left = n_calls

    def count(_frame: FrameType, what: str, function: object) -> None:
        nonlocal n_left
        if what == "c_call" and is_of_system(function):
            n_left -= 1
            if n_left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    if n_calls:
        sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(None)


def is_of_system(function: object) -> bool:
    """Whether a built-in function makes a system call or hands data to a file."""
    owner = type(getattr(function, "__self__", None)).__name__
    return owner == "BufferedWriter" or getattr(function, "__module__", None) in ("posix", "fcntl")
