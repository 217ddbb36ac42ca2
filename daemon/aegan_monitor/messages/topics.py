"""MQTT messages, their topics, and how each kind is delivered."""

from dataclasses import dataclass

from aegan_monitor.messages.model import Kind, Payload

QOS_AND_RETAINED: dict[Kind, tuple[int, bool]] = {
    "status": (1, True),
    "health": (0, True),
    "score": (0, False),
    "alarm": (1, True),
    "event": (1, False),
    "sensor": (1, True),
    "command": (1, False),
    "result": (1, False),
    "picture": (0, True),
    "discovery": (1, True),
}


@dataclass(frozen=True, slots=True)
class Message:
    """An MQTT message; `kind` decides how the outbox stores it."""

    topic: str
    payload: bytes
    qos: int
    retained: bool
    kind: Kind

    @property
    def place(self) -> str:
        """The topic, for a log line; for discovery, which has many topics, a filter."""
        return f"{self.topic.rsplit('/', 4)[0]}/+/+/+/config" if self.kind == "discovery" else self.topic


@dataclass(frozen=True, slots=True)
class Topics:
    """Names of topics: `<base>/<node>/<kind>` for the daemon, `<base>/<node>/<machine>/<kind>` for a machine."""

    base: str
    node: str

    def name(self, kind: Kind, machine: str | None = None) -> str:
        """The topic of one kind of message."""
        return self.of_node(kind) if machine is None else self.of_node(f"{machine}/{kind}")

    def of_node(self, rest: str) -> str:
        """A topic below the node's."""
        return f"{self.base}/{self.node}/{rest}"

    def status(self, online: bool) -> Message:
        """`online` or `offline`, in plain text."""
        return self._message("status", None, b"online" if online else b"offline")

    def message(self, payload: Payload, machine: str | None = None) -> Message:
        """The payload as compact JSON on its topic; only health has no machine."""
        return self._message(payload.KIND, machine, payload.model_dump_json().encode())

    def picture(self, machine: str, content: bytes) -> Message:
        """The content of a `.png` file, as it is."""
        return self._message("picture", machine, content)

    def _message(self, kind: Kind, machine: str | None, payload: bytes) -> Message:
        qos, retained = QOS_AND_RETAINED[kind]
        return Message(self.name(kind, machine), payload, qos, retained, kind)
