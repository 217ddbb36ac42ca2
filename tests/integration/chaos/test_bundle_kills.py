"""Installations and rollbacks of bundles are killed before every single step that Python reports."""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from aegan_monitor.detection.bundle import load_bundle
from aegan_monitor.tools.bundles.place import find_previous, put_bundle, take_back
from chaos import IS_FULL
from other_bundles import find_digest, make_bundle

STEPS = ("open", "os.", "shutil.", "ctypes.", "fcntl.")  # audit events of what touches the disk
STRIDE = 1 if IS_FULL else 6


def run_until(step: int, action: Callable[[], object]) -> int:
    """Run `action` in a process that is killed before its step of this number; returns its exit code, negative after the kill."""
    if pid := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    steps = count()

    def kill(event: str, _: object) -> None:
        if event.startswith(STEPS) and next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(kill)
    try:
        action()
    finally:
        os._exit(0)


@pytest.mark.parametrize("kind", ["install", "first install", "rollback"])
def test_a_kill_leaves_a_whole_bundle(tmp_path: Path, figure: Callable[[str], None], kind: str) -> None:
    """Wherever it comes: the folder has the former or the new bundle, whole, what is kept is whole, and the next call goes on."""
    target, new = tmp_path / "box" / "pump", tmp_path / "new"
    known = {make_bundle(target, 1.0), make_bundle(find_previous(target), 2.0), make_bundle(new, 3.0)}
    if kind == "first install":
        shutil.rmtree(target)
    shutil.copytree(target.parent, tmp_path / "before")
    action = partial(take_back, target, load_bundle) if kind == "rollback" else partial(put_bundle, new, target, load_bundle)
    for step in count(0, STRIDE):
        if run_until(step, action) == 0:
            break
        for folder in (target, find_previous(target)):
            assert (kind == "first install" and folder == target and not folder.exists()) or find_digest(folder) in known, (step, folder)
        put_bundle(new, target, load_bundle)
        assert sorted(path.name for path in target.parent.iterdir()) == ["pump", "pump.previous"], step
        assert find_digest(target) == find_digest(new)
        shutil.rmtree(target.parent)
        shutil.copytree(tmp_path / "before", target.parent)
    assert step > 10
    figure(f"{kind}: killed before {len(range(0, step, STRIDE))} of {step} steps")
