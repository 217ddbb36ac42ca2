"""The answer of a reload: how the caller of `aegan-monitor reload` receives its result."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aegan_monitor.errors import AeganError
from aegan_monitor.service.reload_answer import POLL_S, Answer, find_answer_path, read_answer, request_reload, write_answer

N_WRITES = 300


@pytest.fixture
def hangups() -> Iterator[threading.Event]:
    """An event that is set when this process receives SIGHUP."""
    asked = threading.Event()
    before = signal.signal(signal.SIGHUP, lambda *_: asked.set())
    yield asked
    signal.signal(signal.SIGHUP, before)


def answer_when_asked(asked: threading.Event, path: Path, problem: str = "") -> threading.Thread:
    """Answer the next reload, as a daemon does."""

    def run() -> None:
        assert asked.wait(10.0)
        write_answer(path, Answer(time.monotonic(), problem))

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_reload_that_went_well_is_no_error(hangups: threading.Event, tmp_path: Path) -> None:
    """A successful reload returns after the daemon has answered, not before."""
    path = tmp_path / "reload.json"
    thread = answer_when_asked(hangups, path)
    request_reload(os.getpid(), path)
    assert hangups.is_set()
    assert read_answer(path).problem == ""
    thread.join()


def test_one_that_failed_says_why(hangups: threading.Event, tmp_path: Path) -> None:
    """A failed reload gives the daemon's own line; an older answer is ignored."""
    path = tmp_path / "reload.json"
    write_answer(path, Answer(time.monotonic()))
    thread = answer_when_asked(hangups, path, "monitor.yaml: mqqt: unknown key; did you mean mqtt?")
    expected = "^reload: the configuration from before stays in use: monitor.yaml: mqqt: unknown key; did you mean mqtt[?]$"
    with pytest.raises(AeganError, match=expected):
        request_reload(os.getpid(), path)
    thread.join()


def test_the_answer_to_another_is_not_taken(hangups: threading.Event, tmp_path: Path) -> None:
    """The answer to a reload that was already in progress is ignored, because it has read older files."""
    path, began_s = tmp_path / "reload.json", time.monotonic()

    def run() -> None:
        assert hangups.wait(10.0)
        write_answer(path, Answer(began_s))
        time.sleep(3 * POLL_S)  # in which the first answer must not be taken
        write_answer(path, Answer(time.monotonic(), "monitor.yaml: not YAML"))

    thread = threading.Thread(target=run)
    thread.start()
    with pytest.raises(AeganError, match="^reload: the configuration from before stays in use: monitor.yaml: not YAML$"):
        request_reload(os.getpid(), path)
    thread.join()


def test_no_such_process(tmp_path: Path) -> None:
    """A process id that does not exist gives an error at once."""
    with pytest.raises(AeganError, match=r"^reload: process 4194305 cannot be reached \(No such process\); is the daemon running[?]$"):
        request_reload(4_194_305, tmp_path / "reload.json")  # over the largest that Linux gives


def test_without_systemd_the_signal_is_named() -> None:
    """Without systemd's folder there is no answer; the command names the signal to send, and sends none."""
    with pytest.raises(
        AeganError, match=r"^reload: expected [$]RUNTIME_DIRECTORY; set RuntimeDirectory= in the unit, or by hand: kill -HUP 1234"
    ):
        request_reload(1234, None)


def test_a_reader_finds_a_whole_answer(tmp_path: Path) -> None:
    """A reader never sees a partly written answer."""
    path = tmp_path / "reload.json"
    write_answer(path, Answer())

    def write_all() -> None:
        for n in range(N_WRITES):
            write_answer(path, Answer(float(n), "x" * n))

    writer = threading.Thread(target=write_all)
    writer.start()
    while writer.is_alive():
        answer = read_answer(path)
        assert answer.problem == "x" * int(answer.began_s)
    writer.join()


@pytest.mark.parametrize(
    ("named", "found"), [(None, None), ("", None), ("/run/a", Path("/run/a/reload.json")), ("/run/a:/run/b", Path("/run/a/reload.json"))]
)
def test_it_lies_where_systemd_says(named: str | None, found: Path | None) -> None:
    """The answer lies in the first runtime folder of the service; without systemd there is none."""
    assert find_answer_path(named) == found
