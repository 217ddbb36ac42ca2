"""The unit: systemd reads every line of it, and it gives the daemon no more than it needs."""

import re
import subprocess
from pathlib import Path

import pytest

from aegan_monitor.errors import EXIT_CONFIG

pytestmark = pytest.mark.systemd

MAX_EXPOSURE = 20  # tenths of systemd's exposure level; a unit with DynamicUser alone has 84
DEADLINE_S = 60


@pytest.fixture
def unit(repository: Path) -> Path:
    """The unit as it is delivered."""
    return repository / "systemd" / "aegan-monitor.service"


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """What systemd-analyze says, both streams as one."""
    command = ["systemd-analyze", *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=DEADLINE_S, check=False)


def test_every_line_is_understood(unit: Path, tmp_path: Path) -> None:
    """systemd has nothing to say about it; an unknown key would be a warning, not an error."""
    text, n_replaced = re.subn(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text())  # the program is not installed there
    assert n_replaced == 1
    installed = tmp_path / unit.name
    installed.write_text(text)

    verified = analyze("verify", "--man=no", installed)

    assert (verified.returncode, verified.stdout) == (0, "")


def test_it_is_hardened(unit: Path) -> None:
    """Its exposure stays at 2.0 of 10 or below."""
    assessed = analyze("security", "--offline=true", f"--threshold={MAX_EXPOSURE}", "--no-pager", unit)

    assert assessed.returncode == 0, assessed.stdout


def test_it_has_a_folder_for_its_outbox(unit: Path) -> None:
    """systemd makes it, and names it to the daemon."""
    assert "\nStateDirectory=aegan-monitor\n" in unit.read_text()


def test_a_wrong_configuration_does_not_restart(unit: Path) -> None:
    """The exit code that stands for it is the one on which systemd does not try again."""
    assert f"\nRestartPreventExitStatus={EXIT_CONFIG}\n" in unit.read_text()
