"""The MQTT connection of `check`, which tries what the daemon will do, on topics that no daemon uses."""

from collections.abc import Mapping
from dataclasses import dataclass

from aegan_monitor.errors import PublishError
from aegan_monitor.mqtt.client import LARGER_LIMIT, TOO_LARGE, Protocol, Reason
from aegan_monitor.mqtt.connection import PACKET_OVERHEAD_BYTES
from aegan_monitor.mqtt.endpoint import Endpoint
from aegan_monitor.tools.broker_connection import FAILURE, BrokerConnection

OK = "ok"
SHARED_ID = "with use_username_as_clientid, mosquitto disconnects a running daemon for it, which then connects again"


@dataclass(frozen=True, slots=True)
class Permission:
    """Permission to publish, tried as one stage.

    Attributes:
        grants: By the topic on which an empty message tries it: the filter that the broker's access list must let us write.
        otherwise: What may be done in place of granting it.
    """

    stage: str
    grants: Mapping[str, str]
    otherwise: str = ""


class BrokerVisit:
    """One MQTT connection, made and used step by step."""

    def __init__(self, endpoint: Endpoint, protocol: Protocol, timeout_s: float) -> None:
        """Store; `timeout_s` is for each answer."""
        self._endpoint, self._protocol = endpoint, protocol
        self._has_received = False
        self._connection = BrokerConnection(endpoint, protocol, timeout_s, self._receive)

    @property
    def ended(self) -> bool:
        """The broker has ended the connection: nothing more can be tried on it."""
        return self._connection.ended

    def connect(self, will_topic: str) -> str:
        """Log in with a last will like the daemon's: a broker may refuse its QoS or its retain flag.

        Raises:
            PublishError: The broker refuses, or does not answer.
            OSError: It cannot be reached.
        """
        self._connection.connect(will_topic)
        shared = "" if self._endpoint.username is None else f" ({SHARED_ID})"
        return f"{OK}, version {self._protocol}{shared}"

    def publish(self, permission: Permission) -> str:
        """Publish an empty message on each topic of the permission."""
        refused: dict[str, Reason] = {}
        for topic in permission.grants:
            reason = self._connection.publish(topic)
            if reason is None:
                raise self._connection.missing(f"a message on {topic}")
            if reason.code >= FAILURE:
                refused[topic] = reason
        if refused:
            needed = " and ".join(permission.grants[topic] for topic in refused)
            raise PublishError(
                f"a message on {' and on '.join(refused)} was refused ({next(iter(refused.values())).text}); "
                f"the ACL must let this user write {needed}{permission.otherwise}"
            )
        tried = ", ".join(permission.grants)
        unknown = f"unknown on {tried}: MQTT 3.1.1 acknowledges what an ACL throws away"
        return f"{OK}, tried on {tried}" if self._protocol == "5" else unknown

    def publish_largest(self, topic: str, n_bytes: int) -> str:
        """Publish blanks, with topic and payload of `n_bytes`."""
        if self._protocol != "5":
            return f"unknown: MQTT 3.1.1 acknowledges what is too large; the broker must accept {n_bytes} bytes"
        reason = Reason(0x95, TOO_LARGE, is_known=True)
        largest = self._connection.max_packet_bytes
        if largest is None or n_bytes + PACKET_OVERHEAD_BYTES <= largest:
            found = self._connection.publish(topic, b" " * (n_bytes - len(topic)))
            if found is None and self._connection.end_reason != TOO_LARGE:
                raise self._connection.missing(f"a message of {n_bytes} bytes")
            reason = found or reason
        if reason.text == "Not authorized":
            return f"not tried: this user may not write on {topic}"
        if reason.code >= FAILURE:
            remedy = LARGER_LIMIT if reason.text == TOO_LARGE else "see the log of the broker"
            raise PublishError(f"{n_bytes} bytes, the most that `run` sends, were refused ({reason.text}); {remedy}")
        return f"{OK}, {n_bytes} bytes"

    def try_subscription(self, topics: str, topic: str) -> str:
        """Subscribe to `topics` and publish an empty message under it: some brokers grant a subscription and deliver nothing."""
        granted = self._connection.subscribe([topics])
        if granted is None:
            raise self._connection.missing(f"the subscription to {topics}")
        if granted.code >= FAILURE:
            raise PublishError(f"the subscription to {topics} was refused ({granted.text}); the ACL must let this user read it")
        published = self._connection.publish(topic)
        if published is not None and published.code < FAILURE:
            self._connection.serve(lambda: self._has_received)
        if self._has_received:
            return f"{OK}, tried on {topic}"
        if published is not None and published.code >= FAILURE:
            return f"granted on {topics}, but not tried: this user may not write there, and need not"
        if self._protocol == "5":
            raise PublishError(f"the subscription to {topics} was granted, but nothing is delivered; the ACL must let this user read it")
        return f"unknown on {topic}: the message did not come back, and MQTT 3.1.1 does not say why"

    def close(self) -> None:
        """Disconnect in order."""
        self._connection.close()

    def _receive(self, _topic: str, _payload: bytes) -> None:
        self._has_received = True
