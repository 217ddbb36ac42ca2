"""The subscriptions of one connection. Received messages go to the listeners."""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from paho.mqtt.client import Client, MQTTMessage, topic_matches_sub
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from aegan_monitor.mqtt.log_once import BrokerLog
from aegan_monitor.outbox.backoff import Backoff

log = logging.getLogger(__name__)

OPTIONS = SubscribeOptions(qos=1, retainAsPublished=True)  # a message that is published retained says so at once


@dataclass(frozen=True, slots=True)
class Received:
    """A message from the broker; `retained` says that the broker stores it (under MQTT 3.1.1 only of one that was stored before)."""

    topic: str
    payload: bytes
    retained: bool


Listener: TypeAlias = Callable[[Received], None]
"""Called in the MQTT thread; it must not block. An exception is logged and has no other effect."""


class Subscriptions:
    """One subscription for each topic filter of `listeners`; what the broker refuses is tried again. Used by the MQTT thread alone."""

    def __init__(self, client: Client, listeners: Mapping[str, Listener], broker_log: BrokerLog, clock: Callable[[], float]) -> None:
        """`clock` is in seconds, for subscriptions that are tried again."""
        self._client, self._listeners, self._log, self._clock = client, listeners, broker_log, clock
        self._asked: dict[int | None, Collection[str]] = {}  # by paho's message id
        self._backoff = Backoff()
        client.on_subscribe, client.on_message = self._on_subscribe, self._on_message

    def subscribe(self, topics: Collection[str]) -> None:
        """Subscribe to these of the listeners."""
        if not topics:
            return
        if self._client.protocol == MQTTProtocolVersion.MQTTv5:
            _, message_id = self._client.subscribe([(topic, OPTIONS) for topic in topics])
        else:
            _, message_id = self._client.subscribe([(topic, 1) for topic in topics])
        self._asked[message_id] = topics
        for topic in topics:
            self._backoff.sent(topic)

    def retry(self) -> None:
        """Subscribe to what was refused, once its wait is over."""
        now_s = self._clock()
        self.subscribe([each for each in self._listeners if self._backoff.is_refused(each) and self._backoff.is_free(each, now_s)])

    def _on_subscribe(self, _client: Client, _userdata: object, message_id: int, reasons: list[ReasonCode], _: object) -> None:
        for topic, reason in zip(self._asked.pop(message_id, ()), reasons, strict=False):
            if reason.is_failure:
                self._backoff.refused(topic, self._clock())
                self._log.refuse_subscription(topic, str(reason))
            else:
                self._backoff.accepted(topic)
                self._log.grant_subscription(topic)

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        received = Received(message.topic, bytes(message.payload), message.retain)
        for topic, listener in self._listeners.items():
            if topic_matches_sub(topic, received.topic):
                try:
                    listener(received)
                except Exception:  # whatever it is, the connection goes on
                    log.exception("a message on %s: please report this", received.topic)
