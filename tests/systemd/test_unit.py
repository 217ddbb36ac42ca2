"""The unit file: systemd accepts every line, and the sandbox is tight."""

import re
import subprocess
from pathlib import Path

import pytest

from aegan_monitor.errors import EXIT_CONFIG

pytestmark = pytest.mark.systemd

MAX_EXPOSURE = 16  # tenths of systemd's exposure level; a unit with DynamicUser alone has 84
DEADLINE_S = 60


TEMPLATE = "aegan-monitor@.service"


@pytest.fixture(params=["aegan-monitor.service", TEMPLATE])
def unit(repository: Path, request: pytest.FixtureRequest) -> Path:
    """The unit and its template, as delivered."""
    return repository / "systemd" / str(request.param)


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The output of systemd-analyze."""
    command = ["systemd-analyze", *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=DEADLINE_S, check=False)


def test_every_line_is_understood(unit: Path, tmp_path: Path) -> None:
    """systemd-analyze reports nothing, not even an unknown key."""
    text, n_replaced = re.subn(r"(?m)^(Exec\w+)=\S+", r"\1=/bin/true", unit.read_text())  # the program is not installed there
    assert n_replaced >= 1
    installed = tmp_path / unit.name.replace("@", "@hall")
    installed.write_text(text)

    verified = analyze("verify", "--man=no", installed)

    assert (verified.returncode, verified.stdout) == (0, "")


def test_it_is_hardened(unit: Path) -> None:
    """The exposure level is 1.6 of 10 or below."""
    assessed = analyze("security", "--offline=true", f"--threshold={MAX_EXPOSURE}", "--no-pager", unit)

    assert assessed.returncode == 0, assessed.stdout


def test_its_devices_are_known_when_it_starts(unit: Path) -> None:
    """The sound module is loaded before the start, when systemd resolves DeviceAllow."""
    text = unit.read_text()
    assert "\nDeviceAllow=char-alsa rw\n" in text
    for key in ("Wants", "After"):
        assert "modprobe@snd.service" in re.findall(rf"(?m)^{key}=(.*)$", text)[0].split()


def test_it_has_a_folder_for_its_outbox(unit: Path) -> None:
    """systemd makes a state folder for each instance and passes its path."""
    own = "aegan-monitor-%i" if unit.name == TEMPLATE else "aegan-monitor"
    assert f"\nStateDirectory={own}\n" in unit.read_text()


def test_a_wrong_configuration_does_not_restart(unit: Path) -> None:
    """The exit code of a wrong configuration prevents a restart."""
    assert f"\nRestartPreventExitStatus={EXIT_CONFIG}\n" in unit.read_text()


def test_it_starts_again_for_ever(unit: Path) -> None:
    """Restarts are too slow to reach systemd's start limit."""
    text = unit.read_text()
    pause_s, interval_s, burst = (
        int(re.findall(rf"(?m)^{key}=(\d+)$", text)[0]) for key in ("RestartSec", "StartLimitIntervalSec", "StartLimitBurst")
    )
    assert "\nRestart=always\n" in text
    assert pause_s <= 5
    assert interval_s / pause_s < burst


def test_only_the_daemon_gets_sigterm(unit: Path) -> None:
    """Only the main process receives SIGTERM; remaining processes are killed afterwards."""
    assert "\nKillMode=mixed\n" in unit.read_text()


def test_the_template_is_the_unit(repository: Path) -> None:
    """The template equals the unit except for the instance name."""
    unit, template = ((repository / "systemd" / name).read_text().splitlines() for name in ("aegan-monitor.service", TEMPLATE))
    named = [
        line.replace("Listens to %i", "Listens to machines").replace("%i.yaml", "monitor.yaml").replace("-%i", "") for line in template
    ]
    assert [line for line in named if "One of several" not in line] == unit


@pytest.mark.parametrize("example", ["cuda", "credentials", "pulse", "realtime"])
def test_the_drop_ins_are_understood(repository: Path, tmp_path: Path, example: str) -> None:
    """systemd-analyze reports nothing about the example drop-ins."""
    unit = repository / "systemd" / "aegan-monitor.service"
    installed = tmp_path / unit.name
    installed.write_text(re.sub(r"(?m)^(Exec\w+)=\S+", r"\1=/bin/true", unit.read_text()))
    drop_in = tmp_path / f"{unit.name}.d" / f"{example}.conf"
    drop_in.parent.mkdir()
    drop_in.write_text((repository / "configs" / "examples" / "systemd" / drop_in.name).read_text())

    verified = analyze("verify", "--man=no", installed)

    assert (verified.returncode, verified.stdout) == (0, "")
