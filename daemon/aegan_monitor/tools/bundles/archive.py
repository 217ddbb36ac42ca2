"""The archive of a bundle: a plain tar file with its files alone."""

import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Self

from aegan_monitor.detection.bundle import OPTIONAL, PAYLOAD, RECORD, load_bundle
from aegan_monitor.errors import AeganError, BundleError
from aegan_monitor.files import show_path, sync_folder

FOLDER = "bundle"  # in the archive
MOST_BYTES = 1_000_000_000  # far more than any bundle has
NAMES = frozenset((RECORD, *PAYLOAD, *OPTIONAL))
PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE)
REMEDY = "write it with: aegan-export RUN --out FOLDER --archive FILE"


class _Member(tarfile.TarInfo):
    """A member that is a plain file or a folder: what else there is in tar files is refused before it is read."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str | None, errors: str) -> Self:
        member = super().frombuf(buf, encoding or "utf-8", errors)
        if member.type not in PLAIN:
            raise BundleError(f"{member.name!r} is neither a plain file nor a folder (type {member.type!r}); {REMEDY}")
        return member


def write_archive(bundle: Path, out: Path) -> None:
    """Write the archive of a bundle, whole or not at all. The same bundle gives the same bytes.

    Raises:
        BundleError: The bundle is damaged.
        OSError: `out` cannot be written.
    """
    names = [RECORD, *load_bundle(bundle).record.files]
    temporary = out.with_name(f".{out.name}.tmp")
    try:
        with temporary.open("wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
                for name in names:
                    member = tarfile.TarInfo(f"{FOLDER}/{name}")
                    member.size = (bundle / name).stat().st_size
                    with (bundle / name).open("rb") as content:
                        tar.addfile(member, content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(out)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(out.parent)


def unpack(source: Path, folder: Path) -> None:
    """Copy the files of a bundle from its archive, or from its folder, to the new `folder`, and sync them to the disk.

    Raises:
        BundleError: It holds what no bundle has, or is cut.
        AeganError: The disk has no room for it.
        OSError: It cannot be read, or the copy cannot be written.
    """
    if source.is_dir():
        parts = [(name, (source / name).stat().st_size) for name in sorted(NAMES) if (source / name).is_file()]
        _require_room(folder.parent, sum(n_bytes for _, n_bytes in parts))
        folder.mkdir()
        for name, _ in parts:
            with (source / name).open("rb") as content:
                _write(folder / name, content)
    else:
        with _opened(source) as tar:
            members = dict(_list(tar))
            _require_room(folder.parent, sum(member.size for member in members.values()))
            folder.mkdir()
            for name, member in members.items():
                if found := tar.extractfile(member):
                    _write(folder / name, found)
    folder.chmod(0o755)  # for the user of the service
    sync_folder(folder)


@contextmanager
def _opened(source: Path) -> Iterator[tarfile.TarFile]:
    """The tar file; its errors have one form."""
    try:
        if source.stat().st_size > MOST_BYTES:
            raise BundleError(f"has more than {MOST_BYTES / 1e9:g} GB, which no bundle has")
        with tarfile.open(source, "r:", tarinfo=_Member) as tar:
            yield tar
    except tarfile.TarError as error:
        raise BundleError(f"{show_path(source)}: is no whole, uncompressed tar file ({error}); copy it again, or {REMEDY}") from error
    except BundleError as error:
        raise BundleError(f"{show_path(source)}: {error}") from error


def _list(tar: tarfile.TarFile) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """The files by their names in the bundle, each once."""
    seen, n_bytes = set[str](), 0
    for member in tar:
        path = PurePosixPath(member.name)
        n_bytes += member.size
        if path.is_absolute() or ".." in path.parts or len(path.parts) > 2:
            raise BundleError(f"{member.name!r} lies outside of one folder; {REMEDY}")
        if member.isdir():
            continue
        if path.name not in NAMES or path.name in seen:
            raise BundleError(f"{member.name!r} is {'there twice' if path.name in seen else 'no file of a bundle'}; {REMEDY}")
        if n_bytes > MOST_BYTES:
            raise BundleError(f"{member.name!r} makes it larger than {MOST_BYTES / 1e9:g} GB, which no bundle is")
        seen.add(path.name)
        yield path.name, member


def _require_room(folder: Path, n_bytes: int) -> None:
    """A disk that is filled to the brim would stop the outbox of the daemon."""
    if (free := shutil.disk_usage(folder).free) < n_bytes:
        raise AeganError(
            f"{show_path(folder)}: the bundle takes {n_bytes / 1e6:.1f} MB, and {free / 1e6:.1f} MB are free; free some space there"
        )


def _write(path: Path, content: IO[bytes]) -> None:
    with path.open("wb") as file:
        shutil.copyfileobj(content, file)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(0o644)
