"""The folder of evidence: `<machine>/<case id>/` with sound.flac, sound_2.flac, normal.flac, picture.png, case.json and verdict.

A file is on the disk whole or not at all. A case without case.json is half-written or half-deleted: it is not shown, and removed at the
next start. Files of other programs in the folder are not removed, and do not count for the quota. Any thread and any
process may read and mark; one thread of one daemon writes.
"""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, get_args

from aegan_monitor.evidence.case_file import CaseFile, SoundName
from aegan_monitor.evidence.retention import StoredCase
from aegan_monitor.files import make_folder, sync_folder, write_whole
from aegan_monitor.messages.case import Verdict
from aegan_monitor.outbox.store import find_path as find_outbox_path

CASE, PICTURE, NORMAL, VERDICT = "case.json", "picture.png", "normal.flac", "verdict"
SOUNDS: tuple[SoundName, ...] = ("sound.flac", "sound_2.flac")
FILES = (*SOUNDS, NORMAL, PICTURE, CASE)  # which a page may show
NORMAL_FOLDER = ".normal"  # of a machine; no id of a case begins with a dot
PRIVATE = 0o700  # mode of a new folder: people may be heard in it
BLOCK_BYTES = 4096  # a file takes whole blocks of the disk
_VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,199}")  # as names of machines; ids are UUIDs


class EvidenceFolder:
    """Reads evidence, and marks its value; see the module."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def cases(self) -> list[StoredCase]:
        """All cases, in no order; none if the folder cannot be read."""
        return [case for machine, case_id in self._folders() if (case := self._describe(machine, case_id))]

    def files(self, machine: str, case_id: str) -> dict[str, int]:
        """The files of a case that a page may show, with their sizes in bytes; empty if there is no such case."""
        folder = self._find(machine, case_id)
        found = {name: folder / name for name in FILES} if folder and (folder / CASE).is_file() else {}
        return {name: path.stat().st_size for name, path in found.items() if path.is_file()}

    def open(self, machine: str, case_id: str, name: str) -> BinaryIO:
        """Open a file of a case to read any part of it. It stays whole while it is open, also if it is replaced or deleted meanwhile.

        Raises:
            FileNotFoundError: There is no such file, or it is none that a page may show.
        """
        folder = self._find(machine, case_id)
        if folder is None or name not in FILES or not (folder / CASE).is_file():
            raise FileNotFoundError(f"{machine}/{case_id}/{name}: no such evidence")
        return (folder / name).open("rb")

    def read(self, machine: str, case_id: str) -> CaseFile | None:
        """What case.json says; None if there is no such case, or a file of another version."""
        try:
            with self.open(machine, case_id, CASE) as file:
                return CaseFile.model_validate_json(file.read())
        except (OSError, ValueError):
            return None

    def mark(self, machine: str, case_id: str, verdict: Verdict | None) -> None:
        """Store what a person said of a case, by which it is kept longer or shorter. A case without evidence is left out.

        Raises:
            OSError: It cannot be written.
        """
        folder = self._find(machine, case_id)
        if folder is not None and (stored := self._describe(machine, case_id)) and stored.verdict != verdict:
            write_whole(folder / VERDICT, (verdict or "").encode())

    def mark_all(self, case_id: str, verdict: Verdict | None) -> None:
        """The same for each machine that has a part in the case: with a common cause they share its id. Raises as `mark`."""
        for machine in _list_folders(self.path):
            self.mark(machine, case_id, verdict)

    def _find(self, machine: str, case_id: str) -> Path | None:
        """The folder of a case; None for a name that is no name, such as `..`."""
        return self.path / machine / case_id if _ID.fullmatch(machine) and _ID.fullmatch(case_id) else None

    def _folders(self) -> Iterator[tuple[str, str]]:
        for machine in _list_folders(self.path):
            yield from ((machine, case_id) for case_id in _list_folders(self.path / machine))

    def _describe(self, machine: str, case_id: str) -> StoredCase | None:
        folder = self.path / machine / case_id
        try:
            written_s = (folder / CASE).stat().st_mtime
            n_bytes = sum(round_up(path.stat().st_size) for path in folder.iterdir())
            said = (folder / VERDICT).read_bytes() if (folder / VERDICT).exists() else b""
        except OSError:  # it is just being deleted
            return None
        return StoredCase(machine, case_id, written_s, n_bytes, next((verdict for verdict in _VERDICTS if verdict.encode() == said), None))


def find_path(configured: Path | None, outbox: Path | None, node: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Path of the folder: as configured, or beside the outbox's file, whose configured path is `outbox`."""
    return configured or find_outbox_path(outbox, node, environment).with_name(f"evidence-{node}")


