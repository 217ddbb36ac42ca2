"""Runs the stages of `check` on the way to a broker."""

from aegan_monitor.errors import PublishError
from aegan_monitor.mqtt.endpoint import Endpoint
from aegan_monitor.tools.broker_probe import BrokerProbe
from aegan_monitor.tools.broker_visit import Permission
from broker import STEP_DEADLINE_S

TOPIC, COMMAND_TOPIC, COMMAND_TOPICS = "aegan/hall/check", "aegan/hall/pump/command", "aegan/hall/+/command"
MAY_WRITE = Permission("permission to publish", {TOPIC: "aegan/hall/#"})
RUNS_OUT_S = 2.0  # time-out of tests in which no answer comes


def probe(
    endpoint: Endpoint,
    protocol: str = "5",
    commands: tuple[str, str] | None = None,
    *more: Permission,
    timeout_s: float = STEP_DEADLINE_S,
    largest_bytes: int = 0,
) -> tuple[list[str], str]:
    """Run the stages; returns their verdicts and the error, both without the name of the broker."""
    reported: list[str] = []
    failure = ""
    try:
        BrokerProbe(endpoint, protocol, [MAY_WRITE, *more], commands, timeout_s, largest_bytes=largest_bytes).run(reported.append)  # type: ignore[arg-type]
    except PublishError as error:
        failure = str(error)
    where = f"MQTT broker {endpoint.host}:{endpoint.port}: "
    return [line.removeprefix(where) for line in reported], failure.removeprefix(where)
