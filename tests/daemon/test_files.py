"""Files that are there whole or not at all, and names that can be printed."""

import os
import resource
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegan_monitor.files import show_path, write_whole


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 20_000))
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, n_free_bytes: int) -> None:
    """Wherever it becomes full: the file is whole, or what was there before is untouched; no temporary file stays."""
    path, content = tmp_path / "clip.flac", os.urandom(10_000)
    path.write_bytes(b"before")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_free_bytes, before[1]))
    try:
        write_whole(path, content)
        is_written = True
    except OSError:
        is_written = False
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert is_written == (n_free_bytes >= len(content))
    assert path.read_bytes() == (content if is_written else b"before")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "shown"),
    [(b"pump 3, L\xc3\xbcfter.wav", "pump 3, L\u00fcfter.wav"), (b"L\xfcfter.wav", r"L\udcfcfter.wav"), (b"a\nb\x1b[2J", r"a\nb\x1b[2J")],
)
def test_a_name_is_one_printable_line(name: bytes, shown: str) -> None:
    """What is printable is kept; the rest can neither break a line nor a terminal."""
    assert show_path(Path(os.fsdecode(name))) == shown


def test_a_name_comes_after_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut must find no final name without its content: content synced, then renamed, then the name synced."""
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
