"""Shares one device stream between several captures: one thread reads it and queues each chunk for every subscription."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from aegan_monitor.audio.device.rate_check import RateMeter
from aegan_monitor.audio.device.stream import Chunk, Stream
from aegan_monitor.errors import CaptureError

log = logging.getLogger(__name__)

TURN_S = 0.1
LEAVE_S = 2.0
SUSPENDED_S = 0.1
MOST_CHUNKS = 200  # 10 s: the queue of one subscription


def read_sleep_clock() -> float:
    """Seconds for which this computer was suspended since boot: meanwhile the monotonic clock and devices stand still."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


class Subscription:
    """Queue of chunks for one capture; belongs to the thread of the capture."""

    def __init__(self, device: "_OpenDevice", stall_s: float) -> None:
        self.device, self.stall_s = device, stall_s
        self._chunks: deque[Chunk] = deque()
        self._error: CaptureError | None = None
        self._changed = threading.Condition()

    def read(self, timeout_s: float) -> Chunk | None:
        """The next chunk; None if none came.

        Raises:
            CaptureError: The device failed, and all earlier chunks were read.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._chunks or self._error, timeout_s)
            if self._chunks:
                return self._chunks.popleft()
            if self._error:
                raise CaptureError(str(self._error), self._error.fault)
            return None

    def leave(self) -> None:
        """Unsubscribe; the last one closes the device."""
        self.device.remove(self)

    def give(self, chunk: Chunk) -> None:
        """Queue a chunk (thread of the device); a full queue drops the oldest and marks the next as overflowed."""
        with self._changed:
            if len(self._chunks) >= MOST_CHUNKS:
                self._chunks.popleft()
                self._chunks[0] = Chunk(self._chunks[0].samples, overflowed=True)
            self._chunks.append(chunk)
            self._changed.notify()

    def fail(self, error: CaptureError) -> None:
        """End with `error` (thread of the device)."""
        with self._changed:
            self._error = error
            self._changed.notify()


class _OpenDevice:
    """A device from its opening until it is closed."""

    def __init__(self, name: str, stream: Stream, clock: Callable[[], float], sleep_clock: Callable[[], float]) -> None:
        self.sample_rate_hz, self.n_channels = stream.sample_rate_hz, stream.n_channels
        self.meter = RateMeter(name, stream.sample_rate_hz)
        self._name, self._stream, self._clock, self._sleep_clock = name, stream, clock, sleep_clock
        self._subscriptions: tuple[Subscription, ...] = ()
        self._over = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"device {name}", daemon=True)

    def start(self, subscription: Subscription, start: Callable[[threading.Thread], None]) -> None:
        """Start the thread, with a first subscription."""
        self._subscriptions = (subscription,)
        try:
            start(self._thread)
        except BaseException:  # no thread could be started
            self._stream.close()
            raise

    def add(self, stall_s: float) -> Subscription | None:
        """A new subscription; None if the device is closing."""
        with self._lock:
            if self._over:
                return None
            subscription = Subscription(self, stall_s)
            self._subscriptions += (subscription,)
            return subscription

    def remove(self, subscription: Subscription) -> None:
        """End a subscription; the last call waits until the device is closed."""
        with self._lock:
            self._subscriptions = tuple(other for other in self._subscriptions if other is not subscription)
            self._over = self._over or not self._subscriptions
        if self._over:
            self.wait()

    def wait(self) -> None:
        """Wait until the device is closed, for LEAVE_S at most."""
        self._thread.join(LEAVE_S)

    def _run(self) -> None:
        error = CaptureError(f"{self._name}: was closed")
        try:
            self._read()
        except CaptureError as fault:
            error = fault
        except Exception as fault:  # noqa: BLE001 - any failure must reach the subscriptions
            error = CaptureError(f"{self._name}: reading it failed ({type(fault).__name__}: {fault}); please report this")
        finally:
            with self._lock:
                self._over = True
            try:
                self._stream.close()
            except Exception as fault:
                log.error("%s: closing it failed; please report this", self._name, exc_info=fault)
            for subscription in self._subscriptions:
                subscription.fail(error)

    def _read(self) -> None:
        n_samples, quiet_s, now_s, suspended_s = 0, 0.0, self._clock(), self._sleep_clock()
        while not self._over:
            chunk = self._stream.read(TURN_S)
            before_s, now_s = now_s, self._clock()
            if chunk is None or len(chunk.samples) == 0:
                quiet_s += min(now_s - before_s, 2 * TURN_S)  # a longer turn: this process was frozen, and samples may be waiting
                self._refuse_stalled(quiet_s)
                continue
            quiet_s = 0.0
            n_samples += len(chunk.samples)
            if (sleep_s := self._sleep_clock()) > suspended_s + SUSPENDED_S:
                chunk = Chunk(chunk.samples, overflowed=True)
            suspended_s = max(suspended_s, sleep_s)  # it reads too low if the thread was preempted between the two clocks
            if chunk.overflowed:
                self.meter.restart()
            self.meter.add(n_samples, now_s)
            for subscription in self._subscriptions:
                subscription.give(chunk)

    def _refuse_stalled(self, quiet_s: float) -> None:
        # captures with a shorter timeout report the stall themselves
        stall_s = max((subscription.stall_s for subscription in self._subscriptions), default=TURN_S)
        if quiet_s > stall_s:
            raise CaptureError(
                f"{self._name}: expected sound, found none for {stall_s:g} s; check its cable and the sound server", "stalled"
            )


class Microphones:
    """The open devices of this process, by identity; each is opened once."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        start: Callable[[threading.Thread], None] = threading.Thread.start,
        sleep_clock: Callable[[], float] = read_sleep_clock,
    ) -> None:
        self._clock, self._start, self._sleep_clock = clock, start, sleep_clock
        self._devices: dict[str, _OpenDevice] = {}
        self._opening: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def join(self, identity: str, name: str, open_stream: Callable[[], Stream], stall_s: float) -> Subscription:
        """Subscribe to the device of that identity; the first subscription opens it.

        All subscriptions fail when no sample came for the longest `stall_s` of them.

        Raises:
            CaptureError: It does not open.
        """
        with self._lock:
            opening = self._opening.setdefault(identity, threading.Lock())
        with opening:
            device = self._devices.get(identity)
            if device and (subscription := device.add(stall_s)):
                return subscription
            if device:
                device.wait()
            device = _OpenDevice(name, open_stream(), self._clock, self._sleep_clock)
            subscription = Subscription(device, stall_s)
            device.start(subscription, self._start)
            self._devices[identity] = device  # only once its thread runs, so that its end can be waited for
            return subscription
