"""A process that has everything loaded and forks a child for every call, so that a hundred starts cost no hundred imports."""

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from typing import IO, Self

N_PIPES = 2  # standard input and error of a child
MAX_REQUEST_BYTES = 65_536


class Child:
    """What `subprocess.Popen` tells of a process, but for its exit code, which only its parent knows."""

    def __init__(self, pid: int, stdin: IO[bytes], stderr: IO[bytes]) -> None:
        self.pid, self.stdin, self.stderr = pid, stdin, stderr
        try:
            self._end: int | None = os.pidfd_open(pid)
        except ProcessLookupError:
            self._end = None

    def kill(self) -> None:
        """End it as a power cut does; harmless when it has ended."""
        if self._end is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._end, signal.SIGKILL)

    def wait(self, timeout_s: float) -> int:
        """Until all that it held is free."""
        if self._end is not None:
            assert select.select([self._end], [], [], timeout_s)[0], f"process {self.pid} has not ended within {timeout_s:g} s"
            os.close(self._end)
            self._end = None
        return -signal.SIGKILL


class Prepared:
    """The process; a context manager. Any thread may call `start`."""

    def __init__(self, *modules: str) -> None:
        """Store the modules that it loads."""
        self._modules = modules
        self._one_at_a_time = threading.Lock()

    def __enter__(self) -> Self:
        """Start; calls wait until all is loaded."""
        self._channel, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, __file__, str(other.fileno()), *self._modules]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self._process = subprocess.Popen(command, pass_fds=[other.fileno()], env=environment)
        other.close()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._channel.close()
        assert self._process.wait(10.0) == 0

    def start(self, module: str, function: str, arguments: Sequence[object], environment: Mapping[str, str] | None = None) -> Child:
        """Call a function, with what JSON can carry, in a child of its own."""
        child_in, stdin = os.pipe()
        stderr, child_err = os.pipe()
        request = json.dumps([module, function, arguments, dict(environment or {})]).encode()
        with self._one_at_a_time:
            socket.send_fds(self._channel, [request], [child_in, child_err])
            pid = int(self._channel.recv(MAX_REQUEST_BYTES))
        os.close(child_in)
        os.close(child_err)
        return Child(pid, os.fdopen(stdin, "wb"), os.fdopen(stderr, "rb"))


def serve(channel: socket.socket) -> None:
    """Fork a child for every request, until nobody can ask any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel takes away what has ended
    while True:
        request, pipes, _, _ = socket.recv_fds(channel, MAX_REQUEST_BYTES, N_PIPES)
        if not request:
            return
        pid = os.fork()
        if pid == 0:
            channel.close()
            _call(request, pipes)
        for pipe in pipes:
            os.close(pipe)
        channel.send(str(pid).encode())


def _call(request: bytes, pipes: Sequence[int]) -> None:
    """The child's whole life."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for descriptor, pipe in zip((0, 2), pipes, strict=True):
        os.dup2(pipe, descriptor)
        os.close(pipe)
    module, function, arguments, environment = json.loads(request)
    os.environ.update(environment)
    try:
        getattr(importlib.import_module(module), function)(*arguments)
    except Exception:  # noqa: BLE001 - whoever reads its standard error shall see it
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(0)


if __name__ == "__main__":
    for name in sys.argv[2:]:
        importlib.import_module(name)
    serve(socket.socket(fileno=int(sys.argv[1])))
