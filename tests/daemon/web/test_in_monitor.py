"""The page of a running monitor: a command reaches the alarm, and what follows reaches the viewers and the history."""

import http.client
import json
from pathlib import Path
from typing import Any

from aegan_monitor.config.model import load_config
from aegan_monitor.service.monitor import Monitor
from broker import STEP_DEADLINE_S, find_free_port, wait_until
from monitoring import HoldingCapture, running, write_config

API = "/api/v1/"


def fetch(port: int, path: str, body: Any = None) -> Any:
    """The JSON of an answer, or None while nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=STEP_DEADLINE_S)
    try:
        if body is None:
            connection.request("GET", API + path)
        else:
            connection.request("POST", API + path, json.dumps(body), {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())
    except ConnectionRefusedError:
        return None
    finally:
        connection.close()


def test_a_command_from_the_page_reaches_the_alarm(tmp_path: Path) -> None:
    """The answer is the result; the state follows, and the history says who did it."""
    path, port = write_config(tmp_path, find_free_port(), "pump"), find_free_port()
    path.write_text(f"web: {{port: {port}}}\n{path.read_text()}")
    with running(Monitor(load_config(path), capture=lambda _, rate_hz: HoldingCapture(rate_hz))):
        wait_until(lambda: fetch(port, "machines"), "the page")
        result = fetch(port, "machines/pump/command", {"command": "shelve", "id": "7", "by": "Anna", "reason": "a test"})
        assert (result["command"], result["id"], result["accepted"]) == ("shelve", "7", True)
        wait_until(lambda: fetch(port, "machines/pump")["alarm"]["isa_state"] == "shelved", "the state follows")
        refused = fetch(port, "machines/pump/command", {"command": "acknowledge"})
        assert (refused["accepted"], refused["reason"] != "") == (False, True)
        wait_until(lambda: {"shelve", "shelved"} <= {each["kind"] for each in fetch(port, "events").get("events", [])}, "the history")
        (command,) = (each for each in fetch(port, "events")["events"] if each["kind"] == "shelve")
        assert (command["by"], command["machine"], command["source"]) == ("Anna", "pump", "command")
        assert fetch(port, "health")["machines"]["pump"]["shelved"] is True
    assert fetch(port, "machines") is None
