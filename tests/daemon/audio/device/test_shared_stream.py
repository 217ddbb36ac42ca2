"""One stream for all listeners of a device: opened once, closed by the last, and its end reported to each."""

import threading
import time

import numpy as np
import pytest

from aegan_monitor.audio.device.shared_stream import MOST_CHUNKS, Microphones, Subscription
from aegan_monitor.errors import CaptureError
from devices import FalseStream, ramp
from stopwatch import Stopwatch


def join(microphones: Microphones, stream: FalseStream, identity: str = "usb:1") -> Subscription:
    """A subscription to a device; only the first one's stream is used."""
    return microphones.join(identity, "mic", lambda: stream, 10.0)


def test_all_hear_every_chunk() -> None:
    """A second listener does not open the device again; the last closes it, and the next opens it."""
    microphones, streams = Microphones(), [FalseStream(), FalseStream(), FalseStream()]
    subscriptions = [join(microphones, streams[0]), join(microphones, streams[1])]
    streams[0].items += [ramp(10), ramp(20)]
    for subscription in subscriptions:
        assert [len(chunk.samples) for _ in range(2) if (chunk := subscription.read(5.0))] == [10, 20]
    subscriptions[0].leave()
    assert not streams[0].closed
    subscriptions[1].leave()
    assert streams[0].closed
    assert not streams[1].closed
    subscription = join(microphones, streams[2])
    streams[2].items.append(ramp(30))
    assert (chunk := subscription.read(5.0)) is not None
    assert len(chunk.samples) == 30
    subscription.leave()


def test_a_broken_device_is_told_to_all() -> None:
    """The error reaches every listener after the earlier samples; a new subscription opens the device again."""
    microphones, stream, following = Microphones(), FalseStream(), FalseStream()
    subscriptions = [join(microphones, stream), join(microphones, stream)]
    stream.items += [ramp(10), CaptureError("unplugged", "missing")]
    for subscription in subscriptions:
        assert subscription.read(5.0) is not None
        with pytest.raises(CaptureError, match="unplugged"):
            subscription.read(5.0)
    assert stream.closed
    subscription = join(microphones, following)
    following.items.append(ramp(5))
    assert subscription.read(5.0) is not None
    for each in (*subscriptions, subscription):
        each.leave()
    assert following.closed


def test_a_device_that_gives_nothing_is_stalled() -> None:
    """A device without samples is stalled after the configured time."""
    subscription = Microphones().join("usb:1", "microphone 'mic'", FalseStream, 0.3)
    start_s = time.monotonic()
    with Stopwatch() as watch, pytest.raises(CaptureError) as caught:
        subscription.read(5.0)
    assert time.monotonic() - start_s > 0.2
    assert watch.read_s() < 2.0
    assert caught.value.fault == "stalled"
    assert str(caught.value) == "microphone 'mic': expected sound, found none for 0.3 s; check its cable and the sound server"
    subscription.leave()


def test_who_is_too_slow_loses_the_oldest_and_is_reported() -> None:
    """A slow listener loses its oldest samples and sees the loss; the others lose nothing."""
    microphones, stream = Microphones(lambda: 0.0), FalseStream()  # a clock that stands, for chunks of no length
    slow, quick = join(microphones, stream), join(microphones, stream)
    for number in range(MOST_CHUNKS + 5):
        stream.items.append(ramp(1, number))
        chunk = quick.read(5.0)
        assert chunk is not None
        assert not chunk.overflowed
    first, second = slow.read(5.0), slow.read(5.0)
    assert first is not None
    assert second is not None
    assert (first.overflowed, second.overflowed) == (True, False)
    np.testing.assert_allclose([first.samples[0, 0], second.samples[0, 0]], [0.005, 0.006])
    slow.leave()
    quick.leave()


@pytest.mark.parametrize("lost_s", [0.1, 0.3, 1.0, 5.0])
def test_a_reported_overflow_is_one_gap(lost_s: float) -> None:
    """The rate check does not count the time of a reported overflow again."""
    stream, late_s = FalseStream(), [0.0]
    subscription, found = join(Microphones(lambda: stream.passed_s + late_s[0]), stream), []
    for second in range(60):
        late_s[0] = lost_s if second >= 20 else 0.0
        stream.items += [ramp(800, overflowed=second == 20), *[ramp(800)] * 19]
        found += [chunk.overflowed for _ in range(20) if (chunk := subscription.read(5.0))]
    assert [index for index, overflowed in enumerate(found) if overflowed] == [400]
    subscription.leave()


