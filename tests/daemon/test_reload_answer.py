"""How whoever asks for a reload learns what came of it."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from aegan_monitor.errors import AeganError
from aegan_monitor.reload_answer import Answer, find_answer_path, read_answer, request_reload, write_answer

N_WRITES = 300


@pytest.fixture
def hangups() -> Iterator[threading.Event]:
    """Set once this process is asked to reload."""
    asked = threading.Event()
    before = signal.signal(signal.SIGHUP, lambda *_: asked.set())
    yield asked
    signal.signal(signal.SIGHUP, before)


def answer_when_asked(asked: threading.Event, path: Path, answer: Answer) -> threading.Thread:
    """A daemon's part."""

    def run() -> None:
        assert asked.wait(10.0)
        write_answer(path, answer)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_reload_that_went_well_is_no_error(hangups: threading.Event, tmp_path: Path) -> None:
    """It returns once the daemon has answered, not before."""
    path = tmp_path / "reload.json"
    thread = answer_when_asked(hangups, path, Answer(1))
    request_reload(os.getpid(), path, 10.0)
    assert hangups.is_set()
    assert read_answer(path) == Answer(1)
    thread.join()


def test_one_that_failed_says_why(hangups: threading.Event, tmp_path: Path) -> None:
    """With the daemon's own line; an answer from before is not taken for this one's."""
    path = tmp_path / "reload.json"
    write_answer(path, Answer(3))
    thread = answer_when_asked(hangups, path, Answer(4, "monitor.yaml: mqqt: unknown key; did you mean mqtt?"))
    expected = "^reload: the configuration from before stays in use: monitor.yaml: mqqt: unknown key; did you mean mqtt[?]$"
    with pytest.raises(AeganError, match=expected):
        request_reload(os.getpid(), path, 10.0)
    thread.join()


@pytest.mark.usefixtures("hangups")
def test_one_that_nobody_answers_ends(tmp_path: Path) -> None:
    """After the time that it was given."""
    with pytest.raises(AeganError, match=rf"^reload: no answer from process {os.getpid()} within 0.1 s; see its log$"):
        request_reload(os.getpid(), tmp_path / "reload.json", 0.1)


def test_no_such_process(tmp_path: Path) -> None:
    """Told at once."""
    with pytest.raises(AeganError, match=r"^reload: process 4194305 cannot be reached \(No such process\); is the daemon running[?]$"):
        request_reload(4_194_305, tmp_path / "reload.json", 10.0)  # over the largest that Linux gives


def test_a_reader_finds_a_whole_answer(tmp_path: Path) -> None:
    """Whenever it reads."""
    path = tmp_path / "reload.json"
    write_answer(path, Answer())

    def write_all() -> None:
        for n in range(N_WRITES):
            write_answer(path, Answer(n, "x" * n))

    writer = threading.Thread(target=write_all)
    writer.start()
    while writer.is_alive():
        answer = Answer(**json.loads(path.read_text()))
        assert answer.problem == "x" * answer.n_reloads
    writer.join()


@pytest.mark.parametrize(
    ("named", "found"), [(None, None), ("", None), ("/run/a", Path("/run/a/reload.json")), ("/run/a:/run/b", Path("/run/a/reload.json"))]
)
def test_it_lies_where_systemd_says(named: str | None, found: Path | None) -> None:
    """In the first of the service's run-time folders; nowhere without systemd."""
    assert find_answer_path(named) == found
