"""The broker and subscriber of the tests."""

import subprocess
import sys

import pytest

from broker import CLAIMS, FIRST_PORT, N_PORTS, Mosquitto, Subscriber, find_free_port

N_MESSAGES = 3000


def test_no_port_is_given_twice() -> None:
    """Free ports are distinct, and outside of the range that the kernel gives to clients."""
    ports = [find_free_port() for _ in range(100)]
    assert len(set(ports)) == len(ports)
    assert all(FIRST_PORT <= port < FIRST_PORT + N_PORTS for port in ports)


@pytest.mark.process
def test_no_port_is_given_to_two_processes() -> None:
    """A port claimed by one process cannot be claimed by another, so parallel runs do not collide."""
    claim = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'ab'), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, int(sys.argv[2]))"
    command = [sys.executable, "-c", claim, CLAIMS.name]
    mine = subprocess.run([*command, str(find_free_port())], stderr=subprocess.PIPE, text=True, check=False)
    assert "BlockingIOError" in mine.stderr
    assert subprocess.run([*command, "1"], check=False).returncode == 0


@pytest.mark.broker
def test_who_has_caught_up_has_all(broker: Mosquitto) -> None:
    """After `catch_up` a subscriber has all messages published before, of any QoS, in order."""
    broker.stop()
    broker.more = ["max_queued_messages 0"]
    broker.start()
    publish = ["mosquitto_pub", "-p", str(broker.port)]
    subprocess.run([*publish, "-r", "-t", "tests/kept/command", "-m", "kept"], check=True)
    with Subscriber(broker.port, "tests/#") as subscriber:
        subscriber.pause()
        subprocess.run([*publish, "-q", "1", "-t", "tests/x/command", "-l"], input="x\n" * N_MESSAGES, text=True, check=True)
        subprocess.run([*publish, "-q", "0", "-t", "tests/x/command", "-m", "last"], check=True)
        subscriber.resume()
        subscriber.catch_up()
        topics = [message.topic for message in subscriber.received()]
        payloads = subscriber.payloads("tests/x/command")
    assert (len(topics), topics[0]) == (N_MESSAGES + 2, "tests/kept/command")
    assert sorted(payloads) == ["last", *["x"] * N_MESSAGES]
