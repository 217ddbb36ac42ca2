"""One connection to the broker: sends rows of the outbox, and handles the answers of the broker."""

import math
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from aegan_monitor.mqtt.client import (
    ADVICE,
    TOO_LARGE,
    WHERE_ADVICE,
    BrokerClient,
    connect,
    exchange,
    explain_no_answer,
    make_client,
)
from aegan_monitor.mqtt.connection_settings import ConnectionSettings
from aegan_monitor.mqtt.log_once import BrokerLog
from aegan_monitor.mqtt.subscriptions import Subscriptions
from aegan_monitor.outbox.entry import Entry
from aegan_monitor.outbox.outbox import Outbox

if TYPE_CHECKING:
    from aegan_monitor.messages.topics import Message

MAX_IN_FLIGHT = 16  # brokers allow at least 20; other messages wait in the outbox
NOTICE_KEEPALIVES = 2.0  # paho sends a PINGREQ after one, and ends the connection after another
UNACKNOWLEDGED_KEEPALIVES = 1.5
PACKET_OVERHEAD_BYTES = 16  # of a PUBLISH beside topic and payload, at most
FOR_GOOD = frozenset({0x90, 0x95, 0x99})  # topic, size, format: a fault of the message itself


class Stop(threading.Event):
    """A request to stop. Pending messages may be sent until `by_s` on the monotonic clock, which is set first."""

    by_s = math.inf


class Sent(NamedTuple):
    """A message of QoS 1 without an acknowledgement; without a row it is a status."""

    row: Entry | None
    sent_s: float


