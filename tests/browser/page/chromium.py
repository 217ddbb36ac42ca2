"""A Chromium that shows the page: what a person sees, presses and types."""

import base64
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.remote_connection import ChromeRemoteConnection
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from broker import wait_until
from network import Cable

DRIVER = "/usr/bin/chromedriver"
FAR_PORT = 9515  # of the driver at the other end of a cable
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --disable-dev-shm-usage"
)
HOST = "monitor.test"  # a name that is no secure context: the page must do without what browsers keep for those
HARMLESS = ("net::ERR_", "Cross-Origin-Opener-Policy")  # a lost connection; a header that counts in a secure context alone
PATIENCE_S = 20.0
TURN_S = 0.05


class Browser:
    """One browser, used by test after test: on this host, or at the other end of a cable."""

    def __init__(self, profile: Path, cable: Cable | None = None) -> None:
        options, address = webdriver.ChromeOptions(), cable.here if cable else "127.0.0.1"
        options.binary_location = "/usr/bin/chromium"
        for flag in (*FLAGS.split(), f"--host-resolver-rules=MAP {HOST} {address}", f"--user-data-dir={profile}", "--window-size=1280,900"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self._far = start_far_driver(cable) if cable else None
        self.driver: Any
        if cable:
            self.driver = webdriver.Remote(ChromeRemoteConnection(f"http://{cable.address}:{FAR_PORT}"), options=options)
        else:
            self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        self.resize(1280, 900)

    def stop(self) -> None:
        """Close it."""
        self.driver.quit()
        if self._far:
            self._far.terminate()
            self._far.wait(PATIENCE_S)

    def resize(self, width: int, height: int, scheme: str = "light") -> None:
        """Another screen, light or dark."""
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, port: int, view: str = "machines") -> None:
        """Load the page anew, at a view."""
        self.driver.get("about:blank")
        self.driver.get(f"http://{HOST}:{port}/#/{view}")

    def show(self, view: str) -> None:
        """Another view of the page that is loaded."""
        self.run("location.hash = arguments[0]", f"#/{view}")

    def run(self, script: str, *arguments: Any) -> Any:
        """The value of a script."""
        return self.driver.execute_script(script, *arguments)

    def cdp(self, command: str, **arguments: Any) -> Any:
        """A command of the DevTools protocol."""
        return self.driver.execute("executeCdpCommand", {"cmd": command, "params": arguments})["value"]

    def text(self, selector: str = "body") -> str:
        """What can be read in all elements."""
        return str(self.run("return [...document.querySelectorAll(arguments[0])].map((each) => each.innerText).join('\\n')", selector))

    def click(self, selector: str) -> None:
        """Click the element, once it is there."""
        self.wait(
            lambda: self.run("const it = document.querySelector(arguments[0]); return Boolean(it) && !it.hidden && !it.disabled", selector),
            selector,
        )
        self.run("document.querySelector(arguments[0]).scrollIntoView({ block: 'center' })", selector)
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def write(self, selector: str, text: str) -> None:
        """Type a text into a field, and leave the field."""
        self.driver.find_element(By.CSS_SELECTOR, selector).send_keys(text)
        self.run("document.activeElement.blur()")

    def press(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        for key in keys:
            self.driver.switch_to.active_element.send_keys(getattr(Keys, key, key))

    def wait(self, found: Callable[[], Any], what: str) -> Any:
        """The first true value of `found`."""
        end_s = time.monotonic() + PATIENCE_S
        while not (value := found()):
            assert time.monotonic() < end_s, f"not there after {PATIENCE_S:g} s: {what}; the page says:\n{self.text()}"
            time.sleep(TURN_S)
        return value

    def wait_until(self, script: str, value: Any, *arguments: Any) -> None:
        """Wait until a script has a value."""
        self.wait(lambda: self.run(script, *arguments) == value, f"{value!r} of {script}")

    def wait_for(self, text: str, selector: str = "body") -> None:
        """Wait until a text can be read."""
        self.wait(lambda: text in self.text(selector), f"{text!r} in {selector}")

    @contextmanager
    def offline(self) -> Iterator[None]:
        """Without a network."""
        lost = {"latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        self.cdp("Network.enable")
        self.cdp("Network.emulateNetworkConditions", offline=True, **lost)
        try:
            yield
        finally:
            self.cdp("Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1)

    def errors(self) -> list[str]:
        """What the console says of errors since the last call, but for what is no fault of the page (see HARMLESS)."""
        entries = self.driver.execute("getLog", {"type": "browser"})["value"]
        severe = [each["message"] for each in entries if each["level"] == "SEVERE"]
        return [each for each in severe if not any(words in each for words in HARMLESS)]

    def picture(self, path: Path) -> None:
        """Write a PNG of what the window shows."""
        path.write_bytes(base64.b64decode(self.cdp("Page.captureScreenshot")["data"]))


def start_far_driver(cable: Cable) -> "subprocess.Popen[bytes]":
    """The driver at the other end of a cable, once it answers."""
    process = subprocess.Popen([*cable.through, DRIVER, f"--port={FAR_PORT}", f"--allowed-ips={cable.here}"], stdout=subprocess.DEVNULL)
    wait_until(lambda: answers(cable.address), "the driver answers")
    return process


def answers(address: str) -> bool:
    """Whether the driver takes connections there."""
    with socket.socket() as probe:
        return probe.connect_ex((address, FAR_PORT)) == 0
