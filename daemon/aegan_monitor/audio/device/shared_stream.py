"""One stream for all who listen to one device: a thread reads it and hands every chunk to each of them."""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable

from aegan_monitor.audio.device.rate_check import RateMeter
from aegan_monitor.audio.device.stream import Chunk, Stream
from aegan_monitor.errors import CaptureError
from aegan_monitor.types import FloatArray

log = logging.getLogger(__name__)

TURN_S = 0.1
LEAVE_S = 2.0
SLEPT_S = 0.1
MOST_CHUNKS = 200  # 10 s that a listener may be behind


def read_sleep_clock() -> float:
    """Seconds that this machine was suspended since it was booted: the monotonic clock stands meanwhile, and so does the device."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


class Seat:
    """One listener's place; it belongs to the listener's thread."""

    def __init__(self, device: "_OpenDevice", stall_s: float, patience_s: float) -> None:
        self.device, self.stall_s, self.patience_s = device, stall_s, patience_s
        self._chunks: deque[Chunk] = deque()
        self._error: CaptureError | None = None
        self._lost = False
        self._changed = threading.Condition()

    def read(self, timeout_s: float) -> Chunk | None:
        """The next chunk; None when none came.

        Raises:
            CaptureError: The device broke; everything before was given.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._chunks or self._error, timeout_s)
            if self._chunks:
                return self._chunks.popleft()
            if self._error:
                raise CaptureError(str(self._error), self._error.fault)
            return None

    def leave(self) -> None:
        """Listen no more; the last one closes the device."""
        self.device.remove(self)

    def give(self, chunk: Chunk) -> None:
        """Hand over a chunk (thread of the device); who does not take them loses the oldest."""
        with self._changed:
            if len(self._chunks) >= MOST_CHUNKS:
                self._chunks.popleft()
                oldest = self._chunks[0]
                self._chunks[0] = Chunk(oldest.samples, overflowed=True)
            self._chunks.append(chunk)
            self._changed.notify()

    def fail(self, error: CaptureError) -> None:
        """Say that nothing more will come (thread of the device)."""
        with self._changed:
            self._error = error
            self._changed.notify()


class _OpenDevice:
    """An open device from its opening to its end."""

    def __init__(self, name: str, stream: Stream, clock: Callable[[], float], sleep_clock: Callable[[], float]) -> None:
        self.sample_rate_hz, self.n_channels = stream.sample_rate_hz, stream.n_channels
        self.meter = RateMeter(name, stream.sample_rate_hz)
        self._name, self._stream, self._clock, self._sleep_clock = name, stream, clock, sleep_clock
        self._seats: tuple[Seat, ...] = ()
        self._values: FloatArray | None = None  # of the last samples, by channel
        self._n_flat = 0
        self._over = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"device {name}", daemon=True)

    def start(self, stall_s: float, patience_s: float, start: Callable[[threading.Thread], None]) -> Seat:
        """Begin to read, for a first seat."""
        seat = Seat(self, stall_s, patience_s)
        self._seats = (seat,)
        try:
            start(self._thread)
        except BaseException:  # no more threads, for now
            self._stream.close()
            raise
        return seat

    def add(self, stall_s: float, patience_s: float) -> Seat | None:
        """A seat, unless it is over."""
        with self._lock:
            if self._over:
                return None
            seat = Seat(self, stall_s, patience_s)
            self._seats += (seat,)
            return seat

    def remove(self, seat: Seat) -> None:
        """Forget a seat; the last one waits until the device is closed."""
        with self._lock:
            self._seats = tuple(other for other in self._seats if other is not seat)
            self._over = self._over or not self._seats
            over = self._over
        if over:
            self.wait()

    def wait(self) -> None:
        """Until the device is closed, or nobody knows when it will be."""
        self._thread.join(LEAVE_S)

    def _run(self) -> None:
        error = CaptureError(f"{self._name}: is no longer heard")
        try:
            self._read()
        except CaptureError as fault:
            error = fault
        except Exception as fault:  # noqa: BLE001 - whatever it is, those who listen must hear of it
            error = CaptureError(f"{self._name}: reading it failed ({type(fault).__name__}: {fault}); please report this")
        finally:
            with self._lock:
                self._over = True
            try:
                self._stream.close()
            except Exception as fault:
                log.error("%s: closing it failed; please report this", self._name, exc_info=fault)
            for seat in self._seats:
                seat.fail(error)

    def _read(self) -> None:
        n_samples, quiet_s, look_s, slept_s = 0, 0.0, self._clock(), self._sleep_clock()
        while not self._over:
            chunk = self._stream.read(TURN_S)
            before_s, look_s = look_s, self._clock()
            if chunk is None or len(chunk.samples) == 0:
                # a turn that took longer was ours: this process was frozen, and what has come meanwhile is not read yet
                quiet_s += min(look_s - before_s, 2 * TURN_S)
                self._refuse_stalled(quiet_s)
                continue
            quiet_s = 0.0
            n_samples += len(chunk.samples)
            before_s, slept_s = slept_s, max(slept_s, self._sleep_clock())  # too low where this thread lost its turn between two clocks
            if slept_s - before_s > SLEPT_S:
                chunk = Chunk(chunk.samples, overflowed=True)
            if chunk.overflowed:
                self.meter.restart()
            self.meter.add(n_samples, look_s)
            for seat in self._seats:
                seat.give(chunk)
            self._refuse_flat(chunk.samples)

    def _refuse_stalled(self, quiet_s: float) -> None:
        stall_s = max((seat.stall_s for seat in self._seats), default=TURN_S)  # who is less patient is told by its own listener
        if quiet_s > stall_s:
            raise CaptureError(
                f"{self._name}: expected sound, found none for {stall_s:g} s; check its cable and the sound server", "stalled"
            )

    def _refuse_flat(self, samples: FloatArray) -> None:
        """Have a device opened again when nobody hears anything of it; one dead channel of many is its listener's concern alone."""
        moves = self._values is None or (samples != self._values).any()
        self._n_flat = 0 if moves else self._n_flat + len(samples)
        self._values = samples[-1]
        if self._n_flat >= max((seat.patience_s for seat in self._seats), default=math.inf) * self.sample_rate_hz:
            fault = "constant" if self._values.any() else "silent"
            raise CaptureError(f"{self._name}: expected sound, found no channel that moves; check its cable", fault)


class Microphones:
    """The open devices of this process, each by its identity."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        start: Callable[[threading.Thread], None] = threading.Thread.start,
        sleep_clock: Callable[[], float] = read_sleep_clock,
    ) -> None:
        self._clock, self._start, self._sleep_clock = clock, start, sleep_clock
        self._devices: dict[str, _OpenDevice] = {}
        self._doors: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def join(self, identity: str, name: str, open_stream: Callable[[], Stream], stall_s: float, patience_s: float = math.inf) -> Seat:
        """A seat at the device of that identity, which is opened for the first.

        All seats end when nothing has come for the longest `stall_s` of them, or no channel has moved for the longest `patience_s`.

        Raises:
            CaptureError: It does not open.
        """
        with self._lock:
            door = self._doors.setdefault(identity, threading.Lock())
        with door:
            device = self._devices.get(identity)
            if device and (seat := device.add(stall_s, patience_s)):
                return seat
            if device:
                device.wait()
            device = _OpenDevice(name, open_stream(), self._clock, self._sleep_clock)
            seat = device.start(stall_s, patience_s, self._start)
            self._devices[identity] = device  # not before it runs: nobody could ever wait for its end
            return seat
