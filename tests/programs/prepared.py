"""A server process that has modules loaded and forks a child for every call: a call costs a fork, not the imports."""

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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Self

N_PIPES = 4  # a child's standard input, output and error, and the pipe for its exit code
MAX_REQUEST_BYTES = 65_536
MAX_DESCRIPTOR = 4096


class Child:
    """A child's process, as far as tests need what `subprocess.Popen` offers."""

    def __init__(self, pid: int, stdin: IO[bytes], stderr: IO[bytes], code: IO[bytes]) -> None:
        """Store; `code` gets the exit code, in digits, when the child has ended."""
        self.pid, self.stdin, self.stderr, self._code = pid, stdin, stderr, code
        self._returned: int | None = None
        try:
            self._process: int | None = os.pidfd_open(pid)
        except ProcessLookupError:
            self._process = None

    def kill(self) -> None:
        """Send SIGKILL; harmless when it has ended."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal; harmless when it has ended."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process, number)

    def wait(self, timeout_s: float) -> int:
        """Wait for its end; the exit code, negative after a signal."""
        if self._returned is None:
            assert select.select([self._code], [], [], timeout_s)[0], f"process {self.pid} has not ended within {timeout_s:g} s"
            self._returned = int(self._code.read())
            self._code.close()
            if self._process is not None:
                os.close(self._process)
                self._process = None
        return self._returned


class Prepared:
    """The server process; a context manager. Any thread may call `start` and `run`."""

    def __init__(self, *modules: str) -> None:
        """Store the modules that it loads."""
        self._modules = modules
        self._one_at_a_time = threading.Lock()

    def __enter__(self) -> Self:
        """Start; calls wait until all modules are loaded."""
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

    def start(
        self,
        module: str,
        function: str,
        arguments: Sequence[object],
        environment: Mapping[str, str] | None = None,
        *,
        folder: str | Path = ".",
        stdout: int = 1,
    ) -> Child:
        """Call a function, with what JSON can carry, in a child of its own; what it returns is the exit code."""
        child_in, stdin = os.pipe()
        stderr, child_err = os.pipe()
        code, child_code = os.pipe()
        request = json.dumps([module, function, arguments, dict(environment or {}), str(Path(folder).resolve())]).encode()
        with self._one_at_a_time:
            socket.send_fds(self._channel, [request], [child_in, stdout, child_err, child_code])
            pid = int(self._channel.recv(MAX_REQUEST_BYTES))
        for descriptor in (child_in, child_err, child_code):
            os.close(descriptor)
        return Child(pid, os.fdopen(stdin, "wb"), os.fdopen(stderr, "rb"), os.fdopen(code, "rb"))

    def run(
        self,
        module: str,
        function: str,
        arguments: Sequence[object],
        environment: Mapping[str, str] | None = None,
        *,
        folder: str | Path = ".",
        stdin: bytes = b"",
        timeout_s: float = 60.0,
    ) -> "subprocess.CompletedProcess[str]":
        """Call a function to its end, as `subprocess.run` runs a program."""
        out, child_out = os.pipe()
        child = self.start(module, function, arguments, environment, folder=folder, stdout=child_out)
        os.close(child_out)
        with ThreadPoolExecutor(2) as pool, os.fdopen(out, "rb") as stdout, child.stderr:
            texts = [pool.submit(stream.read) for stream in (stdout, child.stderr)]
            try:
                with contextlib.suppress(BrokenPipeError), child.stdin:
                    child.stdin.write(stdin)
                code = child.wait(timeout_s)
            finally:
                child.kill()
            reported, complaints = (text.result().decode() for text in texts)
        return subprocess.CompletedProcess([module, function], code, reported, complaints)


def serve(channel: socket.socket) -> None:
    """Fork a child for every request and report its exit code, until the other end closes the channel."""
    running: dict[int, tuple[int, int]] = {}  # by the descriptor of its process: number, and the pipe for its exit code
    while True:
        for ended in select.select([channel.fileno(), *running], [], [])[0]:
            if ended != channel.fileno():
                pid, pipe = running.pop(ended)
                os.close(ended)
                _report(pid, pipe)
                continue
            request, pipes, _, _ = socket.recv_fds(channel, MAX_REQUEST_BYTES, N_PIPES)
            if not request:
                return
            pid = os.fork()
            if pid == 0:
                channel.close()
                _call(request, pipes)
            running[os.pidfd_open(pid)] = pid, pipes.pop()
            for pipe in pipes:
                os.close(pipe)
            channel.send(str(pid).encode())


def _report(pid: int, pipe: int) -> None:
    """Write the exit code of a child that has ended."""
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with contextlib.suppress(BrokenPipeError), os.fdopen(pipe, "wb") as end:
        end.write(str(code).encode())


def _call(request: bytes, pipes: Sequence[int]) -> None:
    """The child's whole life."""
    for descriptor, pipe in enumerate(pipes[:3]):
        os.dup2(pipe, descriptor)
    os.closerange(3, MAX_DESCRIPTOR)  # of other children, too: their pipes end when they do
    module, function, arguments, environment, folder = json.loads(request)
    os.environ.update(environment)
    os.chdir(folder)
    code: object = 1
    try:
        code = getattr(importlib.import_module(module), function)(*arguments)
    except SystemExit as end:
        code = end.code
    except Exception:  # noqa: BLE001 - printed to the standard error of the child
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    for name in sys.argv[2:]:
        importlib.import_module(name)
    serve(socket.socket(fileno=int(sys.argv[1])))
