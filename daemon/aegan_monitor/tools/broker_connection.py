"""One MQTT connection of a command: made, used step by step, and ended. The daemon has a connection of its own."""

import time
from collections.abc import Callable, Sequence
from socket import gaierror
from typing import TypeAlias

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.reasoncodes import ReasonCode

from aegan_monitor.errors import PublishError
from aegan_monitor.mqtt.client import ADVICE, WHERE_ADVICE, Protocol, Reason, connect, exchange, explain_no_answer, make_client
from aegan_monitor.mqtt.endpoint import Endpoint, explain

FAILURE = 0x80  # reason codes from here on are failures
STEP_S = 0.05  # longest wait for the network between two looks at what came

Take: TypeAlias = Callable[[str, bytes], object]


def advise(error: OSError, endpoint: Endpoint) -> str:
    """Why the broker cannot be reached, and what a person does about it; the daemon, which tries again, logs the reason alone."""
    remedies = {
        ConnectionRefusedError: "no broker listens there; start it, or correct mqtt.host and mqtt.port",
        gaierror: "correct mqtt.host",
    }
    return "; ".join([explain(error, endpoint), *(remedy for kind, remedy in remedies.items() if isinstance(error, kind))])


class BrokerConnection:
    """Each step waits for the broker's answer.

    Attributes:
        max_packet_bytes: The largest packet that the broker takes; None if it has not said so.
    """

    def __init__(self, endpoint: Endpoint, protocol: Protocol, timeout_s: float, take: Take = lambda _topic, _payload: None) -> None:
        """Store; `timeout_s` is for each answer, and `take` gets topic and payload of each message that comes."""
        self.max_packet_bytes: int | None = None
        self._endpoint, self._protocol, self._timeout_s = endpoint, protocol, timeout_s
        self._client = client = make_client(endpoint, protocol, timeout_s)
        self._reasons: dict[str, Reason] = {}
        self._take = take
        client.on_connect = self._on_connect
        client.on_disconnect = lambda _client, _userdata, _flags, reason, _: self._note("end", reason)
        client.on_publish = lambda _client, _userdata, mid, reason, _: self._note(f"publish {mid}", reason)
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message

    @property
    def ended(self) -> bool:
        """The connection has ended: nothing more can be tried on it."""
        return "end" in self._reasons or self._client.socket() is None

    @property
    def end_reason(self) -> str:
        """Why the broker ended the connection; empty if it gave no reason."""
        return self._reasons["end"].text if "end" in self._reasons else ""

    def connect(self, will_topic: str | None = None) -> None:
        """Log in, with an empty last will on `will_topic`.

        Raises:
            PublishError: The broker refuses, or does not answer.
            OSError: It cannot be reached.
        """
        client = self._client
        if will_topic is not None:
            client.will_set(will_topic, b"", qos=1, retain=True)  # were it published, it would clear the topic
        connect(client, self._endpoint, round(2 * self._timeout_s))
        reason = self._wait("connect")
        if reason is None and self.ended:
            raise PublishError(explain_no_answer(client, self._protocol))
        if reason is None:
            raise PublishError(f"no answer within {self._timeout_s:g} s: {WHERE_ADVICE}")
        if reason.code >= FAILURE:
            raise PublishError(f"refused client {self._endpoint.client_id!r} ({reason.text}): {ADVICE.get(reason.text, 'see its log')}")

    def publish(self, topic: str, payload: bytes = b"", *, retained: bool = False) -> Reason | None:
        """Publish a message; the broker's answer, None without one. An empty one that is `retained` clears its topic."""
        return self._wait(f"publish {self._client.publish(topic, payload, qos=1, retain=retained).mid}")

    def subscribe(self, topics: Sequence[str], qos: int = 1) -> Reason | None:
        """Subscribe to topic filters; the answer for the first that is refused, or else for the first; None without one."""
        return self._wait(f"subscribe {self._client.subscribe([(topic, qos) for topic in topics])[1]}")

    def serve(self, until: Callable[[], bool], timeout_s: float | None = None) -> None:
        """Serve the connection until `until` holds, the connection ends, or time is up."""
        deadline_s = time.monotonic() + (self._timeout_s if timeout_s is None else timeout_s)
        while not until() and time.monotonic() < deadline_s and self._client.socket() is not None:
            exchange(self._client, STEP_S)

    def close(self) -> None:
        """Disconnect in order."""
        self._client.disconnect()

    def missing(self, what: str) -> PublishError:
        """The error of a step without an answer."""
        found = "the connection ended before an answer" if self.ended else f"no answer within {self._timeout_s:g} s"
        return PublishError(f"{found} to {what}; see the log of the broker")

    def _wait(self, what: str) -> Reason | None:
        """The answer; None if the connection ends or time is up before it comes."""
        self.serve(lambda: what in self._reasons)
        return self._reasons.get(what)

    def _note(self, what: str, reason: ReasonCode) -> None:
        self._reasons[what] = self._client.read_reason(reason)

    def _on_connect(self, _client: Client, _userdata: object, _flags: ConnectFlags, reason: ReasonCode, properties: object) -> None:
        self.max_packet_bytes = getattr(properties, "MaximumPacketSize", None)
        self._note("connect", reason)

    def _on_subscribe(self, _client: Client, _userdata: object, mid: int, reasons: list[ReasonCode], _: object) -> None:
        self._note(f"subscribe {mid}", next((reason for reason in reasons if reason.is_failure), reasons[0]))

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        self._take(message.topic, bytes(message.payload))
