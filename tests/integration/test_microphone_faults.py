"""The daemon with a microphone that is unplugged, hangs and crashes while another source is at hand: faults on the topic, no alarm."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aegan_monitor.demo import bundle_path
from aegan_monitor.demo.pump import Pump
from broker import Mosquitto, Subscriber
from pulse import SINK, PulseServer
from synthetic import write_wav

RATE_HZ = 16_000
NOTICED_S, RECOVERED_S = 2.0, 3.0
ON_THE_WAY_S = 0.5  # from the sensor to the subscriber
SENSOR, SCORE = "aegan/box/pump/sensor", "aegan/box/pump/score"


@contextmanager
def running(config: Path, env: dict[str, str]) -> Iterator[None]:
    """The daemon; it has to end well, and within 2 s."""
    process = subprocess.Popen([sys.executable, "-m", "aegan_monitor.cli", "run", "--config", str(config)], env=env, stderr=subprocess.PIPE)
    try:
        yield
    finally:
        process.terminate()
        start_s = time.monotonic()
        _, log = process.communicate(timeout=20)
    assert process.returncode == 0, log
    assert time.monotonic() - start_s < 2.0, log
    assert b"Traceback" not in log, log


def wait_for_sensor(subscriber: Subscriber, states: set[str], within_s: float) -> float:
    """Wait until the last state is one of these; the seconds that it took."""
    start_s = time.monotonic()
    while not (found := subscriber.payloads(SENSOR)) or json.loads(found[-1])["state"] not in states:
        assert time.monotonic() - start_s < within_s, f"expected {states}, found {found[-3:]}"
        time.sleep(0.01)
    return time.monotonic() - start_s


@pytest.mark.mic
@pytest.mark.broker
def test_faults_are_told_and_nothing_else_is_heard(pulse: PulseServer, broker: Mosquitto, tmp_path: Path) -> None:
    """Unplugged, hanging, crashed: each is told within 2 s, the machine is heard again within 3 s, and a tone nearby is never scored."""
    sound = write_wav(tmp_path / "pump.wav", Pump(31).read(60 * RATE_HZ))
    players: list[subprocess.Popen[bytes]] = []

    def play() -> None:
        players.append(pulse.start_playing(sound))

    def plug() -> None:
        pulse.add_sink(SINK)
        play()

    def restart() -> None:
        pulse.start()
        pulse.add_tone("wrong", 3000)
        play()

    faults: list[tuple[Callable[[], None], str, Callable[[], None]]] = [
        (lambda: pulse.remove(SINK), "missing", plug),
        (pulse.pause, "stalled", pulse.resume),
        (pulse.kill, "missing", restart),
    ]
    pulse.add_tone("wrong", 3000)
    config = tmp_path / "monitor.yaml"
    config.write_text(
        f"node: box\nhealth_interval_s: 0.5\nmqtt: {{host: 127.0.0.1, port: {broker.port}}}\noutbox: {{path: outbox.sqlite}}\n"
        f"machines: [{{name: pump, bundle: {bundle_path()}, capture: {{device: 'pulse:{SINK}.monitor'}}}}]\n"
    )
    play()
    with Subscriber(broker.port, "aegan/box/#") as subscriber:
        with running(config, pulse.env):
            wait_for_sensor(subscriber, {"ok"}, 20.0)
            subscriber.wait_for(lambda m: m.topic == SCORE, 20.0)
            for break_it, state, mend in faults:
                break_it()
                wait_for_sensor(subscriber, {state}, NOTICED_S + ON_THE_WAY_S)
                n_scores = len(subscriber.payloads(SCORE))
                time.sleep(1.5)  # in which something wrong could be heard
                mend()
                wait_for_sensor(subscriber, {"ok"}, RECOVERED_S + ON_THE_WAY_S)
                time.sleep(1.0)
                assert len(subscriber.payloads(SCORE)) == n_scores  # a clip of new sound is not there yet
            n_scores = len(subscriber.payloads(SCORE))
            subscriber.wait_for(lambda _: len(subscriber.payloads(SCORE)) > n_scores, 15.0)
        health = json.loads(subscriber.payloads("aegan/box/health")[-1])["machines"]["pump"]
        assert subscriber.payloads("aegan/box/pump/event") == []
        assert not any(json.loads(payload)["exceeded"] for payload in subscriber.payloads(SCORE))
        assert {json.loads(payload)["state"] for payload in subscriber.payloads("aegan/box/pump/alarm")} == {"normal"}
    assert health["gaps_total"] >= 3
    assert 40 < health["coverage_percent"] < 95, health
    assert health["rate_deviation_ppm"] is None
    for player in players:
        player.kill()
        player.wait()


@pytest.mark.mic
@pytest.mark.broker
def test_a_hanging_server_does_not_hold_up_the_end(pulse: PulseServer, broker: Mosquitto, tmp_path: Path) -> None:
    """Nor the start: two machines begin while it hangs, say so, and stop as they are told, with `offline` published."""
    config = tmp_path / "monitor.yaml"
    machines = [
        f"{{name: {name}, bundle: {bundle_path()}, capture: {{device: {device}}}}}" for name, device in (("pump", "null"), ("fan", "x"))
    ]
    config.write_text(f"node: box\nmqtt: {{port: {broker.port}}}\noutbox: {{path: outbox.sqlite}}\nmachines: [{', '.join(machines)}]\n")
    pulse.pause()
    with Subscriber(broker.port, "aegan/box/#") as subscriber:
        with running(config, pulse.env):
            wait_for_sensor(subscriber, {"stalled"}, 20.0)
        subscriber.wait_for(lambda m: m.topic == "aegan/box/status" and m.payload == "offline")
    pulse.resume()