class Connection:
    """Used by the MQTT thread alone, except for its attributes.

    Attributes:
        connected: The broker has accepted the connection, and it has not been seen to end.
        settled: It has lasted for `settled_s`, and the broker acknowledges what it gets.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        outbox: Outbox,
        log: BrokerLog,
        stop: Stop,
        wake: socket.socket | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`wake` is readable when the outbox has new messages, or when a stop is requested; `clock` is the one of `stop`."""
        self.connected = self.settled = False
        self._settings, self._outbox, self._log, self._stop, self._wake = settings, outbox, log, stop, wake
        self._clock = clock
        self._answered = self._online = self._leaving = False
        self._began_s, self._online_from_s, self._online_by_s = math.inf, 0.0, math.inf
        self._max_packet_bytes = math.inf
        self._statuses: deque[Message] = deque()  # sent before any row
        self._window = MAX_IN_FLIGHT
        self._in_flight: dict[int, Sent] = {}  # by paho's message id, oldest first

    def serve(self) -> None:
        """Connect, and serve the connection until either side ends it.

        Raises:
            ConfigError: A certificate cannot be read.
            OSError: The broker cannot be reached.
        """
        settings = self._settings
        client = make_client(settings.endpoint, settings.protocol, settings.answer_timeout_s)
        self.open(client)
        try:
            connect(client, settings.endpoint, settings.keepalive_s)
            self._began_s = self._clock()
            while client.socket() is not None:
                exchange(client, 0.05 if self._stop.is_set() else min(0.5, settings.keepalive_s / 20), self._wake)
                if not self.turn():
                    return
        finally:
            if (sock := client.socket()) is not None:
                sock.close()  # without DISCONNECT: the broker publishes the last will
            self.close()

    def open(self, client: BrokerClient) -> None:
        """Take a client that is not connected yet: set its last will, and listen to its answers."""
        self._client = client
        will = self._settings.topics.status(online=False)
        client.will_set(will.topic, will.payload, will.qos, will.retained)
        client.on_connect, client.on_disconnect, client.on_publish = self._on_connect, self._on_disconnect, self._on_publish
        self._subscriptions = Subscriptions(client, self._settings.listeners, self._log, self._settings.clock)

    def turn(self) -> bool:
        """Act on what the client has received, and send what may be sent. False: the connection is to end."""
        now_s = self._clock()
        if trouble := self._find_trouble(now_s):
            self._log.warn(trouble)
            return False
        if self.connected:
            self._settle(now_s)
            self._announce(now_s)
            self._subscriptions.retry()
        if self._stop.is_set() and self._has_left(now_s):
            return False
        if self.connected:
            self._send()
        return True

    def close(self) -> None:
        """Give back to the outbox what the broker has not acknowledged."""
        if self.connected:  # otherwise no row of this connection is in flight
            self._outbox.connection_lost()
        self.connected = False

    def _send(self) -> None:
        """Send statuses, then rows of the outbox, as far as the broker and the socket take them."""
        while len(self._in_flight) < self._window and not self._client.want_write():
            row = None if self._statuses else self._outbox.next()
            if not self._statuses and row is None:
                return
            message = self._statuses[0] if row is None else row.message
            if row is not None and len(message.topic) + len(message.payload) + PACKET_OVERHEAD_BYTES > self._max_packet_bytes:
                self._outbox.sent(row)
                self._refuse(row, TOO_LARGE, for_good=True)
                continue
            info = self._client.publish(message.topic, message.payload, message.qos, message.retained)
            if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return  # the connection has just ended
            if message.qos > 0:
                self._in_flight[info.mid] = Sent(row, self._clock())
            if row is None:
                self._statuses.popleft()
            else:
                self._outbox.sent(row)

    def _find_trouble(self, now_s: float) -> str:
        """The reason to end the connection, in one line; empty if there is none."""
        settings = self._settings
        if not self._answered and now_s - self._began_s > settings.answer_timeout_s:
            return f"gave no answer within {settings.answer_timeout_s:g} s: {WHERE_ADVICE}"
        longest_s = max(settings.answer_timeout_s, UNACKNOWLEDGED_KEEPALIVES * settings.keepalive_s)
        if self._waited_s(now_s) > longest_s:
            return f"left a message without acknowledgement for {longest_s:g} s: see the log of the broker"
        return ""

    def _waited_s(self, now_s: float) -> float:
        """How long the oldest message has been in flight."""
        return max((now_s - sent.sent_s for sent in self._in_flight.values()), default=0.0)

    def _settle(self, now_s: float) -> None:
        is_old = now_s - self._began_s > self._settings.settled_s
        if not self.settled and is_old and self._waited_s(now_s) < self._settings.answer_timeout_s:
            self.settled = True
            self._log.settle()

    def _announce(self, now_s: float) -> None:
        """Publish `online` once all retained states were acknowledged, or after `answer_timeout_s`."""
        is_due = now_s >= self._online_from_s and (self._outbox.is_answered or now_s > self._online_by_s)
        if is_due and not self._online and not self._leaving:
            self._online = True
            self._statuses.append(self._settings.topics.status(online=True))

    def _has_left(self, now_s: float) -> bool:
        """Publish `offline` after everything else, then disconnect. Returns whether that is finished, or time is up."""
        if now_s > self._stop.by_s:
            return True
        if not self.connected or self._statuses or self._in_flight or self._outbox.next():
            return False
        if self._leaving:
            self._client.disconnect()
            return True
        self._leaving = True
        self._statuses.append(self._settings.topics.status(online=False))
        return False

    def _on_connect(self, _client: Client, _userdata: object, _flags: ConnectFlags, reason: ReasonCode, properties: object) -> None:
        self._answered = True
        client_id = self._settings.endpoint.client_id
        if reason.is_failure:
            self._log.warn(f"refused client {client_id!r} ({reason}): {ADVICE.get(str(reason), 'see the log of the broker')}")
            return
        self.connected = True
        self._window = min(MAX_IN_FLIGHT, getattr(properties, "ReceiveMaximum", MAX_IN_FLIGHT))
        self._max_packet_bytes = getattr(properties, "MaximumPacketSize", math.inf)
        self._online_by_s = self._clock() + self._settings.answer_timeout_s
        self._outbox.connected()
        self._subscriptions.subscribe(self._settings.listeners)
        self._log.inform(f"accepted client {client_id!r} (MQTT {self._settings.protocol})")

    def _on_disconnect(self, _client: Client, _userdata: object, flags: DisconnectFlags, reason: ReasonCode, _: object) -> None:
        if self._stop.is_set() or (self._answered and not self.connected):
            return
        is_explained = flags.is_disconnect_packet_from_server or reason == "Keep alive timeout"
        why = str(reason) if is_explained else self._client.trouble
        client_id = self._settings.endpoint.client_id
        if not self._answered:
            self._log.warn(f"cannot be reached ({explain_no_answer(self._client, self._settings.protocol)})")
        elif why == "Session taken over":
            self._log.warn(f"lost ({why}): another client uses {client_id!r}; change mqtt.client_id of one of them")
        elif why:
            self._log.warn(f"lost ({why})")
        else:
            self._log.warn(f"lost (connection closed): if this repeats, see its log; it says if another client uses {client_id!r}")
        rows = [sent.row for sent in self._in_flight.values() if sent.row]
        if why == TOO_LARGE and rows:
            self._refuse(max(rows, key=lambda row: row.n_bytes), TOO_LARGE, for_good=True)

    def _on_publish(self, _client: Client, _userdata: object, message_id: int, paho_reason: ReasonCode, _: object) -> None:
        sent = self._in_flight.pop(message_id, None)
        if sent is None:
            return
        if paho_reason.is_failure:
            reason = self._client.read_reason(paho_reason)
            self._refuse(sent.row, reason.text, for_good=reason.code in FOR_GOOD or not reason.is_known)
        elif sent.row is not None:
            self._outbox.acknowledged(sent.row.number)

    def _refuse(self, row: Entry | None, reason: str, *, for_good: bool) -> None:
        if row is not None:
            self._outbox.refused(row.number, for_good=for_good)
        elif not for_good:
            self._online, self._online_from_s = False, self._clock() + self._settings.repeat_s
        place = self._settings.topics.name("status") if row is None else row.message.place
        is_over = for_good or (row is not None and row.message.kind == "result")  # a result is useless minutes later
        self._log.refuse_message(place, reason, for_good=is_over)
