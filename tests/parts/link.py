"""A connection between client and broker that can be cut while both run."""

import contextlib
import math
import socket
import threading
from collections.abc import Callable

from broker import STEP_DEADLINE_S, find_free_port


class Link:
    """A wire between a client and the broker that can be cut: the broker and its subscribers live on.

    Attributes:
        port: Where the client connects to; refused while the link is cut.
    """

    def __init__(self, broker_port: int) -> None:
        """Store."""
        self.port = find_free_port()
        self._broker_port = broker_port
        self._changing = threading.Lock()
        self._is_joined = False
        self._n_bytes_left = math.inf
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def join(self, break_after_bytes: float = math.inf) -> None:
        """Accept connections; after this many bytes from clients the connection breaks as if cut."""
        listener = socket.create_server(("127.0.0.1", self.port))
        with self._changing:
            self._is_joined, self._n_bytes_left = True, break_after_bytes
            self._ends.append(listener)
            self._spawn(self._accept, listener)

    def cut(self) -> None:
        """Break all connections and refuse new ones; may be repeated."""
        self._break()
        for thread in self._threads:
            thread.join(STEP_DEADLINE_S)
        for end in self._ends:
            end.close()
        self._threads.clear()
        self._ends.clear()

    def _break(self) -> None:
        with self._changing:
            self._is_joined = False
            for end in self._ends:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _spawn(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                self._lay(client)

    def _lay(self, client: socket.socket) -> None:
        """Connect to the broker, unless there is none or the link was cut meanwhile."""
        try:
            broker = socket.create_connection(("127.0.0.1", self._broker_port))
        except OSError:
            client.close()
            return
        with self._changing:
            if self._is_joined:
                self._ends += [client, broker]
                self._spawn(self._carry, client, broker, self._is_worn_out)
                self._spawn(self._carry, broker, client, lambda _: False)
                return
        client.close()
        broker.close()

    def _is_worn_out(self, n_bytes: int) -> bool:
        """Count the bytes of a client; whether the limit is reached."""
        with self._changing:
            self._n_bytes_left -= n_bytes
            return self._n_bytes_left < 0

    def _carry(self, source: socket.socket, target: socket.socket, breaks: Callable[[int], bool]) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if breaks(len(data)):
                    self._break()
                    return
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
