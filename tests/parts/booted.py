"""A systemd that really boots: on a copy of this system that writes into memory, in namespaces of its own, as root."""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import textwrap
from pathlib import Path
from typing import Self

from broker import wait_until

PREPARE_DEADLINE_S = 600.0  # an installation: half a minute of two idle cores
DEADLINE_S = 60.0
SYSTEM_PYTHON = "/usr/bin/python3"

# The first stage has this system's network, so that programs can be installed; the second boots, with a network of its own.
_OVERLAY = """\
set -eu
root=$FOLDER/overlay/root
mount -t tmpfs -o mode=755,size=2G tmpfs "$FOLDER/overlay"
mkdir "$FOLDER"/overlay/upper "$FOLDER"/overlay/work "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$FOLDER/overlay/upper,workdir=$FOLDER/overlay/work" "$root"
mkdir -p "$root/shared" "$root/source"
mount --bind "$FOLDER/shared" "$root/shared"
mount --bind -o ro "$SOURCE" "$root/source"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
if mountpoint -q /etc/resolv.conf; then mount --bind /etc/resolv.conf "$root/etc/resolv.conf"; fi
# an overlay shows no mounts of its lower layer: pip would not find packages on a mounted disk
for file in /opt/*; do if mountpoint -q "$file"; then mount --rbind "$file" "$root$file"; fi; done
chroot "$root" /bin/bash -euc "cd /source; $PREPARE" >"$FOLDER/prepare.log" 2>&1 || { cat "$FOLDER/prepare.log"; exit 1; }
umount --lazy "$root/dev" "$root/proc"
exec unshare --cgroup --pid --fork --kill-child --ipc --uts --net --mount --propagation private /bin/bash -c "$BOOT"
"""
_BOOT = """\
set -eu
root=$FOLDER/overlay/root
ip link set lo up
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"  # the kernel's settings are everybody's
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
rm -f "$root/etc/machine-id"
echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
printf '[Unit]\\nRequires=sysinit.target\\nAfter=sysinit.target\\n' >"$root/etc/systemd/system/booted.target"
ln -sf booted.target "$root/etc/systemd/system/default.target"
cd "$root"
mkdir -p before
pivot_root . before
umount --lazy /before
mount --make-rshared /  # as systemd does where it is the first; credentials come through it
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin container=aegan-test /lib/systemd/systemd --log-target=journal
"""