class WritableFolder(EvidenceFolder):
    """What the writing thread needs beside; each method raises OSError if the disk refuses."""

    def prepare(self) -> int:
        """Make the folder, and remove what a kill has left half-written; how many files and cases that were."""
        if not self.path.is_dir():
            make_folder(self.path, self.path.parent)
            self.path.chmod(PRIVATE)
        left = [path for path in self._files() if path.suffix == ".tmp"]
        for path in left:
            path.unlink()
        torn = [(machine, case_id) for machine, case_id in self._folders() if _is_torn(self.path / machine / case_id)]
        for machine, case_id in torn:
            self.remove(machine, case_id)
        return len(left) + len(torn)

    def probe(self, n_bytes: int) -> None:
        """See whether a file of `n_bytes` could be written."""
        path = self.path / ".probe.tmp"
        try:
            with path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, n_bytes)
        finally:
            path.unlink(missing_ok=True)

    def write(self, machine: str, case_id: str, name: str, content: bytes) -> None:
        """Write a file of a case. case.json comes last: from then on the case is shown."""
        folder = self._find(machine, case_id)
        if folder is None:
            raise OSError(f"{case_id!r} cannot be the name of a folder")
        if not folder.is_dir():
            make_folder(folder, self.path)
        write_whole(folder / name, content)
        if name == CASE:
            self._keep_order(folder / CASE)

    def write_normal(self, machine: str, state: str | None, content: bytes) -> None:
        """Keep a clip of normal sound in an operating state, in place of the one before."""
        folder = self.path / machine / NORMAL_FOLDER
        make_folder(folder, self.path)
        write_whole(folder / f"{state or 'any'}.flac", content)

    def find_normal(self, machine: str, state: str | None) -> tuple[bytes, str | None, float] | None:
        """The newest clip of normal sound in this operating state, else in any: content, state, and when it was written."""
        found = list((self.path / machine / NORMAL_FOLDER).glob("*.flac"))
        if not found:
            return None
        best = max(found, key=lambda path: (path.stem == (state or "any"), path.stat().st_mtime))
        return best.read_bytes(), None if best.stem == "any" else best.stem, best.stat().st_mtime

    def remove(self, machine: str, case_id: str) -> None:
        """Delete a case, if there is one; first case.json, so that nothing half-deleted is shown."""
        folder = self.path / machine / case_id
        if not folder.is_dir():
            return
        (folder / CASE).unlink(missing_ok=True)
        sync_folder(folder)
        shutil.rmtree(folder)

    def remove_sound(self) -> int:
        """Delete all sound, and keep the rest; how many files that were."""
        found = [path for path in self._files() if path.suffix == ".flac"]
        for path in found:
            path.unlink()
        return len(found)

    def measure_bytes(self) -> int:
        """What the evidence takes on the disk."""
        return sum(round_up(path.stat().st_size) for path in self._files())

    def _files(self) -> list[Path]:
        """All files of evidence, half-written ones too."""
        return [
            path
            for machine in _list_folders(self.path)
            for name in (NORMAL_FOLDER, *_list_folders(self.path / machine))
            for path in (self.path / machine / name).glob("*")
            if _is_ours(path) and path.is_file()
        ]

    def _keep_order(self, path: Path) -> None:
        """Date a new case.json after those of all other cases, also if the clock was set back."""
        newest_s = max((case.written_s for case in self.cases() if case.case_id != path.parent.name), default=0.0)
        if newest_s >= path.stat().st_mtime:
            os.utime(path, (newest_s + 1, newest_s + 1))

    def measure_free_bytes(self) -> int:
        """What is free on its disk for this user."""
        return shutil.disk_usage(self.path).free


def round_up(n_bytes: int) -> int:
    """What a file of this size takes on the disk."""
    return -(-n_bytes // BLOCK_BYTES) * BLOCK_BYTES


def _is_ours(path: Path) -> bool:
    """Whether a file has a name that the daemon gives, also while it writes."""
    name = path.name.removesuffix(".tmp").lstrip(".")
    return name in (*FILES, VERDICT) or (path.parent.name == NORMAL_FOLDER and name.endswith(".flac"))


def _is_torn(folder: Path) -> bool:
    """Whether it is a case without case.json, and has nothing else in it."""
    files = list(folder.iterdir())
    return all(map(_is_ours, files)) and CASE not in {path.name for path in files}


def _list_folders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False) and _ID.fullmatch(entry.name)]
    except OSError:
        return []
