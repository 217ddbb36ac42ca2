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

from aegan_monitor.received import Hear, Received

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
    Subscriptions outlive a connection, too: what an earlier configuration has asked for is taken back.
    """

    def __init__(self, listeners: Mapping[str, Hear], unwanted: Collection[str], refused: Callable[[str, str], None]) -> None:
        """Store.

        Args:
            listeners: Who hears what, by topic filter.
            unwanted: Filters that the session may still have of an earlier connection.
            refused: Is told each filter that the broker does not grant, and its reason.
        """
        self._listeners, self._unwanted, self._refused = listeners, unwanted, refused
        self._identifier: int | None = None

    def subscribe(self, client: "Client", granted: object, *, session_present: bool) -> None:
        """Ask for all of it, and for no more; `granted` is what the broker said of itself when it accepted the connection."""
        client.on_subscribe, client.on_message = self._on_subscribe, self._on_message
        if session_present and self._unwanted:
            client.unsubscribe(list(self._unwanted))
        if not self._listeners:
            return
        if client.protocol != MQTTProtocolVersion.MQTTv5:
            client.subscribe([(topic, 1) for topic in self._listeners])
            return
        properties, qos = None, 0
        if getattr(granted, "SubscriptionIdentifierAvailable", 1):
            self._identifier, qos = random.randint(1, LARGEST_IDENTIFIER), 1
            properties = Properties(PacketTypes.SUBSCRIBE)  # type: ignore[no-untyped-call] # paho's own
            properties.SubscriptionIdentifier = self._identifier
        client.subscribe([(topic, SubscribeOptions(qos, retainAsPublished=True)) for topic in self._listeners], properties=properties)

    def _on_subscribe(self, _client: "Client", _userdata: object, _mid: int, reasons: "list[ReasonCode]", _: object) -> None:
        for topic, reason in zip(self._listeners, reasons, strict=False):
            if reason.is_failure:
                self._refused(topic, str(reason))

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
