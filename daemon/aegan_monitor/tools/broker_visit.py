"""The MQTT connection of `check`, which tries what the daemon will do, on topics that no daemon uses."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.reasoncodes import ReasonCode

from aegan_monitor.errors import PublishError
from aegan_monitor.mqtt.client import (
    ADVICE,
    LARGER_LIMIT,
    TOO_LARGE,
    WHERE_ADVICE,
    Protocol,
    Reason,
    connect,
    exchange,
    explain_no_answer,
    make_client,
)
from aegan_monitor.mqtt.connection import PACKET_OVERHEAD_BYTES
from aegan_monitor.mqtt.endpoint import Endpoint

OK = "ok"
FAILURE = 0x80  # reason codes from here on are failures
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
        self._endpoint, self._protocol, self._timeout_s = endpoint, protocol, timeout_s
        self._client = client = make_client(endpoint, protocol, timeout_s)
        self._reasons: dict[str, Reason] = {}
        self._max_packet_bytes: int | None = None
        self._has_received = False
        client.on_connect = self._on_connect
        client.on_disconnect = lambda _client, _userdata, _flags, reason, _: self._note("end", reason)
        client.on_publish = lambda _client, _userdata, mid, reason, _: self._note(f"publish {mid}", reason)
        client.on_subscribe = lambda _client, _userdata, mid, reasons, _: self._note(f"subscribe {mid}", reasons[0])
        client.on_message = self._on_message

    @property
    def ended(self) -> bool:
        """The broker has ended the connection: nothing more can be tried on it."""
        return "end" in self._reasons

    def connect(self, will_topic: str) -> str:
        """Log in with a last will like the daemon's: a broker may refuse its QoS or its retain flag.

        Raises:
            PublishError: The broker refuses, or does not answer.
            OSError: It cannot be reached.
        """
        client = self._client
        client.will_set(will_topic, b"", qos=1, retain=True)  # were it published, it would clear the topic
        connect(client, self._endpoint, round(2 * self._timeout_s))
        reason = self._wait("connect")
        if reason is None and self.ended:
            raise PublishError(explain_no_answer(client, self._protocol))
        if reason is None:
            raise PublishError(f"no answer within {self._timeout_s:g} s: {WHERE_ADVICE}")
        if reason.code >= FAILURE:
            raise PublishError(f"refused client {self._endpoint.client_id!r} ({reason.text}): {ADVICE.get(reason.text, 'see its log')}")
        shared = "" if self._endpoint.username is None else f" ({SHARED_ID})"
        return f"{OK}, version {self._protocol}{shared}"

    def publish(self, permission: Permission) -> str:
        """Publish an empty message on each topic of the permission."""
        refused: dict[str, Reason] = {}
        for topic in permission.grants:
            reason = self._send(topic)
            if reason is None:
                raise self._missing(f"a message on {topic}")
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
        if self._max_packet_bytes is None or n_bytes + PACKET_OVERHEAD_BYTES <= self._max_packet_bytes:
            found = self._send(topic, b" " * (n_bytes - len(topic)))
            if found is None and not (self.ended and self._reasons["end"].text == TOO_LARGE):
                raise self._missing(f"a message of {n_bytes} bytes")
            reason = found or reason
        if reason.text == "Not authorized":
            return f"not tried: this user may not write on {topic}"
        if reason.code >= FAILURE:
            remedy = LARGER_LIMIT if reason.text == TOO_LARGE else "see the log of the broker"
            raise PublishError(f"{n_bytes} bytes, the most that `run` sends, were refused ({reason.text}); {remedy}")
        return f"{OK}, {n_bytes} bytes"

    def try_subscription(self, topics: str, topic: str) -> str:
        """Subscribe to `topics` and publish an empty message under it: some brokers grant a subscription and deliver nothing."""
        granted = self._wait(f"subscribe {self._client.subscribe(topics, qos=1)[1]}")
        if granted is None:
            raise self._missing(f"the subscription to {topics}")
        if granted.code >= FAILURE:
            raise PublishError(f"the subscription to {topics} was refused ({granted.text}); the ACL must let this user read it")
        published = self._send(topic)
        if published is not None and published.code < FAILURE:
            self._serve(lambda: self._has_received)
        if self._has_received:
            return f"{OK}, tried on {topic}"
        if published is not None and published.code >= FAILURE:
            return f"granted on {topics}, but not tried: this user may not write there, and need not"
        if self._protocol == "5":
            raise PublishError(f"the subscription to {topics} was granted, but nothing is delivered; the ACL must let this user read it")
        return f"unknown on {topic}: the message did not come back, and MQTT 3.1.1 does not say why"

    def close(self) -> None:
        """Disconnect in order."""
        self._client.disconnect()

    def _missing(self, what: str) -> PublishError:
        found = "the connection ended before an answer" if self.ended else f"no answer within {self._timeout_s:g} s"
        return PublishError(f"{found} to {what}; see the log of the broker")

    def _send(self, topic: str, payload: bytes = b"") -> Reason | None:
        """Publish a message; the answer of the broker, None without one."""
        return self._wait(f"publish {self._client.publish(topic, payload, qos=1).mid}")

    def _wait(self, what: str) -> Reason | None:
        """The answer; None if the connection ends or time is up before it comes."""
        self._serve(lambda: what in self._reasons)
        return self._reasons.get(what)

    def _serve(self, until: Callable[[], bool]) -> None:
        """Serve the connection until `until` holds, the connection ends, or time is up."""
        deadline_s = time.monotonic() + self._timeout_s
        while not until() and time.monotonic() < deadline_s and self._client.socket() is not None:
            exchange(self._client, 0.05)

    def _note(self, what: str, reason: ReasonCode) -> None:
        self._reasons[what] = self._client.read_reason(reason)

    def _on_connect(self, _client: Client, _userdata: object, _flags: ConnectFlags, reason: ReasonCode, properties: object) -> None:
        self._max_packet_bytes = getattr(properties, "MaximumPacketSize", None)
        self._note("connect", reason)

    def _on_message(self, _client: Client, _userdata: object, _message: MQTTMessage) -> None:
        self._has_received = True
