"""The publisher: delivers the outbox to the MQTT broker, one connection after the other, and hears what others say."""

import contextlib
import logging
import random
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

from aegan_monitor.errors import ConfigError
from aegan_monitor.messages.topics import Topics
from aegan_monitor.mqtt.broker_history import History
from aegan_monitor.mqtt.client import Protocol
from aegan_monitor.mqtt.connection import Conversation
from aegan_monitor.mqtt.endpoint import Connection, explain
from aegan_monitor.mqtt.incoming import Hear
from aegan_monitor.mqtt.log_once import Telling
from aegan_monitor.mqtt.settings import Stop, Terms
from aegan_monitor.outbox.backoff import FIRST_RETRIAL_S
from aegan_monitor.outbox.outbox import Outbox

log = logging.getLogger(__name__)

FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 30.0


class MqttPublisher:
    """Delivers the outbox to one broker, for ever: no state of the network is an error here, each is logged once.

    One thread owns the socket. Each connection has a new paho client that holds but a few messages, so order, back-off and what
    is sent again are decided here and in the outbox, not in paho's own queue.
    """

    def __init__(
        self,
        *,
        connection: Connection,
        protocol: Protocol,
        topics: Topics,
        outbox: Outbox,
        listeners: Mapping[str, Hear] = MappingProxyType({}),
        unwanted: Collection[str] = (),
        keepalive_s: int = 30,
        retry_s: tuple[float, float] = (FIRST_RETRY_S, LONGEST_RETRY_S),
        settled_s: float = 10.0,
        answer_timeout_s: float = 5.0,
        repeat_s: float = FIRST_RETRIAL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Store; `listeners`, by topic filter, hear what others publish, and `unwanted` filters of before are taken back.

        The wait before an attempt grows from `retry_s[0]` to `retry_s[1]`, with jitter; once a connection is older than
        `settled_s` it starts small again. `answer_timeout_s` is for the connection, again for the broker's answer to it, and again for
        what is retained, which goes before `online`. An `online` that the broker refuses is said again every `repeat_s`;
        by the `clock` a subscription is asked for again.
        """
        times_s = (settled_s, answer_timeout_s, repeat_s)
        self._terms = Terms(connection, protocol, topics, outbox, listeners, unwanted, keepalive_s, *times_s, clock)
        self._retry_s = retry_s
        self._subject = f"MQTT broker {connection.host}:{connection.port}"
        self._history = History(Telling(self._subject, log), f"; retrying every {retry_s[0]:g} to {retry_s[1]:g} s")
        self._stop = Stop()
        self._thread: threading.Thread | None = None
        self._conversation: Conversation | None = None

    @property
    def connected(self) -> bool:
        """The broker has accepted the connection, and it has not been seen to end."""
        return self._conversation is not None and self._conversation.connected

    @property
    def problem(self) -> str:
        """The last thing that went wrong with the broker, in one line; empty if nothing did."""
        return self._history.problem

    @property
    def refused_total(self) -> int:
        """Messages and subscriptions that the broker has refused."""
        return self._history.refused_total

    def start(self) -> None:
        """Connect in the background; a broker that is down is logged, and tried again."""
        self._woken, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._thread.start()

    def flush(self) -> None:
        """Say that the outbox has something; never blocks."""
        if self._thread is not None:
            with contextlib.suppress(OSError):  # full: it is about to wake up; closed: it has stopped
                self._waker.send(b"!")

    def stop(self, timeout_s: float = 2.0) -> None:
        """Deliver what is pending, then `offline`; when time is up the last will says `offline`, and the rest stays in the outbox."""
        if self._thread is None:
            return
        self._stop.by_s = time.monotonic() + timeout_s
        self._stop.asked.set()
        self.flush()
        if self._thread.is_alive():
            self._thread.join(timeout_s + 0.5)
        else:  # it has ended, or could not be started
            self._woken.close()
            self._waker.close()

    def _run(self) -> None:
        delay_s = self._retry_s[0]
        with self._woken, self._waker:
            while True:
                self._conversation = Conversation(self._terms, self._history, self._stop, self._woken)
                self._converse(self._conversation)
                delay_s = self._retry_s[0] if self._conversation.settled else delay_s
                delay_s = min(self._retry_s[1], random.uniform(self._retry_s[0], 3 * delay_s))
                if self._stop.asked.wait(delay_s):
                    return

    def _converse(self, conversation: Conversation) -> None:
        try:
            conversation.hold()
        except ConfigError as error:  # a certificate was replaced by something else
            self._history.warn(f"cannot be reached ({error})")
        except (OSError, UnicodeError) as error:
            self._history.warn(f"cannot be reached ({explain(error, self._terms.connection)})")
        except Exception:  # a dead thread would look like a quiet network
            log.exception("%s: please report this; retrying", self._subject)