def test_a_device_that_does_not_open_opens_later() -> None:
    """A failed opening keeps no other listener waiting and can be repeated."""

    def fail() -> FalseStream:
        raise CaptureError("busy")

    microphones = Microphones()
    with pytest.raises(CaptureError, match="busy"):
        microphones.join("usb:1", "mic", fail, 1.0)
    join(microphones, FalseStream()).leave()


def test_a_fault_of_the_driver_is_reported() -> None:
    """Any exception of the driver is reported."""

    class Faulty(FalseStream):
        def read(self, timeout_s: float) -> None:
            raise ZeroDivisionError(f"driver {timeout_s:g}")

    subscription = join(Microphones(), Faulty())
    with pytest.raises(CaptureError, match=r"mic: reading it failed \(ZeroDivisionError: driver 0.1\); please report this"):
        subscription.read(5.0)
    subscription.leave()


def test_a_thread_that_does_not_start_leaves_the_device_free() -> None:
    """If no thread can start the device is closed, and can be opened later."""
    results = iter([RuntimeError("can't start new thread")])

    def start(thread: threading.Thread) -> None:
        for result in results:
            raise result
        thread.start()

    microphones, streams = Microphones(start=start), [FalseStream(), FalseStream([ramp(10)])]
    with pytest.raises(RuntimeError, match="can't start new thread"):
        join(microphones, streams[0])
    assert streams[0].closed
    subscription = join(microphones, streams[1])
    assert subscription.read(5.0) is not None
    subscription.leave()


def test_a_device_that_does_not_close_is_told_all_the_same() -> None:
    """A failure to close still reports the end to every listener."""

    class Stuck(FalseStream):
        def close(self) -> None:
            raise OSError("driver")

    subscription = join(Microphones(), Stuck([CaptureError("unplugged")]))
    with pytest.raises(CaptureError, match="unplugged"):
        subscription.read(5.0)
    subscription.leave()


def test_who_is_impatient_does_not_end_it_for_the_others() -> None:
    """The longest time-out of the listeners counts."""
    microphones, stream = Microphones(), FalseStream()
    subscriptions = [microphones.join("usb:1", "mic", lambda: stream, stall_s) for stall_s in (0.1, 30.0)]
    assert [subscription.read(0.5) for subscription in subscriptions] == [None, None]
    stream.items.append(ramp(10))
    for subscription in subscriptions:
        assert subscription.read(5.0) is not None
        subscription.leave()


def test_a_process_that_was_frozen_is_no_silence() -> None:
    """After a freeze of the process the device is not reported as stalled."""
    times_s = iter(range(0, 1_000_000, 3600))
    microphones, stream = Microphones(lambda: float(next(times_s))), FalseStream()
    subscription = microphones.join("usb:1", "mic", lambda: stream, 5.0)
    assert subscription.read(0.1) is None
    subscription.leave()


def test_a_suspended_machine_has_a_gap() -> None:
    """After a suspend of the machine the boot clock reveals the gap."""
    slept_s = iter([0.0, 0.0, 100.0, 100.0])
    microphones, stream = Microphones(lambda: 0.0, sleep_clock=lambda: next(slept_s)), FalseStream([ramp(10), ramp(20), ramp(30)])
    subscription = join(microphones, stream)
    chunks = [subscription.read(5.0) for _ in range(3)]
    assert [chunk.overflowed for chunk in chunks if chunk] == [False, True, False]
    subscription.leave()


def test_a_thread_that_loses_its_turn_was_not_suspended() -> None:
    """A thread that is descheduled between reading two clocks causes no gap."""
    slept_s = iter([5.0, 5.0, 4.8, 5.0, 5.0])
    microphones, stream = Microphones(lambda: 0.0, sleep_clock=lambda: next(slept_s)), FalseStream([ramp(10), ramp(20), ramp(30)])
    subscription = join(microphones, stream)
    chunks = [subscription.read(5.0) for _ in range(3)]
    assert [chunk.overflowed for chunk in chunks if chunk] == [False, False, False]
    subscription.leave()