class BootedSystem:
    """The system; a context manager. Nothing of what is done in it outlives it.

    Attributes:
        shared: A folder that it has as `/shared`.
        network: What runs a command in its network and else outside: its loopback interface is not ours.
    """

    def __init__(self, folder: Path, source: Path, prepare: str = "true") -> None:
        """Store; `prepare` are bash commands that run before the boot, in `source` (read only) with this system's network."""
        self.shared = folder / "shared"
        self._folder, self._source, self._prepare = folder, source, prepare
        self._cgroup = Cgroup(f"aegan-test-{os.getpid()}")
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0

    def __enter__(self) -> Self:
        """Boot, and wait until the system is up."""
        self.shared.mkdir()
        (self._folder / "overlay").mkdir()
        environment = {**os.environ, "FOLDER": str(self._folder), "SOURCE": str(self._source), "PREPARE": self._prepare, "BOOT": _BOOT}
        for name in ("PYTHONPATH", "VIRTUAL_ENV", "NOTIFY_SOCKET", "MAKEFLAGS", "MFLAGS"):
            environment.pop(name, None)
        join = f"echo $$ >{shlex.quote(str(self._cgroup.make() / 'cgroup.procs'))}"
        command = ["unshare", "--mount", "--propagation", "private", "--kill-child", "--fork", "/bin/bash", "-c", f"{join}\n{_OVERLAY}"]
        with (self._folder / "boot.log").open("wb") as log:
            self._process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until(self._has_booted, f"a booted system: {self._folder / 'boot.log'}", PREPARE_DEADLINE_S)
        except AssertionError as error:
            self.stop()
            logs = [path.read_text() for path in sorted(self._folder.glob("*.log"))]
            raise AssertionError("\n".join([str(error), *logs])) from None
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the system."""
        self.stop()

    def stop(self) -> None:
        """Kill the system with all its processes."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(DEADLINE_S)
            self._process = None
        self._cgroup.remove()

    @property
    def network(self) -> tuple[str, ...]:
        """See the class."""
        return ("nsenter", f"--net=/proc/{self._pid}/ns/net")

    def run(self, *command: str, check: bool = True, timeout_s: float = DEADLINE_S) -> str:
        """Run a command in the system as root; returns stdout and stderr together."""
        done = self.attempt(*command, timeout_s=timeout_s)
        if check:
            assert done.returncode == 0, f"{shlex.join(command)}: {done.returncode}: {done.stdout}\n{self.journal()[-4000:]}"
        return done.stdout

    def attempt(self, *command: str, timeout_s: float = DEADLINE_S) -> subprocess.CompletedProcess[str]:
        """Run a command in the system as root, whatever its exit code."""
        enter = f"nsenter -t {self._pid} -m -u -i -n -p -C -- env -i PATH=/usr/sbin:/usr/bin:/usr/local/bin".split()
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.run([*enter, *command], text=True, timeout=timeout_s, check=False, **streams)  # type: ignore[call-overload,no-any-return]

    def outside_pid(self, pid: int) -> int:
        """The process id outside of the system for a process inside."""
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                fields = (process / "status").read_text()
                if self._cgroup.name in (process / "cgroup").read_text() and re.search(rf"^NSpid:\t\d+\t{pid}$", fields, re.MULTILINE):
                    return int(process.name)
        raise AssertionError(f"no process {pid}")

    def path(self, inside: str) -> Path:
        """The outside path of a file in the system."""
        return Path(f"/proc/{self._pid}/root") / inside.lstrip("/")

    def write(self, inside: str, text: str, mode: int = 0o644) -> None:
        """Write a file in the system."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        path.chmod(mode)

    def show(self, unit: str, name: str) -> str:
        """One property of a unit."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).strip()

    def journal(self, unit: str | None = None) -> str:
        """The log messages of a unit, or of all."""
        of_unit = ["--unit", unit] if unit else []
        self.attempt("journalctl", "--sync")
        return self.attempt("journalctl", "--no-pager", "--quiet", "--output=cat", *of_unit).stdout

    def _has_booted(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "boot.log").read_text()
        self._pid = self._pid or self._find_systemd()
        return self._pid > 0 and self.attempt("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")

    def _find_systemd(self) -> int:
        """The process id of the first process, 0 before it exists."""
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                is_ours = self._cgroup.name in (process / "cgroup").read_text()
                if is_ours and (process / "cmdline").read_bytes().startswith(b"/lib/systemd/systemd\0--log-target"):
                    return int(process.name)
        return 0


class Cgroup:
    """A control group of version 2 for the system, wherever that hierarchy is mounted: beside those of version 1, or alone."""

    def __init__(self, name: str) -> None:
        """Store."""
        self.name = name
        self._path: Path | None = None

    def make(self) -> Path:
        """Make the control group; returns its folder."""
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
        places = [Path(mount[1]) for mount in mounts if mount[2] == "cgroup2"]
        assert places, "no cgroup2 is mounted"
        self._path = places[0] / self.name
        self._path.mkdir(exist_ok=True)
        return self._path

    def remove(self) -> None:
        """Remove the control group after all its processes have ended."""
        if self._path is not None:
            wait_until(self._is_gone, f"the end of all that runs in {self._path}", DEADLINE_S)

    def _is_gone(self) -> bool:
        assert self._path is not None
        for folder in [*sorted(self._path.rglob("*/"), key=lambda path: -len(path.parts)), self._path]:
            try:
                folder.rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                return False
        return True


def lacking_boot() -> str | None:
    """The reason why systemd cannot be booted here."""
    programs = ("systemd-analyze", "systemctl", "journalctl", "unshare", "nsenter", "pivot_root", "make", "ip")
    if lacking := [name for name in programs if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]:
        return f"not installed: {', '.join(lacking)}"
    if not Path("/lib/systemd/systemd").exists():
        return "not installed: systemd"
    if os.geteuid() != 0:
        return "only root can boot a system of its own"
    if subprocess.run([SYSTEM_PYTHON, "-c", "import ensurepip, venv"], capture_output=True, check=False).returncode:
        return f"{SYSTEM_PYTHON} cannot make environments: install python3-venv"
    cgroup = Cgroup(f"aegan-probe-{os.getpid()}")
    try:
        cgroup.make()
    except (AssertionError, OSError) as error:
        return f"no control group can be made ({error})"
    cgroup.remove()
    try_it = "mount -t tmpfs x /tmp; cd /tmp; mkdir u w r; mount -t overlay x -o lowerdir=/,upperdir=u,workdir=w r"
    flags = ["--cgroup", "--pid", "--fork", "--ipc", "--uts", "--net", "--mount", "--propagation", "private"]
    done = subprocess.run(["unshare", *flags, "/bin/bash", "-ec", try_it], capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"no namespaces: {done.stderr.strip()}"
