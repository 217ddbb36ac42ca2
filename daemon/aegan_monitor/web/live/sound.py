"""The sound of the machines for those who want it: listeners and spectrograms."""

import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

import numpy as np

from aegan_monitor.clock import since_boot_s
from aegan_monitor.types import FloatArray, Run
from aegan_monitor.web.live.mailbox import Mailbox
from aegan_monitor.web.live.streams import Pieces

WAITING_S = 0.5  # of sound that waits for one listener; older sound is left out
TURN_S = 60.0
ENDLESS = 0xFFFFFFFF  # sizes in the header of a WAV of unknown length


class Heard(NamedTuple):
    """Samples, and the wall time of the last of them."""

    run: Run
    time: datetime


class Sound:
    """Hands the samples of each machine to those who want them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taps: dict[str, set[Mailbox[Heard]]] = {}

    def take(self, machine: str, run: Run, now: datetime) -> None:
        """Samples, and the present wall time (worker thread)."""
        if not self.is_wanted(machine):
            return
        heard = Heard(run, run.wall_time(run.start_sample + len(run.samples), now, since_boot_s()))
        with self._lock:
            for mailbox in self._taps.get(machine, ()):
                mailbox.put(heard)

    def is_wanted(self, machine: str) -> bool:
        """Whether anybody takes the sound of a machine (any thread)."""
        return machine in self._taps

    @contextmanager
    def tap(self, machine: str, rate_hz: int) -> Iterator[Mailbox[Heard]]:
        """The samples of a machine from now on; at most WAITING_S of them wait."""
        mailbox: Mailbox[Heard] = Mailbox(round(WAITING_S * rate_hz), lambda heard: len(heard.run.samples))
        with self._lock:
            self._taps.setdefault(machine, set()).add(mailbox)
        try:
            yield mailbox
        finally:
            with self._lock:
                self._taps[machine].discard(mailbox)
                if not self._taps[machine]:
                    del self._taps[machine]

    async def listen(self, machine: str, rate_hz: int) -> Pieces:
        """An endless WAV, 16 bit, mono: the sound from now on."""
        most = round(WAITING_S * rate_hz)
        with self.tap(machine, rate_hz) as mailbox:
            yield make_endless_header(rate_hz)
            while True:
                if await mailbox.wait(TURN_S) and (heard := mailbox.take()[0]):
                    yield encode(np.concatenate([each.run.samples for each in heard])[-most:])


def make_endless_header(rate_hz: int) -> bytes:
    """Header of a mono WAV with 16-bit samples and no known end. Source: RFC 2361, Microsoft's `WAVEFORMAT`."""
    layout = struct.pack("<IHHIIHH", 16, 1, 1, rate_hz, 2 * rate_hz, 2, 16)
    return b"RIFF" + struct.pack("<I", ENDLESS) + b"WAVEfmt " + layout + b"data" + struct.pack("<I", ENDLESS)


def encode(samples: FloatArray) -> bytes:
    """16-bit samples, little-endian."""
    return np.round(np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes()
