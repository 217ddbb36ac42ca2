"""paho's client for one connection to the broker; the publisher and `check` both use it."""

import select
import socket
from typing import Literal, NamedTuple, TypeAlias

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from aegan_monitor.mqtt.endpoint import Endpoint, explain_tls

Protocol: TypeAlias = Literal["5", "3.1.1"]
PAHO_PROTOCOLS: dict[Protocol, MQTTProtocolVersion] = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
MAX_PACKET_BYTES = 65_536  # the broker sends us no larger packet (MQTT 5): no command is nearly as large
MALFORMED = "malformed packet"  # paho's words
UNSPECIFIED_ERROR = 0x80
CODE_PLACE = 2  # in a PUBACK, behind the message id

WHERE_ADVICE = "check mqtt.host, mqtt.port, mqtt.protocol and mqtt.tls"
ADVICE = {  # by the reason that the broker gives
    "Unsupported protocol version": "set mqtt.protocol to 3.1.1",
    "Client identifier not valid": "change mqtt.client_id",
    **dict.fromkeys(("Bad user name or password", "Not authorized"), "check mqtt.username and mqtt.password_file"),
    "Retain not supported": "the broker must allow retained messages (mosquitto: retain_available true)",
    "QoS not supported": "the broker must allow QoS 1 (mosquitto: max_qos 1 or 2)",
}
TOO_LARGE = "Packet too large"
LARGER_LIMIT = "raise its limit (mosquitto: message_size_limit, max_packet_size)"
KNOWN_CODES = frozenset(code for code, names in ReasonCode.names.items() if any(PacketTypes.PUBACK in kinds for kinds in names.values()))


class Reason(NamedTuple):
    """A reason code of the broker's; `is_known` says whether paho knows it in a PUBACK."""

    code: int
    text: str
    is_known: bool


class BrokerClient(Client):
    """paho's client, except that an unknown reason code refuses one message and does not end the connection.

    paho treats such a code as a malformed packet and closes the connection. mosquitto answers a PUBLISH over its
    `message_size_limit` with 0x95, which paho knows in CONNACK and DISCONNECT alone. This class replaces an unknown code in a PUBACK
    before paho decodes the packet.

    Attributes:
        trouble: What paho has logged about TLS or a malformed packet, in one line; empty if nothing.
    """

    def __init__(self, client_id: str, protocol: MQTTProtocolVersion, transport: Literal["tcp", "websockets"]) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, client_id, protocol=protocol, transport=transport, reconnect_on_failure=False)
        self.trouble = ""
        self._unknown_code: int | None = None
        self.on_log = self._keep_trouble

    def read_reason(self, reason: ReasonCode) -> Reason:
        """The reason that the broker gave, for the `reason` that paho hands to the callback in progress."""
        code = self._unknown_code
        if code is None:
            return Reason(reason.value, str(reason), is_known=True)
        return Reason(code, next(iter(ReasonCode.names.get(code, ())), f"reason code 0x{code:02x}"), is_known=False)

    def _packet_handle(self) -> MQTTErrorCode:
        """paho's own step, between reading a packet and decoding it."""
        packet = self._in_packet["packet"]
        is_answer = self._protocol == MQTTProtocolVersion.MQTTv5 and self._in_packet["command"] >> 4 == PacketTypes.PUBACK
        if is_answer and len(packet) > CODE_PLACE and packet[CODE_PLACE] not in KNOWN_CODES:
            self._unknown_code, packet[CODE_PLACE] = packet[CODE_PLACE], UNSPECIFIED_ERROR
        try:
            return super()._packet_handle()
        finally:
            self._unknown_code = None

    def _keep_trouble(self, _client: Client, _userdata: object, _level: int, text: str) -> None:
        if "on socket" in text and "[SSL" in text:
            self.trouble = explain_tls(text.partition("[SSL: ")[2].partition("]")[0])
        elif MALFORMED in text:
            self.trouble = text.removeprefix("Received ")


def make_client(endpoint: Endpoint, protocol: Protocol, timeout_s: float) -> BrokerClient:
    """A client that is not connected yet.

    Raises:
        ConfigError: A certificate cannot be read.
    """
    client = BrokerClient(endpoint.client_id, PAHO_PROTOCOLS[protocol], "tcp" if endpoint.websocket_path is None else "websockets")
    client.connect_timeout = timeout_s
    if endpoint.websocket_path is not None:
        client.ws_set_options(path=endpoint.websocket_path)
    if endpoint.username is not None:
        client.username_pw_set(endpoint.username, endpoint.password)
    if (context := endpoint.make_tls_context()) is not None:
        client.tls_set_context(context)
    return client


def connect(client: BrokerClient, endpoint: Endpoint, keepalive_s: int) -> None:
    """Connect with a clean start: the broker keeps nothing for us beyond the connection.

    Raises:
        OSError: The broker cannot be reached, or TLS failed.
    """
    properties = None
    if client.protocol == MQTTProtocolVersion.MQTTv5:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho's own
        properties.MaximumPacketSize = MAX_PACKET_BYTES
    client.connect(endpoint.host, endpoint.port, keepalive_s, properties=properties)


def exchange(client: BrokerClient, wait_s: float, wake: socket.socket | None = None) -> None:
    """Keep the connection alive, then read and write what is possible within `wait_s`; a byte on `wake` ends the wait.

    The keep-alive goes first: after a freeze of the process, answers that wait in the socket are read before it looks again.
    """
    client.loop_misc()
    if (sock := client.socket()) is None:
        return
    n_held = getattr(sock, "pending", int)()  # bytes that TLS has taken from the socket already
    poller = select.poll()  # unlike select() it takes descriptors over 1023
    poller.register(sock, select.POLLIN | (select.POLLOUT if client.want_write() else 0))
    if wake is not None:
        poller.register(wake, select.POLLIN)
    own, ready = sock.fileno(), dict(poller.poll(0 if n_held else 1000 * wait_s))
    if wake is not None and wake.fileno() in ready:
        wake.recv(4096)
    if n_held or ready.get(own, 0) & ~select.POLLOUT:
        client.loop_read()
    if ready.get(own, 0) & select.POLLOUT:
        client.loop_write()


def explain_no_answer(client: BrokerClient, protocol: Protocol) -> str:
    """Why a broker may have ended a connection before it answered; MQTT 3.1.1 has no word for a will that it does not take."""
    if client.trouble and not client.trouble.startswith(MALFORMED):
        return client.trouble
    needs = "" if protocol == "5" else " that allows retained messages and QoS 1"
    found = client.trouble or "no answer"
    return f"the connection ended ({found}): is it an MQTT {protocol} broker{needs}? {WHERE_ADVICE}"
