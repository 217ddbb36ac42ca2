"""`aegan-train fleet` on a real Ray cluster of three nodes on this computer."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import pytest

from broker import wait_until
from train.fleet.conftest import N_CLIPS, WritePlant

FLEET = (sys.executable, "-m", "aegan_train.cli", "fleet")
RAY = str(Path(sys.executable).with_name("ray"))
DEADLINE_S = 300.0
pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]


class Cluster:
    """A cluster of nodes with one processor each; a context manager that ends all their processes."""

    def __init__(self, *, has_token: bool) -> None:
        """Store; Ray needs a short path for its sockets."""
        self._folder = Path(tempfile.mkdtemp(prefix="aegan-ray-", dir="/tmp"))
        self._environment = {
            **os.environ,
            "PATH": f"{Path(RAY).parent}:{os.environ['PATH']}",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",  # several nodes on the loopback address
            "RAY_AUTH_MODE": "token" if has_token else "disabled",
            "RAY_AUTH_TOKEN_PATH": str(self._folder / "token"),
        }
        (self._folder / "token").write_text(secrets.token_hex(32))
        self._head, self._clients = find_ports(2)
        self._nodes: list[set[int]] = []

    @property
    def address(self) -> str:
        """Where clients connect."""
        return f"ray://127.0.0.1:{self._clients}"

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs, the token included."""
        return {name: value for name, value in self._environment.items() if name != "RAY_AUTH_MODE"}

    def __enter__(self) -> Self:
        """Start the head."""
        ports = (f"--port={self._head}", f"--ray-client-server-port={self._clients}", f"--temp-dir={self._folder}")
        self._start("--head", "--include-dashboard=false", *ports)
        return self

    def __exit__(self, *_: object) -> None:
        """Kill all processes."""
        for pid in self._find():
            kill(pid)
        shutil.rmtree(self._folder, ignore_errors=True)

    def add_node(self) -> None:
        """Start a further node."""
        self._start(f"--address=127.0.0.1:{self._head}")

    def kill_busy_node(self) -> None:
        """Kill a node, not the head, on which a task runs."""
        busy = next(node for node in reversed(self._nodes[1:]) if any(is_actor(pid) for raylet in node for pid in find_children(raylet)))
        for raylet in busy:
            for pid in [raylet, *find_children(raylet)]:
                kill(pid)

    def _start(self, *arguments: str) -> None:
        before = self._find()
        command = [RAY, "start", "--num-cpus=1", "--node-ip-address=127.0.0.1", "--disable-usage-stats", *arguments]
        with (self._folder / "ray.log").open("w+") as log:
            code = subprocess.run(
                command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=DEADLINE_S, check=False
            ).returncode
            log.seek(0)
            assert code == 0, log.read()
        self._nodes.append({pid for pid in self._find() - before if "/raylet/raylet" in read_command(pid)})

    def _find(self) -> set[int]:
        """The processes that have this cluster's folder in their command line."""
        return {int(each.name) for each in Path("/proc").glob("[0-9]*") if f"{self._folder}/" in read_command(int(each.name))}


def find_ports(n: int) -> list[int]:
    """Free ports of the loopback address."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def read_command(pid: int) -> str:
    """The command line of a process; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def find_children(parent: int) -> list[int]:
    """The processes that `parent` has started."""
    try:
        return [int(pid) for task in Path(f"/proc/{parent}/task").iterdir() for pid in (task / "children").read_text().split()]
    except OSError:
        return []


def is_actor(pid: int) -> bool:
    """A process does a task: Ray shows the method in its name."""
    return "ray::Actor.run" in read_command(pid)


def kill(pid: int) -> None:
    """Kill a process that may have ended."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Three nodes that want a token."""
    with Cluster(has_token=True) as started:
        started.add_node()
        started.add_node()
        yield started


def find_digests(report: Path) -> dict[str, str]:
    """The digest of each machine's bundle."""
    machines: Sequence[dict[str, str]] = json.loads(report.read_text())["machines"]
    return {machine["name"]: machine["bundle_digest"] for machine in machines}


def test_a_cluster_makes_the_same_bundles_though_a_node_is_killed(cluster: Cluster, write_plant: WritePlant, tmp_path: Path) -> None:
    """What a killed node did is begun again elsewhere, and every bundle is that of this computer, bit for bit."""
    machines, clips = "".join(f"  - {{name: {name}}}\n" for name in "abcd"), dict.fromkeys("abcd", N_CLIPS)
    far, near = write_plant(machines, clips, tmp_path / "far"), write_plant(machines, clips, tmp_path / "near")
    command, log = [*FLEET, str(far), "--on", cluster.address], tmp_path / "log"
    with log.open("w") as file, subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=cluster.environment) as fleet:

        def has_done_one() -> bool:
            assert fleet.poll() is None, log.read_text()
            return any((tmp_path / "far" / "fleet" / "done").glob("*.json"))

        wait_until(has_done_one, f"a task; {log}", DEADLINE_S)
        wait_until(lambda: try_to_kill(cluster), "a task on a node that is not the head", DEADLINE_S)
    assert (fleet.returncode, "begins again" in log.read_text()) == (0, True), log.read_text()
    subprocess.run([*FLEET, str(near)], check=True, stdout=subprocess.DEVNULL)
    assert find_digests(tmp_path / "far" / "fleet" / "fleet.json") == find_digests(tmp_path / "near" / "fleet" / "fleet.json")


def try_to_kill(cluster: Cluster) -> bool:
    """Kill a busy node; False where there is none now."""
    try:
        cluster.kill_busy_node()
    except StopIteration:
        return False
    return True


def test_another_token_is_refused(write_plant: WritePlant, tmp_path: Path) -> None:
    """The line says where the token belongs; nothing is trained."""
    plant = write_plant("  - {name: a}\n", {"a": 1})
    (tmp_path / "token").write_text(secrets.token_hex(32))
    with Cluster(has_token=True) as cluster:
        environment = {**cluster.environment, "RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")}
        done = subprocess.run([*FLEET, str(plant), "--on", cluster.address], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert "is its token here, in ~/.ray/auth_token" in done.stderr
    assert not list((tmp_path / "fleet").glob("done/*"))


def test_a_cluster_without_a_token_is_refused_unless_it_is_wanted(write_plant: WritePlant) -> None:
    """Whoever reaches its ports could run programs on it."""
    plant = write_plant("  - {name: a}\n", {"a": 1})
    with Cluster(has_token=False) as cluster:
        command = [*FLEET, str(plant), "--on", cluster.address]
        refused = subprocess.run(command, capture_output=True, text=True, check=False, env=cluster.environment)
        wanted = subprocess.run([*command, "--open-cluster"], capture_output=True, text=True, check=False, env=cluster.environment)
    assert (refused.returncode, "this cluster wants no token" in refused.stderr) == (2, True), refused.stderr
    assert "expected at least 8 normal clips" in wanted.stdout, wanted.stderr
