"""One connection to the broker, from its beginning to its end: rows of the outbox go out, its answers come back."""

import math
import select
import socket
import time
from collections import deque
from typing import TYPE_CHECKING

from paho.mqtt.enums import MQTTErrorCode

from aegan_monitor.mqtt.broker_history import TOO_LARGE, History
from aegan_monitor.mqtt.client import ADVICE, SESSION_S, WHERE_ADVICE, SocketTrouble, connect, make_client
from aegan_monitor.mqtt.inflight import MAX_IN_FLIGHT, Flights
from aegan_monitor.mqtt.settings import Stop, Terms
from aegan_monitor.mqtt.silence import Silence
from aegan_monitor.mqtt.subscriptions import Subscriptions
from aegan_monitor.outbox.entry import Row

if TYPE_CHECKING:
    from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, SocketLike
    from paho.mqtt.reasoncodes import ReasonCode

    from aegan_monitor.messages.topics import Message

N_SHORT_SUSPECT = 3  # not every broker says why it closes: so many short connections look like two clients with one id
LARGEST_PACKET_BYTES = 268_435_460
PACKET_OVERHEAD_BYTES = 16  # of a PUBLISH beside topic and payload, at most

FOR_GOOD = frozenset({0x90, 0x95, 0x99})  # topic, size, format: the message's own fault, whatever the ACL says next time


