"""Two hundred bad bundles: as disks and copies spoil them, and as a bad program would write and sign them."""

import contextlib
import io
import json
import os
import random
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from aegan_monitor.detection.bundle import DIGEST_KEY, PAYLOAD, RECORD, digest_of, sha256_of
from mutated_tree import mutate_tree

DEEP = 3000


def _flip(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 1, 8, 100])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def _swap(path: Path, rng: random.Random) -> None:
    other = path.with_name(rng.choice([name for name in PAYLOAD if name != path.name]))
    ours, theirs = path.read_bytes(), other.read_bytes()
    path.write_bytes(theirs)
    other.write_bytes(ours)


def _become(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


FILES: dict[str, Callable[[Path, random.Random], object]] = {
    "gone": lambda path, _: path.unlink(),
    "empty": lambda path, _: path.write_bytes(b""),
    "cut off": lambda path, rng: path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)]),
    "bits flipped": _flip,
    "bits flipped again": _flip,
    "random": lambda path, rng: path.write_bytes(rng.randbytes(path.stat().st_size)),
    "zeros": lambda path, _: path.write_bytes(bytes(path.stat().st_size)),
    "another's": _swap,
    "longer": lambda path, rng: path.write_bytes(path.read_bytes() + rng.randbytes(99)),
    "a folder": lambda path, _: _become(path, Path.mkdir),
    "a link to itself": lambda path, _: _become(path, lambda at: at.symlink_to(at.name)),
    "a link to nothing": lambda path, _: _become(path, lambda at: at.symlink_to("nothing")),
    "a pipe": lambda path, _: _become(path, os.mkfifo),
}

ARRAYS: dict[str, Callable[[np.ndarray, random.Random], Any]] = {
    "NaN": lambda array, _: np.full(array.shape, np.nan),
    "infinite": lambda array, _: np.full(array.shape, np.inf),
    "zeros": lambda array, _: np.zeros_like(array),
    "huge": lambda array, _: array * 1e300,
    "integers": lambda array, _: array.astype(np.int8),
    "complex": lambda array, _: array.astype(np.complex128),
    "half": lambda array, _: array.astype(np.float16),
    "text": lambda array, _: array.astype(str)[:1],
    "text of the same shape": lambda array, _: np.full(array.shape, "x"),
    "truth": lambda array, _: array > 0,
    "dates": lambda array, _: np.zeros(array.shape, "datetime64[s]"),
    "records": lambda array, _: np.zeros(array.shape, [("a", "f4"), ("b", "i2")]),
    "objects": lambda *_: np.array([{"a": 1}], dtype=object),
    "one number": lambda _, __: np.float64(1.0),
    "none": lambda array, _: array[:0],
    "one less": lambda array, _: array[:-1],
    "transposed": lambda array, _: array.T[..., None],
    "flat": lambda array, _: array.ravel(),
    "big-endian": lambda array, _: array.astype(array.dtype.newbyteorder(">")),
    "one NaN": lambda array, rng: _with(array, rng, np.nan),
    "one strange": lambda array, rng: _with(array, rng, -1e30),
    "gone": lambda *_: None,
    "a promise": lambda *_: "promise",
}


def _with(array: np.ndarray, rng: random.Random, value: float) -> np.ndarray:
    changed = array.copy()
    changed.reshape(-1)[rng.randrange(array.size)] = value
    return changed


def _promise() -> bytes:
    """An array of a terabyte, in a hundred bytes."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**37,)})
    return header.getvalue()


def _mutate_array(path: Path, rng: random.Random) -> str:
    with np.load(path) as arrays:
        held = {name: arrays[name] for name in arrays}
    name, how = rng.choice(list(held)), rng.choice(list(ARRAYS))
    changed = ARRAYS[how](held.pop(name), rng)
    if how not in ("gone", "a promise"):
        held[name] = changed
    with path.open("wb") as file:
        np.savez(file, allow_pickle=True, **held)
    if how == "a promise":
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(f"{name}.npy", _promise())
    return f"{path.name}: {name}: {how}"


def _sign(folder: Path) -> None:
    """Make the record fit the files that there are."""
    record = json.loads((folder / RECORD).read_text())
    for name in PAYLOAD:
        if (folder / name).is_file():
            record["files"][name] = {"sha256": sha256_of(folder / name), "n_bytes": (folder / name).stat().st_size}
    _write_record(folder, record)


def _write_record(folder: Path, record: dict[str, Any]) -> None:
    (folder / RECORD).write_text(json.dumps({**record, DIGEST_KEY: digest_of(record)}))


def _mutate_record(folder: Path, rng: random.Random) -> str:
    record = json.loads((folder / RECORD).read_text())
    tree = rng.choice([record, record, *(record[name] for name in ("features", "clip", "scaling", "network", "calibration"))])
    what = ", ".join(mutate_tree(tree, rng) for _ in range(rng.choice([1, 1, 2])))
    try:
        _write_record(folder, record)
    except ValueError:  # a number that Python does not write
        (folder / RECORD).write_text((folder / RECORD).read_text().replace('"seed": 0', f'"seed": {"9" * 5000}'))
    return f"{RECORD}: {what}"


JSON_VALUES = (
    *("NaN", "Infinity", "-Infinity", "1e999", "-0", "9" * 5000, "[" * 100_000 + "]" * 100_000, '{"a":' * DEEP + "1" + "}" * DEEP),
    *('"\\ud800"', '"\\u0000"', "1_0", "0x1", "'1'", "01", "[1,]", "1 // one", "1" * 400, "1.0", '"304"', "true", "null"),
)
RECORDS = ("", "[]", "null", "1", '"x"', "{}", '{"format": 2}', '{"format": []}', '{"format": true}', "[" * 100_000, "\ufeff{}")


def _mutate_json(folder: Path, rng: random.Random) -> str:
    """What no program of ours would write; signed where it can be read."""
    text = (folder / RECORD).read_text()
    if rng.random() < 0.2:
        what = rng.choice([*RECORDS, text[: rng.randrange(len(text))], text + text])
        (folder / RECORD).write_text(what)
        return f"{RECORD}: {what[:20]!r}"
    key, value = (
        rng.choice(['"clip_frames": ', '"n_bands": ', '"preset": ', '"format": ', '"choice": ', '"shrinkage": ']),
        rng.choice(JSON_VALUES),
    )
    (folder / RECORD).write_text(re.sub(f"{key}[^,\\n]*", lambda _: key + value, text))
    with contextlib.suppress(ValueError, RecursionError):
        _sign(folder)
    return f"{RECORD}: {key}{value[:20]}"


def mutate_bundle(good: Path, folder: Path, number: int) -> str:
    """Copy the bundle `good` to `folder` and spoil it in the `number`-th way; what was done."""
    rng = random.Random(f"bundle {number}")
    shutil.copytree(good, folder)
    kind = number % 5
    if kind == 0:  # as it happens to files
        name, how = rng.choice([*PAYLOAD, RECORD]), rng.choice(list(FILES))
        if name == RECORD and how == "another's":
            how = "empty"
        FILES[how](folder / name, rng)
        return f"{name}: {how}"
    if kind == 1:  # the same, by someone who signs
        name, how = rng.choice(PAYLOAD), rng.choice(list(FILES))
        FILES[how](folder / name, rng)
        _sign(folder)
        return f"{name}: {how}, signed"
    if kind == 2:
        what = _mutate_array(folder / rng.choice(["reference.npz", "reference.npz", "golden.npz"]), rng)
        _sign(folder)
        return what
    return _mutate_record(folder, rng) if number % 10 != 3 else _mutate_json(folder, rng)
