"""A broker in memory, and the client that is connected to it: no socket, no thread."""

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from paho.mqtt.client import ConnectFlags, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from aegan_monitor.mqtt.client import BrokerClient

CONNECTED = ReasonCode(PacketTypes.CONNACK, "Success")
ACCEPTED, REFUSED = ReasonCode(PacketTypes.PUBACK, "Success"), ReasonCode(PacketTypes.PUBACK, "Quota exceeded")
GRANTED = ReasonCode(PacketTypes.SUBACK, "Granted QoS 1")


class Packet(NamedTuple):
    """A PUBLISH of the daemon."""

    message_id: int
    topic: str
    payload: bytes
    qos: int


class MemoryClient(BrokerClient):
    """The client of one connection. `sent` has what the broker has not read yet."""

    def __init__(self, notice: Callable[[], None]) -> None:
        """`notice` is called before each message of QoS 1 is sent."""
        super().__init__("aegan-hall", MQTTProtocolVersion.MQTTv5, "tcp")
        self.sent: deque[Packet] = deque()
        self.unanswered: deque[int] = deque()  # subscriptions
        self._notice, self._n = notice, 0

    def publish(self, topic: str, payload: Any = None, qos: int = 0, *_: Any, **__: Any) -> MQTTMessageInfo:
        """Send a message."""
        if qos:
            self._notice()
        self._n += 1
        self.sent.append(Packet(self._n, topic, payload, qos))
        return MQTTMessageInfo(self._n)

    def subscribe(self, *_: Any, **__: Any) -> tuple[MQTTErrorCode, int | None]:
        """Request a subscription."""
        self._n += 1
        self.unanswered.append(self._n)
        return MQTTErrorCode.MQTT_ERR_SUCCESS, self._n

    def want_write(self) -> bool:
        """There is always room."""
        return False

    def disconnect(self, *_: Any, **__: Any) -> MQTTErrorCode:
        """Leave."""
        return MQTTErrorCode.MQTT_ERR_SUCCESS


class MemoryBroker:
    """Takes what the daemon sends, answers, and forwards it to a subscriber a step later.

    Attributes:
        is_down: It accepts no connection.
        hangs: It reads and answers nothing.
        refuses: It refuses each message.
        is_doomed: It is killed once it has acknowledged something that it has not forwarded.
    """

    def __init__(self) -> None:
        self.is_down = self.hangs = self.refuses = self.is_doomed = False
        self._n_until_cut: int | None = None
        self._client: MemoryClient | None = None
        self._accepted: deque[Packet] = deque()

    def accept(self, client: MemoryClient) -> None:
        """Accept a connection."""
        self._client = client
        call(client.on_connect, client, ConnectFlags(session_present=False), CONNECTED, None)

    def answer(self) -> bool:
        """Read and answer all that was sent; False if there was nothing."""
        client = self._client
        if client is None or self.hangs or not (client.sent or client.unanswered):
            return False
        while client.unanswered:
            call(client.on_subscribe, client, client.unanswered.popleft(), [GRANTED], None)
        while client.sent:
            packet = client.sent.popleft()
            if self._n_until_cut is not None and packet.qos:
                self._n_until_cut -= 1
                if self._n_until_cut < 0:
                    client.sent.appendleft(packet)
                    self.cut(len(client.sent) // 2)
                    return False
            is_taken = packet.qos == 0 or not self.refuses
            if is_taken:
                self._accepted.append(packet)
            if packet.qos:
                call(client.on_publish, client, packet.message_id, ACCEPTED if is_taken else REFUSED, None)
        return True

    @property
    def is_connected(self) -> bool:
        """The daemon is connected."""
        return self._client is not None

    def cut_after(self, n: int) -> None:
        """Cut the connection after `n` further messages of QoS 1."""
        self._n_until_cut = n

    def cut(self, n_read: int) -> None:
        """The connection ends. Of what is on the way the first `n_read` messages arrive, without an answer."""
        if self._client is not None and not self.refuses:
            self._accepted.extend(list(self._client.sent)[:n_read])
        self._client = self._n_until_cut = None

    def forward(self) -> list[Packet]:
        """What the subscriber receives now; nothing of it if the broker is killed before."""
        found = list(self._accepted)
        self._accepted.clear()
        if self.is_doomed and any(packet.qos for packet in found):
            self.is_doomed, self._client = False, None
            return []
        return found

    def command(self, topic: str, payload: bytes, *, retained: bool) -> bool:
        """Publish a command; False if the daemon is not subscribed."""
        client = self._client
        if client is None or self.hangs or client.unanswered:
            return False
        message = MQTTMessage(topic=topic.encode())
        message.payload, message.retain = payload, retained
        call(client.on_message, client, message)
        return True


def call(callback: Any, client: MemoryClient, *values: object) -> None:
    """Call back as paho does, which declares other types for older versions."""
    callback(client, None, *values)
