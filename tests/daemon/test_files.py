"""Atomic writing of files, and printable names."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from aegan_monitor.files import show_path, write_whole

PROGRAM = """
import os, resource, sys
from pathlib import Path
from aegan_monitor.files import write_whole
folder, content = Path(sys.argv[1]), os.urandom(10_000)
path, before = folder / "clip.flac", resource.getrlimit(resource.RLIMIT_FSIZE)
for n_free_bytes in [*range(0, 20_001, 500), 9_999, 10_001]:
    path.write_bytes(b"before")
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_free_bytes, before[1]))
    try:
        write_whole(path, content)
        is_written = True
    except OSError:
        is_written = False
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert is_written == (n_free_bytes >= len(content)), n_free_bytes
    assert path.read_bytes() == (content if is_written else b"before"), n_free_bytes
    assert list(folder.iterdir()) == [path], n_free_bytes
"""  # a process of its own: the limit holds for its log, too


@pytest.mark.process
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    """On a full disk the file is complete or unchanged, and no temporary file stays."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "shown"),
    [(b"pump 3, L\xc3\xbcfter.wav", "pump 3, L\u00fcfter.wav"), (b"L\xfcfter.wav", r"L\udcfcfter.wav"), (b"a\nb\x1b[2J", r"a\nb\x1b[2J")],
)
def test_a_name_is_one_printable_line(name: bytes, shown: str) -> None:
    """Control characters and bytes that are not UTF-8 are escaped; everything else is kept."""
    assert show_path(Path(os.fsdecode(name))) == shown


def test_a_name_comes_after_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content is synced before the rename, and the folder after it."""
    calls: list[str] = []
    fsync, rename = os.fsync, os.rename

    def sync(descriptor: int) -> None:
        calls.append("sync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else f"sync {os.fstat(descriptor).st_size}")
        fsync(descriptor)

    def move(source: Path, target: Path) -> None:
        calls.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "rename", move)
    write_whole(tmp_path / "clip.flac", bytes(1000))
    assert calls == ["sync 1000", "rename", "sync folder"]
