"""The publisher: rows of the outbox go out to the MQTT broker, its answers come back."""

import contextlib
import logging
import random
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from paho.mqtt.enums import MQTTErrorCode

from aegan_monitor.client import ADVICE, WHERE_ADVICE, Protocol, SocketTrouble, connect, make_client
from aegan_monitor.connection import Connection, explain
from aegan_monitor.errors import ConfigError
from aegan_monitor.messages import Message, Topics
from aegan_monitor.outbox import Outbox
from aegan_monitor.received import Hear
from aegan_monitor.row import Row
from aegan_monitor.subscriptions import Subscriptions
from aegan_monitor.telling import Telling

if TYPE_CHECKING:
    from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, SocketLike
    from paho.mqtt.reasoncodes import ReasonCode

log = logging.getLogger(__name__)

FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 30.0
MAX_IN_FLIGHT = 16  # brokers allow 20 and more; what waits beyond that waits in the outbox, not in paho
N_SHORT_SUSPECT = 3  # not every broker says why it closes: so many short connections look like two clients with one id
SILENCE_KEEPALIVES = 1.3  # paho asks after one keep-alive; with the answer still out then, the network is cut
LARGEST_PACKET_BYTES = 268_435_460
PACKET_OVERHEAD_BYTES = 16  # of a PUBLISH beside topic and payload, at most

NO_SUBSCRIBERS = 0x10
FOR_GOOD = frozenset({0x90, 0x95, 0x99})  # topic, size, format: the message's own fault, whatever the ACL says next time
TOO_LARGE = "Packet too large"


