"""The image of the Containerfile without a builder of images: every step of it is executed in a chroot on a copy of this system.

The copy writes into memory, in a mount namespace that ends with its holder; it stands for the Debian of the recipe's FROM.
"""

import json
import os
import re
import shlex
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

DEADLINE_S = 600.0
LAST = "last"  # the name of a stage that has none
WITHOUT = ("PYTHONPATH", "VIRTUAL_ENV", "NOTIFY_SOCKET", "WATCHDOG_USEC", "MAKEFLAGS", "STATE_DIRECTORY")
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
HOLD = 'mount -t tmpfs -o mode=755,size=3G tmpfs "$1"; echo ready; exec setpriv --pdeathsig KILL sleep infinity'
STAGE = """\
set -eu
root=$1/root
mkdir -p "$1/upper" "$1/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$root"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
if mountpoint -q /etc/resolv.conf; then mount --bind /etc/resolv.conf "$root/etc/resolv.conf"; fi
# an overlay shows no mounts of its lower layer: pip would not find packages on a mounted disk
for file in /opt/*; do if mountpoint -q "$file"; then mount --rbind "$file" "$root$file"; fi; done
"""


@dataclass(slots=True)
class Stage:
    """A stage of the recipe, and what its steps have set."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    user: str = "0:0"
    workdir: str = "/"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    check: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)

    @property
    def root(self) -> Path:
        """Its files."""
        return self.folder / "root"


class Image:
    """Builds the last stage; a context manager. Nothing of it outlives it."""

    def __init__(self, folder: Path, source: Path) -> None:
        """Store: `source` is the checkout."""
        self._folder, self._source = folder, source
        self._holder: subprocess.Popen[str] | None = None
        self._stages: dict[str, Stage] = {}
        self._stage = Stage(folder)

    def __enter__(self) -> Self:
        """Execute the recipe."""
        command = ["unshare", "--mount", "--propagation", "private", "bash", "-euc", HOLD, "bash", str(self._folder)]
        self._holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert self._holder.stdout is not None
            assert self._holder.stdout.readline() == "ready\n"
            for name, value in read_recipe(self._source / "container" / "Containerfile"):
                STEPS[name](self, value)
        except BaseException:
            self.__exit__()  # `with` calls it only after a build that succeeds
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the namespace."""
        if self._holder is not None:
            self._holder.kill()
            self._holder.wait()
            assert self._holder.stdout is not None
            self._holder.stdout.close()

    @property
    def stage(self) -> Stage:
        """The last stage."""
        return self._stage

    def outside(self, *command: object) -> str:
        """Run a command in the namespace, outside of the image."""
        return self._finish(["nsenter", f"--mount=/proc/{self._pid}/ns/mnt", *map(str, command)], dict(os.environ))

    def enter(self, stage: Stage, *command: str) -> list[str]:
        """The command line that runs a command in a stage, as its user and with no rights but that user's."""
        user, _, group = stage.user.partition(":")
        rights = ["setpriv", f"--reuid={user}", f"--regid={group or user}", "--clear-groups", "--no-new-privs", "--bounding-set=-all"]
        variables = [f"{name}={value}" for name, value in stage.environment.items()]
        inside = [*([] if user == "0" else rights), "env", "-i", *variables, *command]
        # `chroot --skip-chdir` needs `/`: so a shell changes into the folder
        shell = ["sh", "-c", 'cd "$0" && exec "$@"', stage.workdir, *inside]
        return ["nsenter", f"--mount=/proc/{self._pid}/ns/mnt", "chroot", str(stage.root), *shell]

    def seal(self, *writable: str) -> None:
        """Let the image be read-only but for folders of the user's own, as `--read-only` with volumes does."""
        root, owner = self._stage.root, self._stage.user
        user, _, group = owner.partition(":")
        for place in writable:
            self.outside("mount", "-t", "tmpfs", "-o", f"mode=700,uid={user},gid={group}", "tmpfs", f"{root}{place}")
        self.outside("mount", "-o", "remount,ro", root)

    def begin_stage(self, value: str) -> None:
        """FROM: a copy of this system stands for Debian."""
        match = re.fullmatch(r"debian:\S+(?: AS (\w+))?", value)
        assert match, value
        name = match[1] or LAST
        self._stage = self._stages[name] = Stage(self._folder / name)
        self.outside("bash", "-c", STAGE, "bash", self._stage.folder)

    def copy(self, value: str) -> None:
        """COPY, from the checkout or from an earlier stage."""
        words = shlex.split(value)
        source = self._stages[words.pop(0).removeprefix("--from=")].root if words[0].startswith("--from=") else self._source
        *paths, target = words
        place = self._stage.root / (Path(self._stage.workdir) / target).relative_to("/")
        for path in paths:
            found = source / path.lstrip("/")
            assert found.exists() or "--from" in value, f"COPY {path}: no such file"
            whole = "--recursive" if value.startswith("--from=") or found.is_dir() else "--no-clobber"
            self.outside("cp", "--archive", "--no-target-directory", whole, found, place / path if target in (".", "./") else place)

    def run(self, value: str) -> None:
        """RUN, as root with the network of this computer."""
        stage, kept = self._stage, {name: text for name, text in os.environ.items() if name not in WITHOUT}
        kept |= {"PATH": SYSTEM_PATH, "DEBIAN_FRONTEND": "noninteractive", "PIP_ROOT_USER_ACTION": "ignore"}
        shell = ["sh", "-euc", f"cd {shlex.quote(stage.workdir)}; {value}"]
        command = ["nsenter", f"--mount=/proc/{self._pid}/ns/mnt", "chroot", str(stage.root), *shell]
        self._finish(command, {**kept, **stage.environment, **stage.arguments})

    def set_variables(self, value: str) -> None:
        """ENV."""
        for word in shlex.split(value):
            name, _, text = word.partition("=")
            self._stage.environment[name] = text

    def set_argument(self, value: str) -> None:
        """ARG with a default."""
        name, _, default = value.partition("=")
        self._stage.arguments[name] = default

    def set_workdir(self, value: str) -> None:
        """WORKDIR: made where it lacks."""
        self._stage.workdir = value
        self.outside("mkdir", "-p", f"{self._stage.root}{value}")

    def set_user(self, value: str) -> None:
        """USER."""
        self._stage.user = value

    def set_entrypoint(self, value: str) -> None:
        """ENTRYPOINT, as a list."""
        self._stage.entrypoint = json.loads(value)

    def set_command(self, value: str) -> None:
        """CMD, as a list."""
        self._stage.command = json.loads(value)

    def set_check(self, value: str) -> None:
        """HEALTHCHECK: options, then CMD with a list."""
        self._stage.check = json.loads(value.partition(" CMD ")[2])

    def note(self, value: str) -> None:
        """What changes no file and no process here: LABEL, VOLUME, STOPSIGNAL."""
        self._stage.labels.append(value)

    @property
    def _pid(self) -> int:
        assert self._holder is not None
        return self._holder.pid

    def _finish(self, command: list[str], environment: dict[str, str]) -> str:
        began_s = time.monotonic()
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        done = subprocess.run(command, env=environment, text=True, check=False, timeout=DEADLINE_S, **streams)  # type: ignore[call-overload]
        assert done.returncode == 0, (
            f"{shlex.join(command)[-600:]}: {done.returncode} after {time.monotonic() - began_s:.0f} s\n{done.stdout[-4000:]}"
        )
        return str(done.stdout)


STEPS = {
    "FROM": Image.begin_stage,
    "COPY": Image.copy,
    "RUN": Image.run,
    "ENV": Image.set_variables,
    "ARG": Image.set_argument,
    "WORKDIR": Image.set_workdir,
    "USER": Image.set_user,
    "ENTRYPOINT": Image.set_entrypoint,
    "CMD": Image.set_command,
    "HEALTHCHECK": Image.set_check,
    **dict.fromkeys(("LABEL", "VOLUME", "STOPSIGNAL"), Image.note),
}


def read_recipe(path: Path) -> list[tuple[str, str]]:
    """The instructions of a Containerfile, with their lines joined; one that is not known here fails the test."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    steps = [(name, value.strip()) for name, _, value in (line.partition(" ") for line in joined.splitlines() if line.strip())]
    unknown = [name for name, _ in steps if name not in STEPS]
    assert not unknown, f"{path}: steps that this test cannot execute: {unknown}"
    return steps
