"""`aegan-monitor acknowledge`, `shelve` and others: a command to one machine, and its answer."""

import difflib
import getpass
import json
import uuid
from collections.abc import Callable, Sequence

from aegan_monitor.errors import EXIT_FAILED, PublishError, UsageError
from aegan_monitor.messages.command_payloads import DEFAULT_SHELF_S, Command, Result
from aegan_monitor.messages.commands import Refusal, parse
from aegan_monitor.tools.broker_connection import FAILURE, BrokerConnection
from aegan_monitor.tools.terminal.broker import Broker, wait_for_quiet
from aegan_monitor.tools.terminal.plant import Machine, Plant, read_model, read_object

LARGEST_BYTES = 32_768
DONE = {
    "acknowledge": "acknowledged",
    "shelve": "shelved",
    "unshelve": "no longer shelved",
    "close": "closed",
    "out_of_service": "out of service",
    "in_service": "in service again",
}


def make_command(name: str, *, by: str | None, reason: str, **fields: object) -> Command:
    """A command; `by` is None for the login name.

    Raises:
        UsageError: A value is too long or too large.
    """
    given = {
        "command": name.replace("-", "_"),
        "id": str(uuid.uuid4()),
        "by": find_login() if by is None else by,
        "reason": reason,
        **fields,
    }
    command = parse(json.dumps(given).encode(), LARGEST_BYTES)
    if isinstance(command, Refusal):
        raise UsageError(f"{name}: {command.reason}")
    return command


def find_login() -> str:
    """The login name; empty if the system knows none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # neither a variable nor an entry in passwd, as in some containers
        return ""


def send_command(broker: Broker, wanted: str, command: Command, report: Callable[[str], object], *, as_json: bool) -> int:
    """Send it to the machine `wanted`, wait for the answer and report it. Returns 1 if the daemon refuses it.

    Raises:
        PublishError: The broker cannot be reached, there is no such machine, the daemon refuses, or no answer comes.
    """
    plant, results = Plant(broker.topic), list[Result]()

    def take(topic: str, payload: bytes) -> None:
        if not topic.endswith("/result"):
            plant.take(topic, payload)
        elif (result := read_model(Result, read_object(payload))) and result.id == command.id:
            results.append(result)

    with broker.open(take) as connection:
        broker.subscribe(connection, "status", "+/alarm", "+/result")
        wait_for_quiet(connection, lambda: plant.n_messages, broker.timeout_s)
        machine = choose_machine(plant.machines, wanted, broker)
        topic = f"{machine.topic}/{machine.name}/command"
        _publish(connection, broker, topic, command)
        connection.serve(lambda: bool(results))
    if not results:
        raise broker.fail(_explain_silence(broker, topic))
    result = results[0]
    if as_json:
        fields = {"node": machine.node, "machine": machine.name, "result": result.model_dump(mode="json")}
        report(json.dumps(fields, ensure_ascii=False))
    elif not result.accepted:
        raise PublishError(f"{machine.label}: {command.command} was refused: {result.reason}")
    else:
        duration = f" for {(command.duration_s or DEFAULT_SHELF_S) / 60:g} min" if command.command == "shelve" else ""
        report(f"{machine.label}: {DONE[command.command]}{duration}")
    return 0 if result.accepted else EXIT_FAILED


def _publish(connection: BrokerConnection, broker: Broker, topic: str, command: Command) -> None:
    taken = connection.publish(topic, command.model_dump_json(exclude_none=True).encode())
    if taken is None:
        raise broker.fail(str(connection.missing(f"a message on {topic}")))
    if taken.code >= FAILURE:
        raise broker.fail(f"a message on {topic} was refused ({taken.text}); the ACL must let this user write there")


def choose_machine(machines: Sequence[Machine], wanted: str, broker: Broker) -> Machine:
    """The machine with this name, or with this node and name (`pump-house/pump`).

    Raises:
        PublishError: There is none, there are several, or its daemon is offline.
    """
    found = [machine for machine in machines if wanted in (machine.name, f"{machine.node}/{machine.name}")]
    if len(found) == 1 and found[0].is_online is False:
        raise broker.fail(f"the daemon of {found[0].node} is offline: a command would be lost, and was not sent")
    if len(found) == 1:
        return found[0]
    if found:
        names = " or ".join(f"{machine.node}/{machine.name}" for machine in found)
        raise broker.fail(f"{len(found)} machines are called {wanted!r}; name the node, too: {names}")
    if not machines:
        raise broker.miss()
    labels = {name: machine.label for machine in machines for name in (machine.name, machine.label)}
    close = difflib.get_close_matches(wanted, labels, n=1)
    there = f"did you mean {labels[close[0]]}?" if close else f"there are: {', '.join(dict.fromkeys(labels.values()))}"
    raise broker.fail(f"no machine {wanted!r}; {there}")


def _explain_silence(broker: Broker, topic: str) -> str:
    unseen = "" if broker.protocol == "5" else "; MQTT 3.1.1 does not say whether this user may write there"
    return (
        f"no answer within {broker.timeout_s:g} s to the command on {topic}: does the daemon run, "
        f"with mqtt.commands.enabled, and may this user read the result?{unseen}"
    )
