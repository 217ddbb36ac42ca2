"""What is known of nodes and their machines, from the messages on their topics."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from aegan_monitor.messages.machine_health import MachineHealth
from aegan_monitor.messages.model import Model
from aegan_monitor.messages.payloads import Alarm, Event, Score, Sensor

M = TypeVar("M", bound=Model)


@dataclass(slots=True)
class Machine:
    """One machine.

    Attributes:
        topic: Of its node, for instance `aegan/pump-house`.
        node: Name of the node.
        label: Name for people: with the node, where there may be several.
        is_online: Whether the daemon of the node is there; None if that is not known.
        scored_at_s: When the last score came, on the clock of `take`; None before it.
    """

    topic: str
    node: str
    name: str
    label: str
    is_online: bool | None = None
    alarm: Alarm | None = None
    sensor: Sensor | None = None
    health: MachineHealth | None = None
    score: Score | None = None
    scored_at_s: float | None = None


class News(NamedTuple):
    """A message of a machine: its JSON, and the event if it is one."""

    machine: Machine
    kind: str
    fields: dict[str, Any]
    event: Event | None


class Plant:
    """All machines of the nodes whose topics match a filter. Pure: time is passed in."""

    def __init__(self, topic: str) -> None:
        """Store; `topic` is the filter, as `aegan/+`."""
        self._n_levels = topic.count("/") + 1
        self._has_several = "+" in topic
        self._machines: dict[tuple[str, str], Machine] = {}
        self._status: dict[str, bool] = {}
        self.n_messages = 0

    @property
    def machines(self) -> list[Machine]:
        """Sorted by their names."""
        return sorted(self._machines.values(), key=lambda machine: (machine.topic, machine.name))

    @property
    def nodes(self) -> list[str]:
        """Topics of the nodes whose status is known, sorted."""
        return sorted(self._status)

    def take(self, topic: str, payload: bytes, now_s: float = 0.0) -> News | None:
        """Take a message; what it says of a machine. Messages that cannot be read are ignored."""
        self.n_messages += 1
        levels = topic.split("/")
        node, rest = "/".join(levels[: self._n_levels]), levels[self._n_levels :]
        match rest:
            case ["status"]:
                self._take_status(node, payload)
            case ["health"]:
                self._take_health(node, payload)
            case [name, kind] if not payload:
                if kind in ("alarm", "sensor"):  # removed from the configuration
                    self._machines.pop((node, name), None)
            case [name, kind]:
                return self._take_of_machine(self._find(node, name), kind, payload, now_s)
        return None

    def _take_status(self, node: str, payload: bytes) -> None:
        self._status[node] = payload == b"online"
        for machine in self._machines.values():
            if machine.topic == node:
                machine.is_online = self._status[node]

    def _take_health(self, node: str, payload: bytes) -> None:
        machines = read_object(payload).get("machines")
        for name, fields in machines.items() if isinstance(machines, dict) else ():
            if isinstance(fields, dict):
                self._find(node, name).health = read_model(MachineHealth, fields)

    def _take_of_machine(self, machine: Machine, kind: str, payload: bytes, now_s: float) -> News:
        fields = read_object(payload)
        event = None
        match kind:
            case "alarm":
                machine.alarm = read_model(Alarm, fields)
            case "sensor":
                machine.sensor = read_model(Sensor, fields)
            case "score":
                machine.score, machine.scored_at_s = read_model(Score, fields), now_s
            case "event":
                event = read_model(Event, {name: value for name, value in fields.items() if name != "explanation"})
        return News(machine, kind, fields, event)

    def _find(self, node: str, name: str) -> Machine:
        if (node, name) not in self._machines:
            short = node.rpartition("/")[2]
            label = f"{short}/{name}" if self._has_several else name
            self._machines[node, name] = Machine(node, short, name, label, self._status.get(node))
        return self._machines[node, name]


def read_object(payload: bytes) -> dict[str, Any]:
    """The JSON object in a payload; empty if there is none."""
    try:
        found = json.loads(payload)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def read_model(model: type[M], fields: dict[str, Any]) -> M | None:
    """A payload from its fields, without those that a newer version has added; None if it cannot be read."""
    known = {field.alias or name for name, field in model.model_fields.items()}
    try:
        return model.model_validate({name: value for name, value in fields.items() if name in known})
    except ValidationError:
        return None


def format_day_time(moment: datetime, now: datetime) -> str:
    """In the time zone of `now`: the time of day if it is today's, else the day."""
    local = moment.astimezone(now.tzinfo)
    return f"{local:%H:%M}" if local.date() == now.date() else f"{local:%d %b}"
