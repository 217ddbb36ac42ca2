"""A disk of a few megabytes: a tmpfs in a mount namespace of its own, which ends with the command that runs on it."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

_SCRIPT = 'disk=$1; mount -t tmpfs -o size="$2" tmpfs "$disk" || exit 99; shift 2; "$@"; code=$?; find "$disk" -type f >&2; exit $code'


def run_on_small_disk(disk: Path, n_bytes: int, command: Sequence[object]) -> subprocess.CompletedProcess[str]:
    """Run `command` with a tmpfs of `n_bytes` at the folder `disk`; the last lines of stderr list its files."""
    arguments = ["unshare", "--mount", "bash", "-c", _SCRIPT, "bash", disk, n_bytes, *command]
    return subprocess.run(list(map(str, arguments)), capture_output=True, text=True, check=False)


def lacking_small_disk() -> str | None:
    """The reason why no disk can be mounted here."""
    try:
        done = run_on_small_disk(Path("/mnt"), 1_000_000, ["true"])
    except FileNotFoundError as error:
        return str(error)
    return None if done.returncode == 0 else done.stderr.strip()
