"""One paho client for one connection to the broker, as the publisher and `check` both make it."""

from typing import Any, Literal, TypeAlias

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from aegan_monitor.mqtt.endpoint import Connection, explain_tls

Protocol: TypeAlias = Literal["5", "3.1.1"]
PAHO_PROTOCOLS: dict[Protocol, MQTTProtocolVersion] = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
MAX_PACKET_BYTES = 65_536  # larger ones the broker does not send us (MQTT 5): nothing that we hear is nearly as large
SESSION_S = 3600  # how long the broker remembers us: whether it does tells whether it is still the same

WHERE_ADVICE = "check mqtt.host, mqtt.port, mqtt.protocol and mqtt.tls"
ADVICE = {  # by the reason that the broker gives
    "Unsupported protocol version": "set mqtt.protocol to 3.1.1",
    "Client identifier not valid": "change mqtt.client_id",
    **dict.fromkeys(("Bad user name or password", "Not authorized"), "check mqtt.username and mqtt.password_file"),
}


class SocketTrouble:
    """What went wrong on the socket: paho tells it to its log alone."""

    def __init__(self) -> None:
        self._text = ""

    def __call__(self, _client: Client, _userdata: object, _level: int, text: str) -> None:
        """Paho's `on_log`."""
        if "on socket" in text and "[SSL" in text:
            self._text = text

    def explain(self) -> str | None:
        """One line, if TLS had something to say."""
        return explain_tls(self._text.partition("[SSL: ")[2].partition("]")[0]) if self._text else None


def make_client(connection: Connection, protocol: Protocol, timeout_s: float) -> tuple[Client, SocketTrouble]:
    """A client that is not connected yet, and what hears of its troubles.

    Raises:
        ConfigError: A certificate cannot be read.
    """
    transport: Literal["tcp", "websockets"] = "tcp" if connection.websocket_path is None else "websockets"
    client = Client(
        CallbackAPIVersion.VERSION2,
        connection.client_id,
        protocol=PAHO_PROTOCOLS[protocol],
        transport=transport,
        reconnect_on_failure=False,
    )
    client.connect_timeout = timeout_s
    if connection.websocket_path is not None:
        client.ws_set_options(path=connection.websocket_path)
    if connection.username is not None:
        client.username_pw_set(connection.username, connection.password)
    if (context := connection.make_tls_context()) is not None:
        client.tls_set_context(context)
    trouble = SocketTrouble()
    client.on_log = trouble
    return client, trouble


def connect(client: Client, connection: Connection, keepalive_s: int, *, lasting: bool) -> None:
    """Connect, to a session that outlives the connection if it is `lasting` (MQTT 5 alone).

    Raises:
        OSError: The broker cannot be reached, or TLS failed.
    """
    more: dict[str, Any] = {}
    if lasting and client.protocol == MQTTProtocolVersion.MQTTv5:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho's own
        properties.SessionExpiryInterval, properties.MaximumPacketSize = SESSION_S, MAX_PACKET_BYTES
        more = {"clean_start": False, "properties": properties}
    client.connect(connection.host, connection.port, keepalive_s, **more)
