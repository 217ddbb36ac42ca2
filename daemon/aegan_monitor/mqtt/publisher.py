"""The publisher: delivers the outbox to the MQTT broker, and connects again whenever the connection ends."""

import contextlib
import logging
import random
import socket
import threading
import time

from aegan_monitor.errors import ConfigError
from aegan_monitor.mqtt.connection import Connection, Stop
from aegan_monitor.mqtt.connection_settings import ConnectionSettings
from aegan_monitor.mqtt.endpoint import explain
from aegan_monitor.mqtt.log_once import BrokerLog
from aegan_monitor.outbox.outbox import Outbox

log = logging.getLogger(__name__)

LEAVE_S = 2.0


class MqttPublisher:
    """Delivers the outbox to one broker. A network failure is logged once, and the publisher connects again.

    One thread owns the socket. Each connection has a new paho client that holds only a few messages, so the outbox decides on
    order, back-off and what is sent again, not paho's own queue.
    """

    def __init__(self, settings: ConnectionSettings, outbox: Outbox) -> None:
        self._outbox = outbox
        self._thread: threading.Thread | None = None
        self._connection: Connection | None = None
        self._n_refused_before = 0
        self._lock = threading.Lock()
        self._next: ConnectionSettings | None = None
        self._adopt(settings)

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted the connection, and no end of it was noticed."""
        return self._connection is not None and self._connection.connected

    @property
    def problem(self) -> str:
        """The last problem with the broker, in one line; empty if there was none."""
        return self._log.problem

    @property
    def refused_total(self) -> int:
        """Messages and subscriptions that brokers have refused."""
        return self._n_refused_before + self._log.refused_total

    def start(self) -> None:
        """Connect in the background; a broker that is down is logged, and tried again."""
        self._wake, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._thread.start()

    def flush(self) -> None:
        """Wake the MQTT thread: the outbox has new messages. Never blocks."""
        if self._thread is not None:
            with contextlib.suppress(OSError):  # full: the thread wakes up anyway; closed: it has stopped
                self._waker.send(b"!")

    def reconfigure(self, settings: ConnectionSettings) -> None:
        """Leave the broker as `stop` does, then connect with other settings; returns at once."""
        self._leave(LEAVE_S, settings)

    def stop(self, timeout_s: float = LEAVE_S) -> None:
        """Deliver what is pending, then `offline`; when time is up the last will says `offline`, and the rest stays in the outbox."""
        if self._thread is None:
            return
        self._leave(timeout_s, None)
        if self._thread.is_alive():
            self._thread.join(timeout_s + 0.5)
        else:  # the thread has ended, or could not be started
            self._wake.close()
            self._waker.close()

    def _leave(self, timeout_s: float, then: ConnectionSettings | None) -> None:
        with self._lock:
            self._next = then
            self._stop.by_s = time.monotonic() + timeout_s
            self._stop.set()
        self.flush()

    def _adopt(self, settings: ConnectionSettings) -> None:
        self._settings, self._stop = settings, Stop()
        self._subject = f"MQTT broker {settings.endpoint.host}:{settings.endpoint.port}"
        self._log = BrokerLog(self._subject, log, f"; retrying every {settings.retry_s[0]:g} to {settings.retry_s[1]:g} s")

    def _run(self) -> None:
        delay_s = self._settings.retry_s[0]
        with self._wake, self._waker:
            while True:
                self._connection = Connection(self._settings, self._outbox, self._log, self._stop, self._wake)
                self._serve(self._connection)
                first_s, longest_s = self._settings.retry_s
                delay_s = min(longest_s, random.uniform(first_s, 3 * (first_s if self._connection.settled else delay_s)))
                if self._stop.wait(delay_s):
                    with self._lock:
                        if self._next is None:
                            return
                        self._n_refused_before = self.refused_total
                        self._adopt(self._next)
                        delay_s, self._next = self._settings.retry_s[0], None

    def _serve(self, connection: Connection) -> None:
        try:
            connection.serve()
        except ConfigError as error:  # a certificate file has other content now
            self._log.warn(f"cannot be reached ({error})")
        except (OSError, UnicodeError) as error:
            self._log.warn(f"cannot be reached ({explain(error, self._settings.endpoint)})")
        except Exception:  # a dead thread would look like a quiet network
            log.exception("%s: please report this; retrying", self._subject)
