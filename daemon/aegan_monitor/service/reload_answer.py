"""`aegan-monitor reload`: asks a daemon to reload, and reads the result from a file in its runtime folder."""

import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from aegan_monitor.errors import AeganError

NAME = "reload.json"
POLL_S = 0.05
PROGRAMS = ("aegan-monitor", "aegan_monitor.cli")  # as it is installed, and as python -m names it


@dataclass(frozen=True, slots=True)
class Answer:
    """Result of the last reload, which began at `began_s` (monotonic clock); `problem` is empty if the new configuration is in use."""

    began_s: float = 0.0
    problem: str = ""


def find_answer_path(runtime_directory: str | None) -> Path | None:
    """The file in the folder that systemd makes for the service (`$RUNTIME_DIRECTORY`); None without systemd."""
    return Path(runtime_directory.split(":", 1)[0]) / NAME if runtime_directory else None


def write_answer(path: Path, answer: Answer) -> None:
    """Write it atomically: a reader finds the old or the new answer."""
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps(asdict(answer)), encoding="utf-8")
    beside.replace(path)


def forget_answer(path: Path) -> None:
    """Remove the answer of an earlier daemon: the clock starts again at boot, so an old answer could look like a later one.

    Raises:
        OSError: It cannot be removed.
    """
    path.unlink(missing_ok=True)


def read_answer(path: Path) -> Answer:
    """The last answer, or an empty one."""
    try:
        return Answer(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Answer()


def request_reload(pid: int, path: Path) -> None:
    """Make the daemon with this process id reload, and wait for its answer at `path` as long as the daemon runs.

    A reload that runs already may have read the older configuration: only one that begins later counts. The unit limits the time
    (TimeoutStartSec).

    Raises:
        AeganError: There is no such daemon, or it keeps its configuration from before.
    """
    asked_s = time.monotonic()  # the same clock in every process
    _send(pid, signal.SIGHUP)
    while (answer := read_answer(path)).began_s < asked_s:
        time.sleep(POLL_S)
        send_nothing(pid)
    if answer.problem:
        raise AeganError(f"reload: the configuration from before stays in use: {answer.problem}")


def send_hangup(pid: int) -> None:
    """Send SIGHUP to a process that a person names, if it is a daemon that handles it: SIGHUP would end any other.

    Raises:
        AeganError: There is no such process, it may not be signalled, it is not a daemon, or the daemon does not monitor yet.
    """
    send_nothing(pid)
    try:
        words = Path("/proc", str(pid), "cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
        status = dict(line.split(":\t", 1) for line in Path("/proc", str(pid), "status").read_text(errors="replace").splitlines())
    except OSError as error:
        raise _unreachable(pid, error) from error
    if not any(Path(program).name in PROGRAMS and command == "run" for program, command in pairwise(words)):
        raise AeganError(f"reload: expected the process of an aegan-monitor run, found {pid} ({status['Name']}); nothing was sent to it")
    if not int(status["SigCgt"], 16) >> (signal.SIGHUP - 1) & 1:
        raise AeganError(f"reload: process {pid} does not monitor yet; nothing was sent to it, ask again once it does")
    _send(pid, signal.SIGHUP)


def send_nothing(pid: int) -> None:
    """Check that the process exists.

    Raises:
        AeganError: It does not.
    """
    _send(pid, 0)


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError as error:
        raise _unreachable(pid, error) from error


def _unreachable(pid: int, error: OSError) -> AeganError:
    return AeganError(f"reload: process {pid} cannot be reached ({error.strerror}); is the daemon running?")
