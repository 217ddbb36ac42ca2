"""The stopwatch: what it counts, and what it does not."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from broker import wait_until
from stopwatch import LONGEST_TURN_S, Count

STOPPED_S, NOTICED_S = 1.0, 0.2
PROGRAM = """import sys
sys.path.insert(0, sys.argv[1])
from stopwatch import Stopwatch
with Stopwatch() as watch:
    for line in sys.stdin:
        print(watch.read_s(), flush=True)
"""


def test_all_is_counted_but_long_times_without_a_look() -> None:
    """To the moment."""
    count = Count(100.0)
    assert count.look(100.0 + LONGEST_TURN_S) == pytest.approx(LONGEST_TURN_S)
    assert [count.look(101.0 + look / 100) for look in range(101)][-1] == pytest.approx(2 * LONGEST_TURN_S + 1.0)
    assert count.look(110.0) == pytest.approx(3 * LONGEST_TURN_S + 1.0)


@pytest.fixture
def watch() -> Iterator[tuple["subprocess.Popen[str]", Callable[[], float]]]:
    """A process with a stopwatch, and what reads it."""
    command = [sys.executable, "-c", PROGRAM, str(Path(__file__).parent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def read_s() -> float:
            stdin.write("\n")
            return float(stdout.readline())

        yield process, read_s


def test_time_in_which_a_process_waits_is_counted(watch: tuple["subprocess.Popen[str]", Callable[[], float]]) -> None:
    """It has its turns, and nothing to do."""
    _, read_s = watch
    before_s = read_s()
    wait_until(lambda: read_s() > before_s + STOPPED_S, "a second")


def test_time_in_which_a_process_has_no_turn_is_not(watch: tuple["subprocess.Popen[str]", Callable[[], float]]) -> None:
    """However long that is: what is counted is at most the rest."""
    process, read_s = watch
    began_s, before_s = time.monotonic(), read_s()
    process.send_signal(signal.SIGSTOP)
    stopped_s = time.monotonic()
    time.sleep(STOPPED_S)
    stood_s = time.monotonic() - stopped_s
    process.send_signal(signal.SIGCONT)
    counted_s = read_s() - before_s
    assert counted_s < time.monotonic() - began_s - stood_s + NOTICED_S
