"""The image: built step by step, read-only, without root, with an alarm through a broker beside it, and its health check."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aegan_monitor.demo.pump import Pump
from broker import Mosquitto, Subscriber, wait_until
from container.image import Image
from synthetic import RATE_HZ, write_wav

pytestmark = [pytest.mark.systemd, pytest.mark.process, pytest.mark.timeout(900)]  # the same rights as to boot a systemd
STATE, CONFIG, BUNDLE = "/var/lib/aegan-monitor", "/etc/aegan-monitor/monitor.yaml", "/opt/aegan-monitor/demo-bundle"
WATCHDOG_US = 4_000_000
MOST_MB = 300
DEADLINE_S = 90.0


@pytest.fixture(scope="module")
def image(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The image, read-only, with a pump's recordings and a configuration in it; a module's tests share it."""
    with Image(tmp_path_factory.mktemp("image"), repository) as built:
        yield built


def test_a_step_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """The holder of the namespace, and the memory that its files take, end with a build that fails."""
    (tmp_path / "container").mkdir()
    (tmp_path / "container" / "Containerfile").write_text("FROM debian:bookworm-slim\nRUN exit 3\n")
    folder = tmp_path / "image"
    folder.mkdir()
    with pytest.raises(AssertionError, match="exit 3': 3 after"), Image(folder, tmp_path):
        pass
    assert [place.parent.name for place in Path("/proc").glob("[0-9]*/mounts") if str(folder) in read(place)] == []


def read(path: Path) -> str:
    """A file of a process, which may have ended."""
    try:
        return path.read_text()
    except OSError:
        return ""


def run_in(image: Image, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the image as its user."""
    return subprocess.run(image.enter(image.stage, *command), capture_output=True, text=True, check=False, timeout=DEADLINE_S)


def test_the_image_alarms_without_root_and_writes_only_its_state(
    image: Image, broker: Mosquitto, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    """One container's life: check, the daemon with a broken bearing, an alarm at the broker, health, a hang, the stop."""
    stage = image.stage
    n_mb = int(image.outside("du", "-sm", f"{stage.root}/opt/aegan-monitor").split()[0])
    figure(f"the environment in the image has {n_mb} MB")
    assert n_mb < MOST_MB
    write_wav(tmp_path / "pump.wav", Pump(7, RATE_HZ, 20.0).read(120 * RATE_HZ))
    (tmp_path / "monitor.yaml").write_text(
        f"node: box\nmqtt: {{host: 127.0.0.1, port: {broker.port}}}\n"
        f"machines: [{{name: pump, bundle: {BUNDLE}, capture: {{kind: file, paths: [pump.wav], pace: realtime}}}}]\n"
    )
    image.outside("cp", tmp_path / "pump.wav", tmp_path / "monitor.yaml", f"{stage.root}/etc/aegan-monitor/")
    image.outside("chmod", "-R", "a+rX", f"{stage.root}/etc/aegan-monitor")
    image.seal(STATE)
    stage.environment["WATCHDOG_USEC"] = str(WATCHDOG_US)

    checked = run_in(image, *stage.entrypoint, "check", "--config", CONFIG)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    refused = run_in(image, "sh", "-c", f"id -u; touch /etc/x; touch /opt/aegan-monitor/x; touch {STATE}/x && echo written")
    assert refused.stdout == "10001\nwritten\n"
    assert refused.stderr.count("Read-only file system") == 2

    shown = run_in(image, *stage.entrypoint, "demo")
    assert (shown.returncode, "demo: the alarm came " in shown.stdout) == (0, True), shown.stdout + shown.stderr

    with Subscriber(broker.port) as subscriber, (tmp_path / "log").open("w") as log:
        daemon = subprocess.Popen(image.enter(stage, *stage.entrypoint, *stage.command), stdout=log, stderr=log)
        try:
            wait_until(lambda: run_in(image, *stage.check).returncode == 0, f"health; {tmp_path / 'log'}", DEADLINE_S)
            wait_until(lambda: any('"raised"' in text for text in subscriber.payloads("aegan/box/pump/event")), "an alarm", DEADLINE_S)
            assert user_of(daemon.pid) == "10001"
            daemon.send_signal(signal.SIGSTOP)
            hung = run_in(image, *stage.check)
            assert (hung.returncode, hung.stderr) == (1, "no sign of life for 4 s: the daemon hangs, or has not begun yet\n")
            daemon.send_signal(signal.SIGCONT)
            assert run_in(image, *stage.check).returncode == 0
            daemon.terminate()
            assert daemon.wait(DEADLINE_S) == 0, (tmp_path / "log").read_text()
        finally:
            daemon.kill()
            daemon.wait()
    names = image.outside("ls", "-A", f"{stage.root}{STATE}").split()
    assert {"outbox-box.sqlite", "history-box.sqlite", "evidence-box"} <= set(names)
    assert not [name for name in names if name.startswith("health.socket")]


def user_of(pid: int) -> str:
    """The user of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(line.split()[1] for line in status.splitlines() if line.startswith("Uid:"))
