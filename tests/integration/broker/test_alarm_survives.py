"""A real daemon is killed and restarted in some alarm states; tests/daemon/alarm/test_restart.py covers all states."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle
from broker import Mosquitto, Received, Subscriber, wait_until
from running import ALARM_TOPIC, EVENT_TOPIC

RATE_HZ, DEADLINE_S = 16_000, 60.0
COMMAND_TOPIC, RESULT_TOPIC = "aegan/box/pump/command", "aegan/box/pump/result"


def write_config(folder: Path, port: int, margin: float = 0.0) -> Path:
    """A configuration with one machine that reads a pipe; another margin is another policy."""
    path = folder / "monitor.yaml"
    path.write_text(
        f"node: box\nmqtt: {{host: 127.0.0.1, port: {port}, retry_s: 1}}\noutbox: {{path: outbox.sqlite}}\nmachines: [{{name: pump, "
        f"bundle: {demo_bundle()}, alarm: {{quantile: 0.5, margin: {margin}}}, capture: {{kind: stdin, sample_format: s16le}}}}]\n"
    )
    return path


@contextlib.contextmanager
def running(config: Path) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """The program and its input pipe; it is killed at the end of the block."""
    command = [sys.executable, "-m", "aegan_monitor.cli", "run", "--config", str(config)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        try:
            yield process, process.stdin
        finally:
            process.kill()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()


def say(broker: Mosquitto, subscriber: Subscriber, payload: str) -> None:
    """Send a command that must be accepted."""
    n_before = len(subscriber.received(RESULT_TOPIC))
    subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-q", "1", "-t", COMMAND_TOPIC, "-m", payload], check=True)
    wait_until(lambda: len(subscriber.received(RESULT_TOPIC)) > n_before, "an answer", DEADLINE_S)
    assert subscriber.received(RESULT_TOPIC)[-1].json()["accepted"]


def wait_for_state(subscriber: Subscriber, n_before: int, **wanted: object) -> dict[str, object]:
    """The first state after the first `n_before` that has these fields."""

    def fits() -> list[Received]:
        messages = subscriber.received(ALARM_TOPIC)[n_before:]
        return [each for each in messages if wanted.items() <= each.json().items()]

    wait_until(lambda: bool(fits()), f"a state with {wanted}", DEADLINE_S)
    found: dict[str, object] = fits()[0].json()
    return found


@pytest.mark.broker
@pytest.mark.timeout(180)
def test_an_alarm_survives_kills(broker: Mosquitto, tmp_path: Path) -> None:
    """After a kill a raised, acknowledged or shelved alarm has the same state and id, unconfirmed and without an event."""
    faulty = (32_767 * Pump(41, fault_from_s=0.0).read(30 * RATE_HZ)).astype("<i2").tobytes()
    config = write_config(tmp_path, broker.port)
    with Subscriber(broker.port, "aegan/box/pump/+") as subscriber:

        def count() -> int:
            return len(subscriber.received(ALARM_TOPIC))

        with running(config) as (_, sound):
            sound.write(faulty)
            sound.flush()
            raised = wait_for_state(subscriber, 0, state="alarm", active=True, confirmed=True)
            say(broker, subscriber, '{"command": "acknowledge"}')
        n_before = count()
        with running(config) as (_, sound):
            kept = wait_for_state(subscriber, n_before, confirmed=False)
            assert (kept["alarm_id"], kept["active"], kept["acknowledged"]) == (raised["alarm_id"], True, True)
            assert (kept["since"], kept["measured_at"] is not None) == (raised["since"], True)
            sound.write(faulty)
            sound.flush()
            confirmed = wait_for_state(subscriber, n_before, confirmed=True)
            assert (confirmed["alarm_id"], confirmed["acknowledged"], confirmed["state"]) == (raised["alarm_id"], True, "alarm")
            say(broker, subscriber, '{"command": "shelve", "duration_s": 600}')
            say(broker, subscriber, '{"command": "out_of_service", "by": "Anna"}')
            shelved = wait_for_state(subscriber, n_before, active=False, out_of_service=True)
        n_before = count()
        with running(config) as (process, _):
            kept = wait_for_state(subscriber, n_before, confirmed=False)
            assert (kept["alarm_id"], kept["active"], kept["acknowledged"]) == (raised["alarm_id"], False, True)
            assert kept["shelved_until"] == shelved["shelved_until"] is not None
            assert (kept["isa_state"], kept["case"]) == ("out_of_service", raised["case"])
            say(broker, subscriber, '{"command": "in_service"}')
            say(broker, subscriber, '{"command": "unshelve"}')
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE_S) == 0
        n_before = count()
        with running(write_config(tmp_path, broker.port, margin=0.1)):
            ended = wait_for_state(subscriber, n_before, confirmed=False, state="normal")
            assert (ended["active"], ended["alarm_id"]) == (False, None)
        subscriber.catch_up()
        events = [message.json() for message in subscriber.received(EVENT_TOPIC)]
    first = list({event["sequence"]: event for event in events}.values())
    assert [event["kind"] for event in first] == [
        "raised",
        "acknowledged",
        "shelved",
        "out_of_service",
        "in_service",
        "unshelved",
        "superseded",
    ]
    assert [event["sequence"] for event in first] == [1, 2, 3, 4, 5, 6, 7]
    assert len({event["case"]["id"] for event in first}) == 1
