"""What a power cut may leave of a folder: what was synced, and of all else any part.

Names change in their order and reach the disk in it, as journals of file systems have it, but as late as they like; so does what
is written into files, a sector at a time in any order, unless it was synced.
"""

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import pytest

SECTOR_BYTES = 512
CALLS = ("open", "write", "fsync", "ftruncate", "rename", "unlink", "mkdir")

Names = dict[str, int]  # in one folder: the number (inode) of what each stands for
Note = TypeVar("Note")


def mix(old: bytes, new: bytes, rng: random.Random) -> bytes:
    """What is on a disk whose power goes while `new` is written over `old`: sectors come in any order, and its size when it likes."""
    n_bytes = -(-max(len(old), len(new)) // SECTOR_BYTES) * SECTOR_BYTES
    sectors = [np.frombuffer(content.ljust(n_bytes, b"\0"), np.uint8).reshape(-1, SECTOR_BYTES) for content in (old, new)]
    written = rng.random()
    mask = [[rng.random() < written] for _ in range(n_bytes // SECTOR_BYTES)]
    mixed = np.where(mask, sectors[1], sectors[0]).tobytes()
    least, most = sorted([len(old), len(new)])
    return mixed[: rng.choice([least, most, rng.randrange(least, most + 1), rng.randrange(least, n_bytes + 1)])]


@dataclass(frozen=True, slots=True)
class Moment(Generic[Note]):
    """Before a call: what a power cut then leaves.

    Attributes:
        folders: Of each folder's number the names that it may have, from those that were synced to those of now.
        files: Of each file's number what was synced of it, and what it holds now.
        note: What whoever writes had to say then.
    """

    root: int
    folders: dict[int, list[Names]]
    files: dict[int, tuple[bytes, bytes]]
    note: Note

    @property
    def has_torn_files(self) -> bool:
        """Not all that was written is synced."""
        return any(old != new for old, new in self.files.values())

    def cut(self, place: Path, rng: random.Random) -> None:
        """Make at `place` what is left."""
        self._make(self.root, place, rng)

    def _make(self, number: int, place: Path, rng: random.Random) -> None:
        if number in self.folders:
            place.mkdir()
            for name, child in rng.choice(self.folders[number]).items():
                self._make(child, place / name, rng)
        else:
            old, new = self.files[number]
            place.write_bytes(old if old == new else mix(old, new, rng))


class Killed(BaseException):
    """Ends a call as a kill would: caught by nobody but who plays the next start."""


class Platter(Generic[Note]):
    """Watches all that this process does in a folder; what is there as it begins is on the disk."""

    def __init__(self, folder: Path, note: Callable[[], Note]) -> None:
        """Store."""
        self.moments: list[Moment[Note]] = []
        self._folder, self._note = folder, note
        self._n_left = 0  # calls until a kill
        self._folders: dict[int, list[Names]] = {}
        self._files: dict[int, bytes] = {}  # those too whose names have gone of late
        self._synced: dict[int, bytes] = {}
        self._look(begins=True)

    def watch(self, monkeypatch: pytest.MonkeyPatch, n_calls: int) -> None:
        """From now on; instead of the call with this number there is a kill."""
        self._n_left = n_calls
        for name in CALLS:
            monkeypatch.setattr(os, name, self._watched(getattr(os, name), is_sync=name == "fsync"))

    def look(self) -> None:
        """A moment without a call."""
        self._look()
        folders = {number: list(names) for number, names in self._folders.items()}
        contents = {number: (self._synced.get(number, b""), content) for number, content in self._files.items()}
        self.moments.append(Moment(self._folder.stat().st_ino, folders, contents, self._note()))

    def _watched(self, call: Callable[..., object], *, is_sync: bool) -> Callable[..., object]:
        def watched(*arguments: object, **options: object) -> object:
            self.look()
            self._n_left -= 1
            if self._n_left == 0:
                raise Killed
            found = call(*arguments, **options)
            if is_sync and isinstance(arguments[0], int):
                self._sync(os.fstat(arguments[0]).st_ino)
            return found

        return watched

    def _sync(self, number: int) -> None:
        self._look()
        if number in self._folders:
            self._folders[number] = self._folders[number][-1:]
        elif number in self._files:
            self._synced[number] = self._files[number]

    def _look(self, *, begins: bool = False) -> None:
        """Take note of new names, and of what each file holds."""
        for folder in [self._folder, *(path for path in self._folder.rglob("*") if path.is_dir())]:
            names = {}
            for path in sorted(folder.iterdir()):
                names[path.name] = number = path.stat().st_ino
                if path.is_file():
                    self._files[number] = path.read_bytes()
            before = self._folders.setdefault(folder.stat().st_ino, [names if begins else {}])
            if before[-1] != names:
                before.append(names)
        if begins:
            self._synced = dict(self._files)
