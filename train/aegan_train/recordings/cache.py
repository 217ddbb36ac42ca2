"""Pictures of recordings on disk, computed once for all runs, and read through a memory map.

One folder an entry, named for the contents of the recordings and everything that makes a picture of them: `frames.f32` (all frames, raw
float32 `[n_frames, n_bands]`), `controls.npy` and `index.json`. It is filled beside its place and renamed, so a killed process leaves
nothing that looks whole; of two with the same recordings one waits for the other. What was not used for longest makes room; whoever
still reads it keeps it until done. The folder may be deleted at any time.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aegan_monitor.detection.features import FeatureParameters
from aegan_monitor.errors import DataError
from aegan_monitor.types import DoubleArray, FloatArray
from aegan_train.progress import follow
from aegan_train.recordings.survey import Picture, survey

VERSION = 1  # of the features' code and of the files: raise it when either changes its numbers
MAX_BYTES = 20_000_000_000  # of all entries; the newest one stays, however large
FRAMES, CONTROLS, INDEX = "frames.f32", "controls.npy", "index.json"
PARTIAL, LOCK = ".partial", ".lock"
DAMAGE = (OSError, ValueError, KeyError, TypeError)  # what reading an entry raises that is not there, or not whole


@dataclass(frozen=True, slots=True)
class CachedPictures:
    """What an entry holds.

    Attributes:
        frames: Read-only float32 `[n_frames of all, n_bands]`, mapped: it lies on disk, not in memory.
        control_bands: float64 `[n_pictures, 2, 128]`.
        rows: A recording each: `n_frames` and `sha256` of one with a picture, else `reason` or `same_as`, the place of its equal.
    """

    frames: FloatArray
    control_bands: DoubleArray
    rows: list[dict[str, Any]]


def default_folder() -> Path:
    """`aegan-monitor/features` in $XDG_CACHE_HOME, or in ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "aegan-monitor" / "features"


def open_pictures(folder: Path, paths: Sequence[Path], features: FeatureParameters, least_frames: int) -> CachedPictures:
    """The pictures of `paths` from the cache in `folder`, computed now when it lacks them; prints what it is at.

    Raises:
        DataError: The folder cannot be written, or the disk is full.
    """
    place = folder / make_key(paths, features, least_frames)
    with contextlib.suppress(*DAMAGE):
        return use(place, features)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with place.with_suffix(LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # let go by the system, however a process ends
            with contextlib.suppress(*DAMAGE):
                return use(place, features)
            fill(place, paths, features, least_frames)
        make_room(folder, place)
        return use(place, features)
    except BrokenPipeError:  # of our output, not of the folder
        raise
    except OSError as error:
        todo = "free some space there" if error.errno in {errno.ENOSPC, errno.EDQUOT} else "make it writable"
        raise DataError(
            f"{folder}: the features cannot be stored: {error.strerror or error}; {todo}, or name another folder in XDG_CACHE_HOME"
        ) from error


def make_key(paths: Sequence[Path], features: FeatureParameters, least_frames: int) -> str:
    """The name of the entry: whatever changes a number in it changes the name."""
    hash_one = follow(hash_file, len(paths), f"reading {len(paths)} recordings")
    parts = [str(VERSION), json.dumps(asdict(features), sort_keys=True), str(least_frames), *map(hash_one, paths)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:40]


def hash_file(path: Path) -> str:
    """SHA-256 of its bytes; the reason for one that cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return str(error.strerror)


def use(place: Path, features: FeatureParameters) -> CachedPictures:
    """Read an entry, and remember that it was used.

    Raises:
        OSError, ValueError, KeyError, TypeError: It is not there, or damaged.
    """
    rows = json.loads((place / INDEX).read_text(encoding="utf-8"))["rows"]
    n_frames = sum(row.get("n_frames", 0) for row in rows)
    if (place / FRAMES).stat().st_size != n_frames * features.n_bands * np.dtype(np.float32).itemsize:
        raise ValueError(f"{place}: not as long as its index says")
    frames: FloatArray = np.zeros((0, features.n_bands), np.float32)
    if n_frames:
        frames = np.memmap(place / FRAMES, np.float32, "r", shape=(n_frames, features.n_bands))
    found = CachedPictures(frames, np.load(place / CONTROLS, allow_pickle=False), rows)
    with contextlib.suppress(OSError):  # a cache that others own
        os.utime(place)
    return found


def fill(place: Path, paths: Sequence[Path], features: FeatureParameters, least_frames: int) -> None:
    """Compute an entry; whoever calls it holds its lock."""
    partial = place.with_suffix(PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
    partial.mkdir()
    try:
        with (partial / FRAMES).open("wb") as file:
            rows: list[dict[str, Any]] = []
            add_row = follow(rows.append, len(paths), f"computing the features of {len(paths)} recordings")
            controls: list[DoubleArray] = []
            places: dict[str, int] = {}
            for seen in survey(paths, features, least_frames):
                if not isinstance(seen, Picture):
                    add_row({"reason": seen})
                elif seen.sha256 in places:
                    add_row({"same_as": places[seen.sha256]})
                else:
                    places[seen.sha256] = len(rows)
                    add_row({"n_frames": len(seen.frames), "sha256": seen.sha256})
                    controls.append(seen.control_bands)
                    file.write(seen.frames.data)
            file.flush()
            os.fsync(file.fileno())
        np.save(partial / CONTROLS, np.array(controls))
        (partial / INDEX).write_text(json.dumps({"rows": rows}), encoding="utf-8")
        shutil.rmtree(place, ignore_errors=True)  # a damaged one
        partial.rename(place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def make_room(folder: Path, newest: Path, max_bytes: int = MAX_BYTES) -> None:
    """Delete what killed processes left, and entries, those not used for longest first, until all are within `max_bytes`."""
    entries: list[tuple[float, int, Path]] = []
    for path in folder.iterdir():
        with contextlib.suppress(OSError):  # gone, or held
            if path.suffix == PARTIAL:
                with path.with_suffix(LOCK).open("w") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path, ignore_errors=True)
            elif path.is_dir():
                entries.append((path.stat().st_mtime, sum(each.stat().st_size for each in path.iterdir()), path))
    total = sum(n_bytes for _, n_bytes, _ in entries)
    for _, n_bytes, path in sorted(entries):
        if total > max_bytes and path != newest:
            shutil.rmtree(path, ignore_errors=True)  # whoever has it mapped keeps the pages
            total -= n_bytes
