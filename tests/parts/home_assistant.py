"""Home Assistant itself, on loopback: set up through its own API, as its user does in the browser."""

import json
import os
import shutil
import signal
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from broker import Mosquitto, find_free_port, wait_until

START_S = 90.0  # on a busy machine
OTHER_SETTINGS = "other_settings"  # a section of the form with which MQTT is set up
CLIENT = "http://127.0.0.1/"
KNOWN = ("Skipping pip installation of required modules", "Support for the running Python version")  # both said before any integration runs


def find_program() -> str | None:
    """`hass`, from the variable or the path; it needs an environment of its own."""
    return os.environ.get("AEGAN_HASS") or shutil.which("hass")


def publish(broker: Mosquitto, topic: str, *options: str) -> None:
    """Publish with mosquitto_pub."""
    subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-t", topic, *options], check=True)


class HomeAssistant:
    """Home Assistant in a folder; a context manager.

    Attributes:
        folder: Its configuration's.
    """

    def __init__(self, folder: Path, broker_port: int) -> None:
        """Store."""
        self.folder, self._broker_port = folder, broker_port
        self._port = find_free_port()
        self._token = ""
        self._lines: list[str] = []
        folder.mkdir()
        (folder / "configuration.yaml").write_text(
            f"http: {{server_host: 127.0.0.1, server_port: {self._port}}}\n"
            "api:\nlogger: {default: warning, logs: {homeassistant.components.mqtt: info}}\n"
        )

    def __enter__(self) -> Self:
        """Start, make a user, and connect it to the broker."""
        try:
            self._start()
            self._set_up()
        except BaseException:
            self._process.kill()
            self.stop()
            raise
        return self

    def _set_up(self) -> None:
        user = {"client_id": CLIENT, "name": "x", "username": "x", "password": "x", "language": "en"}
        code = self._ask("/api/onboarding/users", user)["auth_code"]
        self._token = self._log_in(code)
        flow = self._ask("/api/config/config_entries/flow", {"handler": "mqtt"})
        where: dict[str, object] = {"broker": "127.0.0.1", "port": self._broker_port}
        if any(field["name"] == OTHER_SETTINGS for field in flow["data_schema"]):  # newer than 2024
            where[OTHER_SETTINGS] = {"set_client_cert": False, "set_ca_cert": "off", "tls_insecure": False, "transport": "tcp"}
        done = self._ask(f"/api/config/config_entries/flow/{flow['flow_id']}", where)
        assert done["type"] == "create_entry", done

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def stop(self) -> None:
        """Stop it by SIGTERM; harmless when it has ended."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(START_S)
        self._reader.join(10)

    def configure(self, more: str) -> None:
        """Add to its configuration, for the next start."""
        with (self.folder / "configuration.yaml").open("a") as configuration:
            configuration.write(more)

    def start_again(self) -> None:
        """Start once more, with the configuration and entities of before."""
        self._start()

    @property
    def complaints(self) -> list[str]:
        """What it has logged as a warning or worse."""
        lines = [line for line in list(self._lines) if " WARNING " in line or " ERROR " in line]
        return [line for line in lines if not any(known in line for known in KNOWN)]

    def states(self) -> dict[str, dict[str, Any]]:
        """Every entity of MQTT's, by its id."""
        entities = self.render("{{ integration_entities('mqtt') | to_json }}")
        return {state["entity_id"]: state for state in self._ask("/api/states") if state["entity_id"] in json.loads(entities)}

    def state(self, entity: str) -> str | None:
        """Of one entity, if there is such a one."""
        found = self.states().get(entity)
        return None if found is None else found["state"]

    def wait_for(self, entity: str, *states: str) -> None:
        """Until it is in one of these states."""
        wait_until(lambda: self.state(entity) in states, f"{entity} in {states}, which is {self.state(entity)}", START_S)

    def wait_for_number(self, entity: str) -> None:
        """Until it is one."""
        wait_until(lambda: (self.state(entity) or "-").replace(".", "").lstrip("-").isdigit(), f"a number in {entity}", START_S)

    def device(self, entity: str) -> str:
        """The name of the device that an entity is of."""
        return self.render(f"{{{{ device_attr('{entity}', 'name') }}}}")

    def press(self, button: str) -> None:
        """Press a button entity."""
        self._ask("/api/services/button/press", {"entity_id": button})

    def fire(self, event: str, data: Mapping[str, object]) -> None:
        """An event, such as one of the phone's."""
        self._ask(f"/api/events/{event}", data)

    def read_image(self, entity: str) -> bytes:
        """What an image entity shows; empty if it shows nothing."""
        try:
            with urllib.request.urlopen(self._request(f"/api/image_proxy/{entity}"), timeout=START_S) as answer:  # noqa: S310 - this machine
                return bytes(answer.read())
        except urllib.error.HTTPError:
            return b""

    def check_config(self) -> str:
        """What it finds wrong with its configuration."""
        found = self._ask("/api/config/core/check_config", {})
        return str(found["errors"] or "")

    def render(self, template: str) -> str:
        """A template of its own."""
        return str(self._ask("/api/template", {"template": template}))

    def _start(self) -> None:
        command = [find_program() or "hass", "--skip-pip", "--config", str(self.folder)]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        wait_until(self._answers, "Home Assistant", START_S)

    def _answers(self) -> bool:
        assert self._process.poll() is None, "".join(self._lines)
        try:
            return bool(self._ask("/api/onboarding" if not self._token else "/api/config"))
        except OSError:
            return False

    def _log_in(self, code: str) -> str:
        form = urllib.parse.urlencode({"grant_type": "authorization_code", "code": code, "client_id": CLIENT}).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/auth/token", form, timeout=START_S) as answer:
            return str(json.load(answer)["access_token"])

    def _ask(self, path: str, data: Mapping[str, object] | None = None) -> Any:
        with urllib.request.urlopen(self._request(path, data), timeout=START_S) as answer:  # noqa: S310 - this machine
            text = answer.read().decode()
        return json.loads(text) if "json" in answer.headers["Content-Type"] else text

    def _request(self, path: str, data: Mapping[str, object] | None = None) -> urllib.request.Request:
        body = None if data is None else json.dumps(data).encode()
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        headers["Content-Type"] = "application/json"
        return urllib.request.Request(f"http://127.0.0.1:{self._port}{path}", body, headers)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            self._lines.extend(iter(lines.readline, ""))