class MqttPublisher:
    """Delivers the outbox to one broker, for ever: no state of the network is an error here, each is logged once.

    One thread owns the socket. Each connection has a new paho client that holds at most `MAX_IN_FLIGHT` messages, so order,
    back-off and what is sent again are decided here and in the outbox, not in paho's own queue.
    """

    def __init__(
        self,
        *,
        connection: Connection,
        protocol: Protocol,
        topics: Topics,
        outbox: Outbox,
        listeners: Mapping[str, Hear] = MappingProxyType({}),
        keepalive_s: int = 30,
        retry_s: tuple[float, float] = (FIRST_RETRY_S, LONGEST_RETRY_S),
        settled_s: float = 10.0,
        answer_timeout_s: float = 5.0,
    ) -> None:
        """Store; `listeners`, by topic filter, hear what others publish.

        The wait before an attempt grows from `retry_s[0]` to `retry_s[1]`, with jitter; once a connection is older than
        `settled_s` it starts small again. `answer_timeout_s` is for the connection, and again for the broker's answer to it.
        """
        self.refused_total = 0
        self._connection, self._protocol, self._keepalive_s = connection, protocol, keepalive_s
        self._topics, self._outbox, self._listeners = topics, outbox, listeners
        self._retry_s, self._settled_s, self._answer_timeout_s = retry_s, settled_s, answer_timeout_s

        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._delay_s = retry_s[0]
        self._n_short = 0  # connections in a row that ended before they settled
        self._telling = Telling(f"MQTT broker {connection.host}:{connection.port}", log)
        self._retrying = f"; retrying every {retry_s[0]:g} to {retry_s[1]:g} s"
        self._refused_already: set[str] = set()
        self._forget_connection()

    @property
    def connected(self) -> bool:
        """The broker has accepted the connection, and it has not been seen to end."""
        return self._connected

    @property
    def problem(self) -> str:
        """The last thing that went wrong with the broker, in one line; empty if nothing did."""
        return self._telling.problem

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
                except ConfigError as error:  # a certificate was replaced by something else
                    self._warn(f"cannot be reached ({error})")
                except (OSError, UnicodeError) as error:
                    self._warn(f"cannot be reached ({explain(error, self._connection.host)})")
                except Exception:  # a dead thread would look like a quiet network
                    log.exception("%s: please report this; retrying", self._telling.subject)
                self._delay_s = min(self._retry_s[1], random.uniform(self._retry_s[0], 3 * self._delay_s))
                if self._stopping.wait(self._delay_s):
                    return

    def _forget_connection(self) -> None:
        self._answered = self._connected = self._settled = self._parting = False
        self._window, self._max_packet_bytes = MAX_IN_FLIGHT, LARGEST_PACKET_BYTES
        self._statuses: deque[Message] = deque()  # go out before any row
        self._in_flight: dict[int, Row | None] = {}  # by paho's message id; none: a status

    def _converse(self) -> None:
        """One connection, from its beginning to its end."""
        client, self._trouble = self._make_client()
        try:
            connect(client, self._connection, self._keepalive_s, lasting=True)
            began_s = self._heard_s = time.monotonic()
            while (sock := client.socket()) is not None:
                self._exchange(client, sock)
                now_s = time.monotonic()
                if not self._answered and now_s - began_s > self._answer_timeout_s:
                    self._warn(f"gave no answer within {self._answer_timeout_s:g} s: {WHERE_ADVICE}")
                    return
                if self._connected and now_s - self._heard_s > SILENCE_KEEPALIVES * client.keepalive:
                    self._warn("lost (Keep alive timeout)")
                    return
                if self._connected and not self._settled and now_s - began_s > self._settled_s:
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

    def _make_client(self) -> "tuple[Client, SocketTrouble]":
        client, trouble = make_client(self._connection, self._protocol, self._answer_timeout_s)
        will = self._topics.status(online=False)
        client.will_set(will.topic, will.payload, will.qos, will.retained)
        client.on_connect, client.on_disconnect, client.on_publish = self._on_connect, self._on_disconnect, self._on_publish
        return client, trouble

    def _exchange(self, client: "Client", sock: "SocketLike") -> None:
        n_held = getattr(sock, "pending", int)()  # bytes that TLS has taken from the socket already
        wait_s = 0.0 if n_held else 0.05 if self._stopping.is_set() else min(0.5, self._keepalive_s / 20)
        readable, writable, _ = select.select([sock, self._woken], [sock] if client.want_write() else [], [], wait_s)
        if self._woken in readable:
            self._woken.recv(4096)
        if sock in readable or n_held:
            self._heard_s = time.monotonic()
            client.loop_read()
        if sock in writable:
            client.loop_write()
        client.loop_misc()  # keep-alive

    def _hand_over(self, client: "Client") -> None:
        while len(self._in_flight) < self._window and not client.want_write():
            row = None if self._statuses else self._outbox.next()
            if not self._statuses and row is None:
                return
            message = self._statuses[0] if row is None else row.message
            if row is not None and len(message.topic) + len(message.payload) + PACKET_OVERHEAD_BYTES > self._max_packet_bytes:
                self._outbox.sent(row)
                self._refuse(row, TOO_LARGE, for_good=True)
                continue
            info = client.publish(message.topic, message.payload, message.qos, message.retained)
            if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return  # the connection has just ended
            if message.qos > 0:
                self._in_flight[info.mid] = row
            if row is None:
                self._statuses.popleft()
            else:
                self._outbox.sent(row)

    def _has_parted(self, client: "Client") -> bool:
        if time.monotonic() > self._stop_by_s:  # too late to part well
            return True
        if not self._connected or self._statuses or self._in_flight or self._outbox.next():
            return False
        if self._parting:
            client.disconnect()
            return True
        self._parting = True
        self._statuses.append(self._topics.status(online=False))
        return False

    def _on_connect(self, client: "Client", _userdata: object, flags: "ConnectFlags", reason: "ReasonCode", properties: object) -> None:
        self._answered = True
        if reason.is_failure:
            self._warn(f"refused client {self._connection.client_id!r} ({reason}): {ADVICE.get(str(reason), 'see the log of the broker')}")
            return
        self._connected = True
        self._window = min(MAX_IN_FLIGHT, getattr(properties, "ReceiveMaximum", MAX_IN_FLIGHT))
        self._max_packet_bytes = getattr(properties, "MaximumPacketSize", LARGEST_PACKET_BYTES)
        self._statuses.append(self._topics.status(online=True))
        self._outbox.connected(same_broker=flags.session_present)
        Subscriptions(self._listeners, self._refuse_subscription).subscribe(client, properties)
        self._telling.good(f"accepted client {self._connection.client_id!r} (MQTT {self._protocol})")

    def _on_disconnect(self, _client: "Client", _userdata: object, flags: "DisconnectFlags", reason: "ReasonCode", _: object) -> None:
        if self._stopping.is_set() or (self._answered and not self._connected):
            return
        explained = flags.is_disconnect_packet_from_server or reason == "Keep alive timeout"
        told = reason if explained else "connection closed"
        self._n_short += 0 if self._settled else 1
        if not self._answered:
            because = self._trouble.explain()
            no_answer = f"ended the connection before it answered: is it an MQTT {self._protocol} broker? {WHERE_ADVICE}"
            self._warn(f"cannot be reached ({because})" if because else no_answer)
        elif reason == "Session taken over" or (self._n_short >= N_SHORT_SUSPECT and not explained):
            client_id = self._connection.client_id
            self._warn(f"keeps one connection a client id ({told}): does another client use {client_id!r}? Change mqtt.client_id")
        else:
            self._warn(f"lost ({told})")
        if reason == TOO_LARGE and (rows := [row for row in self._in_flight.values() if row is not None]):
            self._refuse(max(rows, key=lambda row: row.n_bytes), TOO_LARGE, for_good=True)

    def _on_publish(self, _client: "Client", _userdata: object, mid: int, reason: "ReasonCode", _: object) -> None:
        row = self._in_flight.pop(mid, None)
        if row is None:
            if reason.is_failure:
                self._refuse_message(self._topics.name("status"), str(reason))
        elif reason.is_failure:
            self._refuse(row, str(reason), for_good=reason.value in FOR_GOOD)
        elif reason.value == NO_SUBSCRIBERS:
            self._outbox.unheard(row.number)
        else:
            self._outbox.acknowledged(row.number)

    def _refuse(self, row: Row, reason: str, *, for_good: bool) -> None:
        self._outbox.refused(row.number, for_good=for_good)
        self._refuse_message(row.message.topic, reason)

    def _refuse_message(self, topic: str, reason: str) -> None:
        remedy = "raise its limit" if reason == TOO_LARGE else "check the broker's ACL"
        self._tell_refusal(f"a message on {topic}", f"({reason}): it is not sent again on this connection; {remedy}")

    def _refuse_subscription(self, topic: str, reason: str) -> None:
        self._tell_refusal(f"the subscription to {topic}", f"({reason}): nothing is heard from there; its ACL must let this user read it")

    def _tell_refusal(self, what: str, because: str) -> None:
        self.refused_total += 1
        if what not in self._refused_already:
            self._refused_already.add(what)
            self._telling.note(f"refused {what} {because}")

    def _settle(self) -> None:
        self._settled = True
        self._delay_s, self._n_short = self._retry_s[0], 0
        self._telling.settle()

    def _warn(self, text: str) -> None:
        self._telling.bad(text + self._retrying)
