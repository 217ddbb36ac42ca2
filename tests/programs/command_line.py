"""`aegan-monitor` run to its end in a child of the prepared process."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from aegan_monitor.detection.bundle import demo_bundle
from prepared import Child, Prepared

if TYPE_CHECKING:
    import subprocess

MODULES = ("aegan_monitor.cli", "aegan_monitor.service.monitor", "onnxruntime")
NO_BROKER = "MQTT broker 127.0.0.1:9: TCP: .*Connection refused"


class CommandLine:
    """Calls `aegan-monitor` with arguments."""

    def __init__(self, prepared: Prepared) -> None:
        """Store."""
        self._prepared = prepared

    def __call__(
        self, *arguments: object, env: Mapping[str, str] | None = None, cwd: Path | str = ".", stdin: bytes = b""
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return self._prepared.run("aegan_monitor.cli", "main", [[*map(str, arguments)]], env, folder=cwd, stdin=stdin)

    def start(self, *arguments: object, env: Mapping[str, str] | None = None) -> Child:
        """Start a command and return its process."""
        return self._prepared.start("aegan_monitor.cli", "main", [[*map(str, arguments)]], env)


def write_config(folder: Path, capture: str, port: int, more: str = "") -> Path:
    """A configuration with the built-in bundle."""
    path = folder / "monitor.yaml"
    machine = f"{{name: pump, bundle: {demo_bundle()}, capture: {capture}}}"
    path.write_text(f"node: box\nmqtt: {{host: 127.0.0.1, port: {port}}}\noutbox: {{path: outbox.sqlite}}\nmachines: [{machine}]\n{more}")
    return path


def assert_lines(done: "subprocess.CompletedProcess[str]", code: int, *patterns: str) -> None:
    """The command failed with that code and one line for each pattern."""
    lines = done.stderr.splitlines()
    assert (done.returncode, len(lines)) == (code, len(patterns)), done.stderr
    for line, pattern in zip(lines, patterns, strict=True):
        assert re.match(f"aegan-monitor: {pattern}", line), f"{line!r} does not begin with {pattern!r}"


def without_portaudio(folder: Path) -> dict[str, str]:
    """Environment variables with which importing sounddevice fails as without PortAudio."""
    (folder / "stub").mkdir()
    (folder / "stub" / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    return {"PYTHONPATH": os.pathsep.join([str(folder / "stub"), *filter(None, [os.environ.get("PYTHONPATH")])])}
