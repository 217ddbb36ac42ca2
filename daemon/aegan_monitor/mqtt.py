"""The adapter to the MQTT broker: rows of the outbox go out, acknowledgements come back. Nothing else here knows paho."""

import contextlib
import logging
import random
import select
import socket
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Literal, TypeAlias

from paho.mqtt.client import Client, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from aegan_monitor.messages import Message, Topics
from aegan_monitor.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paho.mqtt.client import SocketLike

log = logging.getLogger(__name__)

Protocol: TypeAlias = Literal["5", "3.1.1"]
MAX_IN_FLIGHT = 16  # brokers allow 20 and more; what waits beyond that waits in the outbox, not in paho
N_SHORT_SUSPECT = 3  # not every broker says why it closes: so many short connections look like two clients with one id

PAHO_PROTOCOLS: dict[Protocol, MQTTProtocolVersion] = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
WHERE_ADVICE = "check mqtt.host, mqtt.port and mqtt.protocol"
ADVICE = {
    "Unsupported protocol version": "set mqtt.protocol to 3.1.1",
    "Client identifier not valid": "change mqtt.client_id",
    **dict.fromkeys(("Bad user name or password", "Not authorized"), "check mqtt.username and mqtt.password_file"),
}


class MqttPublisher:
    """Delivers the outbox to one broker, for ever: no state of the network is an error here, each is logged once.

    One thread owns the socket. Each connection is a new session with a new paho client that holds at most
    `MAX_IN_FLIGHT` messages, so order, back-off and what is sent again are decided here and not in paho's own queue.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        protocol: Protocol,
        client_id: str,
        topics: Topics,
        outbox: Outbox,
        username: str | None = None,
        password: str | None = None,
        keepalive_s: int = 30,
        retry_s: tuple[float, float] = (1.0, 30.0),
        settled_s: float = 10.0,
        answer_timeout_s: float = 5.0,
    ) -> None:
        """Store.

        The wait before an attempt grows from `retry_s[0]` to `retry_s[1]`, with jitter; once a connection is older than
        `settled_s` it starts small again. `answer_timeout_s` is for the connection, and again for the broker's answer to it.
        """
        self.refused_total = 0
        self._host, self._port, self._protocol, self._client_id = host, port, protocol, client_id
        self._username, self._password, self._keepalive_s = username, password, keepalive_s
        self._topics, self._outbox = topics, outbox
        self._retry_s, self._settled_s, self._answer_timeout_s = retry_s, settled_s, answer_timeout_s

        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._delay_s = retry_s[0]
        self._n_short = 0  # connections in a row that ended before they settled
        self._broker = f"MQTT broker {host}:{port}"
        self._accepted = f"{self._broker} accepted client {client_id!r} (MQTT {protocol})"
        self._said: list[str] = []
        self._refused_topics: set[str] = set()
        self._forget_connection()

    @property
    def connected(self) -> bool:
        """The broker has accepted the connection, and it has not been seen to end."""
        return self._connected

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
        if self._thread is not None:
            self._stop_by_s = time.monotonic() + timeout_s
            self._stopping.set()
            self.flush()
            self._thread.join(timeout_s + 0.5)

    def _run(self) -> None:
        with self._woken, self._waker:
            while True:
                try:
                    self._converse()
                except (OSError, UnicodeError) as error:
                    self._warn(f"cannot be reached ({getattr(error, 'strerror', None) or error})")
                except Exception:  # a dead thread would look like a quiet network
                    log.exception("%s: please report this; retrying", self._broker)
                self._delay_s = min(self._retry_s[1], random.uniform(self._retry_s[0], 3 * self._delay_s))
                if self._stopping.wait(self._delay_s):
                    return

    def _forget_connection(self) -> None:
        self._answered = self._connected = self._settled = self._parting = False
        self._window = MAX_IN_FLIGHT
        self._statuses: deque[Message] = deque()  # go out before any row
        self._in_flight: dict[int, tuple[int | None, str]] = {}  # paho's message id: row (none: a status), topic

    def _converse(self) -> None:
        """One connection, from its beginning to its end."""
        client = self._make_client()
        try:
            client.connect(self._host, self._port, self._keepalive_s)
            began_s = time.monotonic()
            while (sock := client.socket()) is not None:
                self._exchange(client, sock)
                age_s = time.monotonic() - began_s
                if not self._answered and age_s > self._answer_timeout_s:
                    self._warn(f"gave no answer within {self._answer_timeout_s:g} s: {WHERE_ADVICE}")
                    return
                if self._connected and not self._settled and age_s > self._settled_s:
                    self._settle()
                if self._stopping.is_set() and self._has_parted(client):
                    return
                if self._connected:
                    self._hand_over(client)
        finally:
            if (sock := client.socket()) is not None:
                sock.close()  # without DISCONNECT: the broker publishes the last will
            self._forget_connection()
            self._outbox.connection_lost()

    def _make_client(self) -> Client:
        client = Client(CallbackAPIVersion.VERSION2, self._client_id, protocol=PAHO_PROTOCOLS[self._protocol], reconnect_on_failure=False)
        client.connect_timeout = self._answer_timeout_s
        if self._username is not None:
            client.username_pw_set(self._username, self._password)
        will = self._topics.status(online=False)
        client.will_set(will.topic, will.payload, will.qos, will.retained)
        client.on_connect, client.on_disconnect, client.on_publish = self._on_connect, self._on_disconnect, self._on_publish
        return client

    def _exchange(self, client: Client, sock: "SocketLike") -> None:
        wait_s = 0.05 if self._stopping.is_set() else 0.5
        readable, writable, _ = select.select([sock, self._woken], [sock] if client.want_write() else [], [], wait_s)
        if self._woken in readable:
            self._woken.recv(4096)
        if sock in readable:
            client.loop_read()
        if sock in writable:
            client.loop_write()
        client.loop_misc()  # keep-alive

    def _hand_over(self, client: Client) -> None:
        while len(self._in_flight) < self._window and not client.want_write():
            rows: Sequence[tuple[int | None, Message]] = [(None, self._statuses[0])] if self._statuses else self._outbox.pending(1)
            if not rows:
                return
            row, message = rows[0]
            info = client.publish(message.topic, message.payload, message.qos, message.retained)
            if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return  # the connection has just ended
            if message.qos > 0:
                self._in_flight[info.mid] = (row, message.topic)
            if row is None:
                self._statuses.popleft()
            else:
                self._outbox.sent(row)

    def _has_parted(self, client: Client) -> bool:
        if time.monotonic() > self._stop_by_s:  # too late to part well
            return True
        if not self._connected or self._statuses or self._in_flight or self._outbox.pending(1):
            return False
        if self._parting:
            client.disconnect()
            return True
        self._parting = True
        self._statuses.append(self._topics.status(online=False))
        return False

    def _on_connect(self, _client: Client, _userdata: object, _flags: object, reason: ReasonCode, properties: object) -> None:
        self._answered = True
        if reason.is_failure:
            self._warn(f"refused client {self._client_id!r} ({reason}): {ADVICE.get(str(reason), 'see the log of the broker')}")
            return
        self._connected = True
        self._window = min(MAX_IN_FLIGHT, getattr(properties, "ReceiveMaximum", MAX_IN_FLIGHT))
        self._statuses.append(self._topics.status(online=True))
        self._outbox.repeat_retained()
        self._say(logging.INFO, self._accepted)

    def _on_disconnect(self, _client: Client, _userdata: object, flags: DisconnectFlags, reason: ReasonCode, _: object) -> None:
        if self._stopping.is_set() or (self._answered and not self._connected):
            return
        explained = flags.is_disconnect_packet_from_server or reason == "Keep alive timeout"
        told = reason if explained else "connection closed"
        self._n_short += 0 if self._settled else 1
        if not self._answered:
            self._warn(f"ended the connection before it answered: is it an MQTT {self._protocol} broker? {WHERE_ADVICE}")
        elif reason == "Session taken over" or (self._n_short >= N_SHORT_SUSPECT and not explained):
            self._warn(f"keeps one connection a client id ({told}): does another client use {self._client_id!r}? Change mqtt.client_id")
        else:
            self._warn(f"lost ({told})")

    def _on_publish(self, _client: Client, _userdata: object, mid: int, reason: ReasonCode, _: object) -> None:
        row, topic = self._in_flight.pop(mid, (None, ""))
        if row is not None:
            self._outbox.acknowledged(row)
        if reason.is_failure:
            self.refused_total += 1
            if topic not in self._refused_topics:
                self._refused_topics.add(topic)
                log.warning("%s refused a message on %s (%s): it is dropped; check the broker's ACL", self._broker, topic, reason)

    def _settle(self) -> None:
        self._settled = True
        self._delay_s, self._n_short = self._retry_s[0], 0
        said, self._said = self._said, []
        if said[-1] != self._accepted:
            log.info(self._accepted)

    def _warn(self, text: str) -> None:
        self._say(logging.WARNING, f"{self._broker} {text}; retrying every {self._retry_s[0]:g} to {self._retry_s[1]:g} s")

    def _say(self, level: int, line: str) -> None:
        """Log a line, but none twice until a connection has settled."""
        if line not in self._said:
            self._said.append(line)
            log.log(level, line)
