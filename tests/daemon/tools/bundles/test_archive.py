"""Archives of bundles: the same files come out, and whatever is no bundle is refused in one line."""

import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from aegan_monitor.detection.bundle import RECORD, demo_bundle, load_bundle
from aegan_monitor.errors import AeganError, BundleError
from aegan_monitor.tools.bundles.archive import MOST_BYTES, unpack, write_archive


def test_what_was_packed_comes_out(tmp_path: Path) -> None:
    """From the archive, from one of the program tar, and from a folder; the same bundle gives the same bytes."""
    first, second, by_hand = (tmp_path / f"{name}.tar" for name in ("first", "second", "by_hand"))
    for out in (first, second):
        write_archive(demo_bundle(), out)
    with tarfile.open(by_hand, "w", format=tarfile.GNU_FORMAT) as tar:
        tar.add(demo_bundle(), "./pump")
    assert first.read_bytes() == second.read_bytes()
    expected = load_bundle(demo_bundle()).record
    for number, source in enumerate((first, by_hand, demo_bundle())):
        unpack(source, tmp_path / str(number))
        assert load_bundle(tmp_path / str(number)).record == expected
        assert (tmp_path / str(number) / RECORD).stat().st_mode & 0o777 == 0o644


def make_member(name: str, kind: bytes = tarfile.REGTYPE, n_bytes: int = 0, target: str = "") -> tarfile.TarInfo:
    """A member of an archive."""
    member = tarfile.TarInfo(name)
    member.type, member.size, member.linkname = kind, n_bytes, target
    return member


@pytest.mark.parametrize(
    ("members", "line"),
    [
        ([make_member("../bundle.json")], "'../bundle.json' lies outside of one folder"),
        ([make_member("/etc/bundle.json")], "'/etc/bundle.json' lies outside of one folder"),
        ([make_member("a/b/bundle.json")], "'a/b/bundle.json' lies outside of one folder"),
        ([make_member("a/bundle.json", tarfile.SYMTYPE, target="/etc/passwd")], "'a/bundle.json' is neither a plain file nor a folder"),
        ([make_member("a/bundle.json", tarfile.LNKTYPE, target="b")], "'a/bundle.json' is neither a plain file nor a folder"),
        ([make_member("a/bundle.json", tarfile.CHRTYPE)], "'a/bundle.json' is neither a plain file nor a folder"),
        ([make_member("a/pax", tarfile.XHDTYPE)], "'a/pax' is neither a plain file nor a folder"),
        ([make_member("a/setup.py")], "'a/setup.py' is no file of a bundle"),
        ([make_member("a/bundle.json"), make_member("b/bundle.json")], "'b/bundle.json' is there twice"),
        ([make_member("a/weights.bin", n_bytes=10**6)], "is no whole, uncompressed tar file (unexpected end of data)"),
    ],
)
def test_what_no_bundle_has_is_refused(tmp_path: Path, members: list[tarfile.TarInfo], line: str) -> None:
    """Paths outside, links, devices, headers that hide sizes, unknown and doubled files, and a cut archive; nothing is written."""
    content = b"".join(member.tobuf(tarfile.USTAR_FORMAT) for member in members)
    (tmp_path / "bad.tar").write_bytes(content + 1024 * b"\0")
    with pytest.raises(BundleError) as refused:
        unpack(tmp_path / "bad.tar", tmp_path / "out")
    assert str(refused.value).startswith(f"{tmp_path}/bad.tar: {line}")
    assert not (tmp_path / "out").exists()


def make_compressed(path: Path) -> None:
    """Zeros, which would unpack to any size."""
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(make_member("a/weights.bin", n_bytes=10**6), io.BytesIO(bytes(10**6)))


def make_sparse(path: Path) -> None:
    """More than a bundle has, in no blocks of the disk."""
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)


@pytest.mark.parametrize(
    ("make", "line"),
    [(make_compressed, "is no whole, uncompressed tar file"), (make_sparse, "has more than 1 GB"), (Path.touch, "is no whole, ")],
)
def test_bombs_are_refused_unread(tmp_path: Path, make: Callable[[Path], object], line: str) -> None:
    """What is compressed, too large or empty is refused."""
    make(tmp_path / "bad.tar")
    with pytest.raises(BundleError, match=line):
        unpack(tmp_path / "bad.tar", tmp_path / "out")


def test_a_disk_without_room_is_not_filled(tmp_path: Path) -> None:
    """The size is compared with what is free before a byte is written."""
    big = shutil.copytree(demo_bundle(), tmp_path / "big")
    with (big / "weights.bin").open("r+b") as file:
        file.truncate(shutil.disk_usage(tmp_path).free + 10**12)
    with pytest.raises(AeganError, match=r"the bundle takes [0-9.]+ MB, and [0-9.]+ MB are free; free some space there"):
        unpack(big, tmp_path / "out")
    assert not (tmp_path / "out").exists()
