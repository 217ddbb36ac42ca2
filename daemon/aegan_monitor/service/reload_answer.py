"""`aegan-monitor reload`: sends SIGHUP to a daemon, and reads the result from a file in its runtime folder."""

import json
import logging
import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

from aegan_monitor.errors import AeganError
from aegan_monitor.files import write_whole

log = logging.getLogger(__name__)

NAME = "reload.json"
POLL_S = 0.05


class Answer(NamedTuple):
    """Result of the last reload, which began at `began_s` (monotonic clock); `problem` is empty if the new configuration is in use."""

    began_s: float = 0.0
    problem: str = ""


def find_answer_path(runtime_directory: str | None) -> Path | None:
    """The file in the folder that systemd makes for the service (`$RUNTIME_DIRECTORY`); None without systemd."""
    return Path(runtime_directory.split(":", 1)[0]) / NAME if runtime_directory else None


def write_answer(path: Path | None, answer: Answer) -> None:
    """Write the answer, whole or not at all, if there is a `path`. Without it `aegan-monitor reload` waits until its time limit."""
    if path is None:
        return
    try:
        write_whole(path, json.dumps(answer).encode())
    except OSError as error:
        log.warning("%s: cannot be written (%s)", path, error.strerror)


def read_answer(path: Path) -> Answer:
    """The last answer, or an empty one."""
    return Answer(*json.loads(path.read_bytes())) if path.exists() else Answer()


def request_reload(pid: int, path: Path | None) -> None:
    """Make the daemon with this process id reload, and wait for its answer at `path` while the daemon runs.

    A reload that runs already may have read the older configuration. So only a reload that begins after the request counts. The unit
    limits the time (TimeoutStartSec).

    Raises:
        AeganError: There is no `path`, no such daemon, or it keeps its present configuration.
    """
    if path is None:
        raise AeganError(
            f"reload: expected $RUNTIME_DIRECTORY; set RuntimeDirectory= in the unit, or by hand: kill -HUP {pid}, then see the log"
        )
    asked_s = time.monotonic()  # the same clock in every process
    _send(pid, signal.SIGHUP)
    while (answer := read_answer(path)).began_s < asked_s:
        time.sleep(POLL_S)
        _send(pid, 0)
    if answer.problem:
        raise AeganError(f"reload: the configuration from before stays in use: {answer.problem}")


def _send(pid: int, number: int) -> None:
    """Send a signal; 0 sends nothing, and checks that the process exists."""
    try:
        os.kill(pid, number)
    except OSError as error:
        raise AeganError(f"reload: process {pid} cannot be reached ({error.strerror}); is the daemon running?") from error
