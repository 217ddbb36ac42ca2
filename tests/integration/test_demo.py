"""The demo: the alarm comes after the fault and reaches a subscriber, for several pumps; the page shows it; nothing is left behind."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from aegan_monitor.demo.live import NAMES
from aegan_monitor.demo.show import FAULT_FROM_S
from broker import wait_until

LISTENING = re.compile(r"listening; open (http://127\.0\.0\.1:\d+/)")


@contextmanager
def demonstrating(folder: Path, *options: str) -> Iterator[tuple["subprocess.Popen[str]", str, list[str]]]:
    """The demo in a process, with temporary files in `folder`: process, link to its page, and what it has printed so far."""
    command = [sys.executable, "-m", "aegan_monitor.cli", "demo", *options]
    environment = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            lines: list[str] = []
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                if found := LISTENING.search(line):
                    yield process, found[1], lines
                    break
            else:
                pytest.fail("\n".join(lines))
        finally:
            process.kill()


def finish(process: "subprocess.Popen[str]", lines: list[str]) -> None:
    """Read what it prints up to its end."""
    assert process.stdout is not None
    lines.extend(line.rstrip("\n") for line in process.stdout)
    process.wait(30)


def fetch(url: str, body: Any = None) -> bytes:
    """The answer to a GET, or to a POST of JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310 # of loopback
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        found: bytes = answer.read()
    return found


def find_machine(page: str, name: str) -> Any:
    """The state of a machine, as the interface gives it."""
    return json.loads(fetch(f"{page}api/v1/machines/{name}"))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_demo(tmp_path: Path, seed: int) -> None:
    """The demo ends with 0 after the subscriber has printed the alarm, at eight times the speed of CI's `make demo`; its page is there."""
    with demonstrating(tmp_path, "--seed", str(seed), "--speed", "8") as (process, page, lines):
        assert f"the page: {page} until the demo ends" in "\n".join(lines)
        assert b"<title>" in fetch(page)
        assert find_machine(page, "pump")["demo_fault"] is None
        with pytest.raises(urllib.error.HTTPError, match="405"):  # nothing takes it
            fetch(f"{page}api/v1/demo/fault", {"machine": "pump", "faulty": True})
        finish(process, lines)
    assert process.returncode == 0, lines
    assert list(tmp_path.iterdir()) == []
    (alarm,) = [line for line in lines if "ALARM raised" in line]
    assert alarm.startswith("subscriber  aegan/demo/pump/event  ALARM raised: ")
    for resonance_khz in (2.9, 4.7):
        assert any(
            float(low) < resonance_khz < float(high) for low, high in re.findall(r"([\d.]+) to ([\d.]+) kHz louder than ever", alarm)
        )
    last_score = [line for line in lines if "/score" in line and lines.index(line) < lines.index(alarm)][-1]
    assert float(last_score.split()[2]) > FAULT_FROM_S
    assert re.fullmatch("demo: the alarm came [12][0-9] s after the fault and reached the subscriber", lines[-1])
    prefixes = ("monitor     ", "subscriber  ", "demo: ")
    assert [line for line in lines[lines.index("") + 1 :] if not line.startswith(prefixes)] == []  # and nothing on stderr
    assert "mean nothing" not in "\n".join(lines)  # which holds for the demo's bundle on a microphone


def test_a_live_demo_breaks_and_repairs_a_bearing(tmp_path: Path) -> None:
    """A fault that is switched on by HTTP raises the alarm of that pump alone; Ctrl-C ends the demo with 0, and nothing is left behind."""
    with demonstrating(tmp_path, "--live", "--speed", "4") as (process, page, lines):
        assert [find_machine(page, name)["demo_fault"] for name in NAMES] == [False] * 3
        assert json.loads(fetch(f"{page}api/v1/demo/fault", {"machine": "pump-2", "faulty": True}))["faulty"]
        assert find_machine(page, "pump-2")["demo_fault"]
        wait_until(lambda: (find_machine(page, "pump-2")["alarm"] or {}).get("active"), "the alarm")
        assert not any(find_machine(page, name)["alarm"]["active"] for name in ("pump-1", "pump-3"))
        fetch(f"{page}api/v1/demo/fault", {"machine": "pump-2", "faulty": False})
        assert find_machine(page, "pump-2")["demo_fault"] is False
        with pytest.raises(urllib.error.HTTPError, match="404"):
            fetch(f"{page}api/v1/demo/fault", {"machine": "pump", "faulty": True})
        process.send_signal(signal.SIGINT)
        finish(process, lines)
    assert process.returncode == 0, lines
    assert list(tmp_path.iterdir()) == []
    assert any("subscriber  aegan/demo/pump-2/event  ALARM raised: " in line for line in lines)
    assert "Traceback" not in "\n".join(lines)


def test_a_demo_without_the_page_says_so() -> None:
    """Without the web framework the demo still runs, and names the remedy in one line; the live one cannot."""
    program = "import sys; sys.modules['starlette'] = None; from aegan_monitor.cli import main; sys.exit(main())"
    for options, code in ((["--speed", "20"], 0), (["--live"], 1)):
        done = subprocess.run([sys.executable, "-c", program, "demo", *options], capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == code, done
        assert "no page: starlette not installed; pip install starlette" in done.stdout + done.stderr
