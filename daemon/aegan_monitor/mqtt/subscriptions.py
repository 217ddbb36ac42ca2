"""What one connection to the broker subscribes to, and who hears what comes."""

import logging
import random
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from paho.mqtt.client import topic_matches_sub
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from aegan_monitor.mqtt.incoming import Hear, Received
from aegan_monitor.outbox.backoff import Backoff

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage
    from paho.mqtt.reasoncodes import ReasonCode

log = logging.getLogger(__name__)

LARGEST_IDENTIFIER = 268_435_455


class Subscriptions:
    """Of one connection; it belongs to the MQTT thread.

    The session outlives a connection, so the broker keeps what is published meanwhile. Each connection subscribes under a random
    identifier of its own: what carries another was there before. A broker that has no identifiers is asked for QoS 0, which it
    does not keep. What is published retained says so (MQTT 5), also when it comes at once and not out of the broker's store.
    Subscriptions outlive a connection, too: what an earlier configuration has asked for is taken back. What is refused is asked for
    again, after as long as a message would be.
    """

    def __init__(
        self,
        listeners: Mapping[str, Hear],
        unwanted: Collection[str],
        refused: Callable[[str, str], None],
        granted: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        """Store.

        Args:
            listeners: Who hears what, by topic filter.
            unwanted: Filters that the session may still have of an earlier connection.
            refused: Is told each filter that the broker does not grant, and its reason; once, until it does.
            granted: Is told each filter that it grants.
            clock: In seconds, for what is asked for again.
        """
        self._listeners, self._unwanted, self._clock = listeners, unwanted, clock
        self._refused, self._granted = refused, granted
        self._lacking: set[str] = set()
        self._identifier: int | None = None
        self._asked: dict[int | None, list[str]] = {}  # by paho's message id
        self._backoff = Backoff()

    def subscribe(self, client: "Client", granted: object, *, session_present: bool) -> None:
        """Ask for all of it, and for no more; `granted` is what the broker said of itself when it accepted the connection."""
        client.on_subscribe, client.on_message = self._on_subscribe, self._on_message
        if session_present and self._unwanted:
            client.unsubscribe(list(self._unwanted))
        if client.protocol == MQTTProtocolVersion.MQTTv5 and getattr(granted, "SubscriptionIdentifierAvailable", True):
            self._identifier = random.randint(1, LARGEST_IDENTIFIER)
        self._ask(client, list(self._listeners))

    def ask_again(self, client: "Client") -> None:
        """For what was refused, once its wait is over."""
        now_s = self._clock()
        self._ask(client, [each for each in self._listeners if self._backoff.is_refused(each) and self._backoff.is_free(each, now_s)])

    def _ask(self, client: "Client", topics: list[str]) -> None:
        if not topics:
            return
        if client.protocol != MQTTProtocolVersion.MQTTv5:
            _, message_id = client.subscribe([(topic, 1) for topic in topics])
        else:
            properties, qos = None, 0
            if self._identifier is not None:
                properties, qos = Properties(PacketTypes.SUBSCRIBE), 1  # type: ignore[no-untyped-call] # paho's own
                properties.SubscriptionIdentifier = self._identifier
            options = SubscribeOptions(qos, retainAsPublished=True)
            _, message_id = client.subscribe([(topic, options) for topic in topics], properties=properties)
        self._asked[message_id] = topics
        for topic in topics:
            self._backoff.sent(topic)

    def _on_subscribe(self, _client: "Client", _userdata: object, message_id: int, reasons: "list[ReasonCode]", _: object) -> None:
        for topic, reason in zip(self._asked.pop(message_id, ()), reasons, strict=False):
            if reason.is_failure:
                self._backoff.refused(topic, self._clock())
                if topic not in self._lacking:
                    self._lacking.add(topic)
                    self._refused(topic, str(reason))
            else:
                self._backoff.accepted(topic)
                self._lacking.discard(topic)
                self._granted(topic)

    def _on_message(self, _client: "Client", _userdata: object, message: "MQTTMessage") -> None:
        identifiers = getattr(message.properties, "SubscriptionIdentifier", ())
        late = self._identifier is not None and self._identifier not in identifiers
        received = Received(message.topic, bytes(message.payload), message.retain, late)
        for topic, hear in self._listeners.items():
            if topic_matches_sub(topic, received.topic):
                try:
                    hear(received)
                except Exception:  # whatever it is, the connection lives on
                    log.exception("a message on %s: please report this", received.topic)
