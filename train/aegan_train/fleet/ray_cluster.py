"""Tasks in the processes of a Ray cluster: one actor a processor, which stays, so that its imports are done once."""

import logging
import os
import platform
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from aegan_monitor import __version__
from aegan_monitor.errors import AeganError, UsageError
from aegan_train.fleet.step import Order, Result, run_step, set_up
from aegan_train.fleet.tasks import Task
from aegan_train.fleet.workers import Lost

AUTH_MODE, TOKEN = "RAY_AUTH_MODE", "token"
START_S = 300.0  # until the first actor is there, where others have failed
GROW_EVERY_S = 10.0  # how often new computers are looked for
TAKES_ALL = 1  # processor of an actor


@dataclass(frozen=True, slots=True)
class Greeting:
    """What an actor says of its computer.

    Attributes:
        sees: It sees the folder of the results.
        auth: Whether Ray wants a token there.
    """

    node: str
    version: str
    sees: bool
    auth: str


class Actor:
    """Does tasks on one processor of a computer of the cluster."""

    def __init__(self) -> None:
        """One thread, as everywhere."""
        set_up()

    def greet(self, out: str) -> Greeting:
        """Describe this computer."""
        return Greeting(platform.node(), __version__, Path(out).is_dir(), os.environ.get(AUTH_MODE, ""))

    def run(self, order: Order) -> Result:
        """Do a task."""
        return run_step(order)


@dataclass(slots=True)
class Member:
    """An actor, and what it does: it starts (no greeting yet), waits, or has a task."""

    handle: Any
    pending: Any
    node: str = ""
    task: Task | None = None

    @property
    def is_idle(self) -> bool:
        """It waits for a task. One whose computer cannot be used never does, and holds its processor."""
        return self.pending is None and bool(self.node)


class RayWorkers:
    """`Workers` of a cluster; it may grow and shrink meanwhile."""

    def __init__(self, address: str, out: Path, n_most: int | None, gpus: float, *, is_open: bool) -> None:
        """Connect, and start an actor for each processor, `n_most` at most, each with `gpus` of a GPU.

        `is_open`: whether a cluster that wants no token is used.

        Raises:
            AeganError: The cluster cannot be reached, or refuses the token.
        """
        self._out, self._n_most, self._gpus, self._is_open = out, n_most, gpus, is_open
        self._members: list[Member] = []
        self._refused: dict[str, str] = {}  # by computer
        self._has_said = False
        self._began_s = self._grown_s = time.monotonic()
        with explaining(address), warnings.catch_warnings(action="ignore"):  # the error says it
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, namespace="aegan-fleet")
            self._class = ray.remote(num_cpus=TAKES_ALL, num_gpus=gpus, max_restarts=0)(Actor)
            self._grow()

    @property
    def n_idle(self) -> int:
        """See `Workers`."""
        return sum(member.is_idle for member in self._members)

    @property
    def n_all(self) -> int:
        """See `Workers`: those that have begun."""
        return sum(bool(member.node) for member in self._members)

    def submit(self, task: Task) -> None:
        """See `Workers`."""
        member = next(member for member in self._members if member.is_idle)
        member.task, member.pending = task, member.handle.run.remote(Order.of(task))

    def wait(self, timeout_s: float) -> list[tuple[Task, Result | Lost]]:
        """See `Workers`.

        Raises:
            AeganError: The cluster is gone, wants no token, or none of its computers can do a task.
        """
        pending = {member.pending: member for member in self._members if member.pending is not None}
        found: list[tuple[Task, Result | Lost]] = []
        with explaining("the cluster"):
            ready = ray.wait(list(pending), num_returns=len(pending), timeout=timeout_s)[0] if pending else []
            for reference in ready:
                found += self._take(pending[reference], reference)
            if time.monotonic() - self._grown_s >= GROW_EVERY_S:
                self._grow()
        if not self.n_all and self._refused and time.monotonic() - self._began_s > START_S:
            raise AeganError(f"the cluster: {'; '.join(self._refused.values())}")
        if not self.n_all and not self._has_said:
            self._has_said = True
            print("waiting for a processor of the cluster", flush=True)
        return found

    def close(self) -> None:
        """See `Workers`."""
        for member in self._members:
            try:
                ray.kill(member.handle)
            except (RayError, ConnectionError):
                continue  # it is gone already
        self._members.clear()
        ray.shutdown()

    def _grow(self) -> None:
        """Start an actor for each processor that has none."""
        self._grown_s = time.monotonic()
        alive = [node for node in ray.nodes() if node["Alive"]]
        n_wanted = int(sum(node["Resources"].get("CPU", 0) for node in alive))
        n_wanted = min(n_wanted, self._n_most) if self._n_most else n_wanted
        for _ in range(n_wanted - len(self._members)):
            handle: Any = self._class.remote()
            self._members.append(Member(handle, handle.greet.remote(str(self._out))))

    def _take(self, member: Member, reference: Any) -> list[tuple[Task, Result | Lost]]:
        """What an actor has answered: its greeting, or a result."""
        task, member.task, member.pending = member.task, None, None
        try:
            answer = ray.get(reference)
        except RayError as error:
            self._members.remove(member)  # another is started in its place
            where = member.node or "a computer of the cluster"
            if task is None:
                self._refused[where] = f"{where}: {shorten(error)}"
                return []
            return [(task, Lost(f"{where} or its process is gone ({type(error).__name__})"))]
        if isinstance(answer, Greeting):
            self._meet(member, answer)
            return []
        return [(task, answer)] if task else []

    def _meet(self, member: Member, greeting: Greeting) -> None:
        """Use an actor, or not.

        Raises:
            AeganError: Its computer wants no token.
        """
        if greeting.auth != TOKEN and not self._is_open:
            raise UsageError(
                f"{greeting.node}: this cluster wants no token, so whoever reaches its ports can run programs on it; start it with "
                f"{AUTH_MODE}={TOKEN} (docs/fleet.md), or accept that with --open-cluster"
            )
        problem = ""
        if greeting.version != __version__:
            problem = f"has aegan-monitor {greeting.version}, here {__version__}; install the same"
        elif not greeting.sees:
            problem = f"does not see {self._out}; mount the shared folder there, in the same place"
        if problem and greeting.node not in self._refused:
            self._refused[greeting.node] = f"{greeting.node} {problem}"
            print(f"{greeting.node} {problem}; it is not used", flush=True)
        member.node = "" if problem else greeting.node


def shorten(error: Exception) -> str:
    """The last line of an error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]


@contextmanager
def explaining(where: str) -> Iterator[None]:
    """Errors of Ray as one line.

    Raises:
        AeganError: The cluster cannot be reached or used.
    """
    try:
        yield
    except (ConnectionError, RayError, RuntimeError, ValueError) as error:
        remedy = (
            "is the head running, does its port for clients (10001) let this computer in, and is its token here, in ~/.ray/auth_token "
            "(`ray get-auth-token` on the head shows it)?"
        )
        raise AeganError(f"{where}: {shorten(error)}; {remedy}") from error