class Conversation:
    """It belongs to the MQTT thread.

    Attributes:
        connected: The broker has accepted the connection, and it has not been seen to end; any thread may read it.
        settled: It has lasted for a while, and the broker acknowledges what it gets.
    """

    def __init__(self, terms: Terms, history: History, stop: Stop, woken: socket.socket) -> None:
        """Store; `woken` is readable when the outbox has something, or when to stop was asked for."""
        self.connected = self.settled = False
        self._terms, self._history, self._stop, self._woken = terms, history, stop, woken
        self._outbox = terms.outbox
        self._answered = self._greeted = self._parting = False
        self._greet_from_s, self._greet_by_s = 0.0, math.inf
        self._max_packet_bytes = LARGEST_PACKET_BYTES
        self._statuses: deque[Message] = deque()  # go out before any row
        self._flights = Flights()
        self._subscriptions = Subscriptions(
            terms.listeners, terms.unwanted, history.refuse_subscription, history.grant_subscription, terms.clock
        )

    def hold(self) -> None:
        """Connect, and serve the connection until it ends, whoever ends it.

        Raises:
            ConfigError: A certificate cannot be read.
            OSError: The broker cannot be reached.
        """
        terms = self._terms
        client, self._trouble = self._make_client()
        try:
            connect(client, terms.connection, terms.keepalive_s, lasting=True)
            self._began_s = time.monotonic()
            self._silence = Silence(self._began_s)
            while (sock := client.socket()) is not None:
                self._exchange(client, sock)
                if trouble := self._find_trouble(client.keepalive, time.monotonic()):
                    self._history.warn(trouble)
                    return
                if self.connected:
                    self._settle(time.monotonic())
                    self._greet()
                    self._subscriptions.ask_again(client)
                if self._stop.asked.is_set() and self._has_parted(client):
                    return
                if self.connected:
                    self._hand_over(client)
        finally:
            if (sock := client.socket()) is not None:
                sock.close()  # without DISCONNECT: the broker publishes the last will
            if self.connected:  # else nothing that is in flight is ours
                self._outbox.connection_lost()
            self.connected = False

    def _make_client(self) -> "tuple[Client, SocketTrouble]":
        client, trouble = make_client(self._terms.connection, self._terms.protocol, self._terms.answer_timeout_s)
        will = self._terms.topics.status(online=False)
        client.will_set(will.topic, will.payload, will.qos, will.retained)
        client.on_connect, client.on_disconnect, client.on_publish = self._on_connect, self._on_disconnect, self._on_publish
        return client, trouble

    def _exchange(self, client: "Client", sock: "SocketLike") -> None:
        n_held = getattr(sock, "pending", int)()  # bytes that TLS has taken from the socket already
        wait_s = 0.0 if n_held else 0.05 if self._stop.asked.is_set() else min(0.5, self._terms.keepalive_s / 20)
        readable, writable, _ = select.select([sock, self._woken], [sock] if client.want_write() else [], [], wait_s)
        if self._woken in readable:
            self._woken.recv(4096)
        if sock in readable or n_held:
            self._silence.heard(time.monotonic())
            client.loop_read()
        if sock in writable:
            client.loop_write()
        client.loop_misc()  # keep-alive

    def _hand_over(self, client: "Client") -> None:
        while self._flights.has_room and not client.want_write():
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
            self._flights.sent(info.mid, row, message.qos, time.monotonic())
            if row is None:
                self._statuses.popleft()
            else:
                self._outbox.sent(row)

    def _find_trouble(self, keepalive_s: int, now_s: float) -> str:
        """Why the broker is to be left, in one line; empty if it is not."""
        terms = self._terms
        if not self._answered and now_s - self._began_s > terms.answer_timeout_s:
            return f"gave no answer within {terms.answer_timeout_s:g} s: {WHERE_ADVICE}"
        if self.connected and self._silence.is_too_long(keepalive_s, now_s):
            return "lost (Keep alive timeout)"
        if self._flights.waited_s(now_s) > terms.acknowledge_s:
            return f"left a message without acknowledgement for {terms.acknowledge_s:g} s: see the log of the broker"
        return ""

    def _settle(self, now_s: float) -> None:
        """Say so, once, if it is."""
        is_old, is_answered = now_s - self._began_s > self._terms.settled_s, self._flights.waited_s(now_s) < self._terms.answer_timeout_s
        if is_old and is_answered and not self.settled:
            self.settled = True
            self._history.settle()

    def _greet(self) -> None:
        """Say `online`, once what subscribers may then believe is right: they have the states before it. It does not wait for ever."""
        now_s = time.monotonic()
        if self._greeted or self._parting or now_s < self._greet_from_s or not (self._outbox.is_told or now_s > self._greet_by_s):
            return
        self._greeted = True
        self._statuses.append(self._terms.topics.status(online=True))

    def _has_parted(self, client: "Client") -> bool:
        if self._stop.is_over:  # too late to part well
            return True
        if not self.connected or self._statuses or self._flights or self._outbox.next():
            return False
        if self._parting:
            client.disconnect()
            return True
        self._parting = True
        self._statuses.append(self._terms.topics.status(online=False))
        return False

    def _on_connect(self, client: "Client", _userdata: object, flags: "ConnectFlags", reason: "ReasonCode", properties: object) -> None:
        self._answered = True
        if self._stop.is_over:
            return
        client_id = self._terms.connection.client_id
        if reason.is_failure:
            self._history.warn(f"refused client {client_id!r} ({reason}): {ADVICE.get(str(reason), 'see the log of the broker')}")
            return
        self.connected = True
        self._flights.window = min(MAX_IN_FLIGHT, getattr(properties, "ReceiveMaximum", MAX_IN_FLIGHT))
        self._max_packet_bytes = getattr(properties, "MaximumPacketSize", LARGEST_PACKET_BYTES)
        self._greet_by_s = time.monotonic() + self._terms.answer_timeout_s
        keeps_sessions = self._terms.protocol == "5" and getattr(properties, "SessionExpiryInterval", SESSION_S) > 0
        looks_same = flags.session_present if keeps_sessions else self._history.has_accepted  # one without sessions always does
        self._outbox.connected(same_broker=looks_same)
        self._subscriptions.subscribe(client, properties, session_present=flags.session_present)
        self._history.well(f"accepted client {client_id!r} (MQTT {self._terms.protocol})")

    def _on_disconnect(self, _client: "Client", _userdata: object, flags: "DisconnectFlags", reason: "ReasonCode", _: object) -> None:
        if self._stop.asked.is_set() or (self._answered and not self.connected):
            return
        explained = flags.is_disconnect_packet_from_server or reason == "Keep alive timeout"
        told = reason if explained else "connection closed"
        self._history.n_short += 0 if self.settled else 1
        if not self._answered:
            because = self._trouble.explain()
            no_answer = f"ended the connection before it answered: is it an MQTT {self._terms.protocol} broker? {WHERE_ADVICE}"
            self._history.warn(f"cannot be reached ({because})" if because else no_answer)
        elif reason == "Session taken over" or (self._history.n_short >= N_SHORT_SUSPECT and not explained):
            client_id = self._terms.connection.client_id
            self._history.warn(f"keeps one connection a client id ({told}): does another client use {client_id!r}? Change mqtt.client_id")
        else:
            self._history.warn(f"lost ({told})")
        if reason == TOO_LARGE and (rows := self._flights.rows()):
            self._refuse(max(rows, key=lambda row: row.n_bytes), TOO_LARGE, for_good=True)

    def _on_publish(self, _client: "Client", _userdata: object, mid: int, reason: "ReasonCode", _: object) -> None:
        flight = self._flights.land(mid)
        if flight is None:
            return
        row = flight.row
        if reason.is_failure:
            self._refuse(row, str(reason), for_good=reason.value in FOR_GOOD)
        elif row is not None:
            self._outbox.acknowledged(row.number)

    def _refuse(self, row: Row | None, reason: str, *, for_good: bool) -> None:
        if row is not None:
            self._outbox.refused(row.number, for_good=for_good)
        elif not for_good:
            self._greeted, self._greet_from_s = False, time.monotonic() + self._terms.repeat_s
        place = self._terms.topics.name("status") if row is None else row.message.place
        is_gone = for_good or (row is not None and row.message.kind == "result")  # who waits for a result does not for minutes
        self._history.refuse_message(place, reason, for_good=is_gone)
