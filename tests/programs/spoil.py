"""Spoils configurations and bundles as disks, editors and bad programs do; the number of a mutant decides how."""

import contextlib
import copy
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
import yaml

from aegan_monitor.detection.bundle import DIGEST_KEY, PAYLOAD, RECORD, digest_of, sha256_of

DEEP = 3000
WILD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 10**9, 2**63, 10**400, 0.0, -0.0, 1e-320, 1e308, float("nan"), float("inf"), -float("inf")),
    *("", " ", "\0", "\x85", "ÄÖ", "💥", "a" * 100_000, "../..", "/", ".", "~", "-", "#", "+", "$SYS", "null", "1e3", "0x10", "%s {}"),
    *("credential:x", "file\nwith lines", "localhost:1883", "mqtt://box", "mic", "fast", "cpu", "require"),
    *([], {}, [[]], [{}], {"": ""}, {"a": {"b": {"c": []}}}, [None] * 1000, list(range(3)), [float("nan")]),
)
CONFIG: dict[str, Any] = yaml.safe_load("""
node: box
mqtt: {host: 127.0.0.1, port: 9, protocol: "5", base_topic: aegan, client_id: null, username: box, username_file: null,
  password_file: password, keepalive_s: 5, retry_s: 1.0, websocket_path: null,
  tls: {ca_file: null, certificate_file: null, key_file: null, verify: true}}
outbox: {path: outbox.sqlite, max_mb: 10.0, max_age_h: 168.0}
metrics: {host: 127.0.0.1, port: null}
inference: {providers: [cpu], policy: prefer, n_threads: 1}
log_level: error
health_interval_s: 30.0
machines:
  - {name: pump, bundle: bundle, score: null, no_data_s: 5.0, retry_s: 30.0,
    capture: {kind: file, paths: [loop.wav], pace: fast, loop: false},
    alarm: {quantile: null, margin: null, on_delay_s: 12.0, off_delay_s: 10.0}}
""")
NUMBERS = (".nan", "1e999", "0o777", "1:60:60", "2024-13-45", "1_0", "9" * 5000, f"0x{'f' * 9000}")
TAGS = ("!!python/object/apply:os.getcwd []", "!x y", "!!binary ==", "!!int x", "!!timestamp 1", "!!set {a}", "!!omap [a: b]")
NO_MAPPINGS = ("", "null", "[]", "- a", "a", "5", "---", "...", "# only a comment", "%YAML 3.0\n---\na: 1")
LAUGHS = "".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]\n" for i in range(1, 12))  # ten aliases of ten aliases of ...
VALUES = ("box", "cpu", "10.0", "bundle", "loop.wav", "30.0")
TEXTS: dict[str, Callable[[str, random.Random], str | bytes]] = {
    "cut off": lambda text, rng: text[: rng.randrange(len(text))],
    "a line twice": lambda text, rng: _edit_line(text, rng, lambda line: f"{line}\n{line}"),
    "a line gone": lambda text, rng: _edit_line(text, rng, lambda _: ""),
    "a line indented": lambda text, rng: _edit_line(text, rng, lambda line: rng.choice([" ", "\t"]) + line),
    "odd characters": lambda text, rng: _insert(text, rng, "".join(rng.choices("{}[]&*!|>'\"%@`:#-,?\n\0\x07\x85\ufeff", k=4))),
    "no UTF-8": lambda text, rng: _insert(text, rng, "?").encode().replace(b"?", rng.randbytes(3) + b"\xff"),
    "another encoding": lambda text, rng: text.encode(rng.choice(["utf-16", "utf-32", "utf-8-sig", "utf-16-be"])),
    "random bytes": lambda _, rng: rng.randbytes(rng.randrange(5000)),
    "laughs": lambda text, rng: "l0: &l0 [ha, ha]\n" + LAUGHS + text.replace(rng.choice(VALUES), "*l11", 1),
    "in itself": lambda text, rng: text.replace(rng.choice(VALUES), rng.choice(["&a [*a]", "&a {a: *a}"])),
    "merged with itself": lambda text, rng: text.replace(rng.choice(["tls:", "alarm:", "outbox:"]), "x: &a {<<: *a}\ny:"),
    "deep": lambda text, rng: text.replace(rng.choice(VALUES), rng.choice(["[" * DEEP + "]" * DEEP, "{a: " * DEEP + "}" * DEEP])),
    "deep indents": lambda text, _: text + "".join(f"{' ' * i}a:\n" for i in range(DEEP // 5)),
    "a tag": lambda text, rng: text.replace(rng.choice(VALUES), rng.choice(TAGS)),
    "odd numbers": lambda text, rng: text.replace(rng.choice(["10.0", "168.0", "30.0", "12.0"]), rng.choice(NUMBERS)),
    "two documents": lambda text, _: f"{text}---\n{text}",
    "no mapping": lambda _, rng: rng.choice(NO_MAPPINGS),
    "a very long line": lambda text, rng: _insert(text, rng, rng.choice(["a", ":", "[", "&a ", " ", "'"]) * 200_000),
    "keys of other kinds": lambda text, _: text + "? {a: [1, 2]}\n: 3\n? [x]\n: 4\n? 5\n: 6\n? ~\n: 7\n",
}
FILES: dict[str, Callable[[Path, random.Random], object]] = {
    "gone": lambda path, _: path.unlink(),
    "cut off": lambda path, rng: os.truncate(path, rng.choice([0, rng.randrange(path.stat().st_size)])),
    "bits flipped": lambda path, rng: path.write_bytes(_flip(bytearray(path.read_bytes()), rng)),
    "random": lambda path, rng: path.write_bytes(rng.randbytes(path.stat().st_size)),
    "zeros": lambda path, _: path.write_bytes(bytes(path.stat().st_size)),
    "another's": lambda path, rng: shutil.copy(path.with_name(rng.choice([*{*PAYLOAD} - {path.name}])), path),
    "longer": lambda path, rng: path.write_bytes(path.read_bytes() + rng.randbytes(99)),
    "a folder": lambda path, _: _become(path, Path.mkdir),
    "a link to itself": lambda path, _: _become(path, lambda at: at.symlink_to(at.name)),
    "a pipe": lambda path, _: _become(path, os.mkfifo),
}
ARRAYS: dict[str, Callable[[np.ndarray], Any]] = {
    **{f"all {value}": lambda array, value=value: np.full(array.shape, value) for value in (np.nan, np.inf, 0.0, "x")},  # type: ignore[misc]
    **{kind: lambda array, kind=kind: array.astype(kind) for kind in ("i1", "c16", "f2", "U", ">f4", "?")},  # type: ignore[misc]
    "huge": lambda array: array * 1e300,
    "dates": lambda array: np.zeros(array.shape, "datetime64[s]"),
    "records": lambda array: np.zeros(array.shape, [("a", "f4"), ("b", "i2")]),
    "objects": lambda _: np.array([{"a": 1}], dtype=object),
    "one number": lambda _: np.float64(1.0),
    "none": lambda array: array[:0],
    "one less": lambda array: array[:-1],
    "other axes": lambda array: array.T[..., None],
    "flat": lambda array: array.ravel(),
    "one NaN": lambda array: np.where(np.arange(array.size).reshape(array.shape) == array.size // 2, np.nan, array),
    "one strange": lambda array: np.where(np.arange(array.size).reshape(array.shape) == array.size // 3, -1e30, array),
}
JSON_KEYS = ('"clip_frames": ', '"n_bands": ', '"preset": ', '"format": ', '"choice": ', '"shrinkage": ')
JSON_VALUES = (
    *("NaN", "Infinity", "1e999", "-0", "9" * 5000, "[" * 100_000 + "]" * 100_000, '{"a":' * DEEP + "1" + "}" * DEEP, "true", "null"),
    *('"\\ud800"', '"\\u0000"', "1_0", "0x1", "'1'", "01", "[1,]", "1 // one", "1" * 400, "1.0", '"304"'),
)
RECORDS = ("", "[]", "null", "1", '"x"', "{}", '{"format": 2}', '{"format": []}', "[" * 100_000, "\ufeff{}")


def _edit_line(text: str, rng: random.Random, edit: Callable[[str], str]) -> str:
    lines = text.splitlines()
    at = rng.randrange(len(lines))
    return "\n".join([*lines[:at], edit(lines[at]), *lines[at + 1 :]]) + "\n"


def _insert(text: str, rng: random.Random, what: str) -> str:
    at = rng.randrange(len(text))
    return text[:at] + what + text[at:]


def _become(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def _flip(content: bytearray, rng: random.Random) -> bytes:
    for _ in range(rng.choice([1, 1, 8, 100])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


def _pick(tree: Any, rng: random.Random) -> tuple[Any, Any]:
    """A mapping or list within, and a key of it; one step down is as likely as the next, so that long lists are not all that is picked."""
    parent = tree
    while True:
        key = rng.choice(list(parent) if isinstance(parent, dict) else range(len(parent)))
        if not isinstance(parent[key], dict | list) or not parent[key] or rng.random() < 0.3:
            return parent, key
        parent = parent[key]


def spoil_tree(tree: Any, rng: random.Random) -> str:
    """One value gone, renamed, nested, copied elsewhere, of another kind or wild; in place. Returns what was done."""
    parent, key = _pick(tree, rng)
    old, how = parent[key], rng.choice(["gone", "renamed", "nested", "elsewhere", "other kind", "wild", "wild", "wild"])
    if how == "gone":
        del parent[key]
    elif how == "renamed" and isinstance(parent, dict):
        parent[_insert(f"{key} ", rng, rng.choice(["a", "_", ".", " ", "é", ":", "\n", "x" * 100_000])).strip(" ")] = parent.pop(key)
    elif how == "elsewhere":
        other, place = _pick(tree, rng)
        parent[key] = copy.deepcopy(other[place])
    else:
        kinds: dict[str, list[Any]] = {"nested": [[old], {str(key): old}, [old] * 2], "other kind": [str(old), [str(old)], bool(old)]}
        parent[key] = copy.deepcopy(rng.choice(kinds.get(how, list(WILD))))
    return f"{how}: {key}"


def spoil_config(folder: Path, number: int) -> str:
    """Write the `number`-th `monitor.yaml` into `folder`; what was done to it."""
    rng, tree = random.Random(f"config {number}"), copy.deepcopy(CONFIG)
    if rng.random() < 0.3:
        tree["mqtt"]["tls"] = None
    what = ", ".join(spoil_tree(tree, rng) for _ in range(rng.choice([1, 1, 1, 2, 4]))) if number % 2 else ""
    content: str | bytes = yaml.safe_dump(tree, allow_unicode=True, sort_keys=False)
    if not what:
        what = list(TEXTS)[number // 2 % len(TEXTS)]
        content = TEXTS[what](str(content), rng)
    (folder / "monitor.yaml").write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    return what


def _write_record(folder: Path, record: dict[str, Any]) -> None:
    (folder / RECORD).write_text(json.dumps({**record, DIGEST_KEY: digest_of(record)}))


def _sign(folder: Path) -> None:
    """Make the record fit the files that there are."""
    record = json.loads((folder / RECORD).read_text())
    files = [folder / name for name in PAYLOAD if (folder / name).is_file()]
    record["files"] |= {path.name: {"sha256": sha256_of(path), "n_bytes": path.stat().st_size} for path in files}
    _write_record(folder, record)


def _spoil_array(path: Path, rng: random.Random) -> str:
    with np.load(path) as arrays:
        held = {name: arrays[name] for name in arrays}
    name, how = rng.choice(list(held)), rng.choice([*ARRAYS, "gone", "a promise"])
    array = held.pop(name)
    if how in ARRAYS:
        held[name] = ARRAYS[how](array)
    with path.open("wb") as file:
        np.savez(file, allow_pickle=True, **held)
    if how == "a promise":  # of a terabyte, in a hundred bytes
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**37,)})
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(f"{name}.npy", header.getvalue())
    return f"{path.name}: {name}: {how}"


def _spoil_json(path: Path, rng: random.Random) -> str:
    """What no program of ours would write; signed where it can be read."""
    text = path.read_text()
    if rng.random() < 0.2:
        path.write_text(rng.choice([*RECORDS, text[: rng.randrange(len(text))], text + text]))
        return "another record"
    key, value = rng.choice(JSON_KEYS), rng.choice(JSON_VALUES)
    path.write_text(re.sub(f"{key}[^,\\n]*", lambda _: key + value, text))
    with contextlib.suppress(ValueError, RecursionError):
        _sign(path.parent)
    return f"{key}{value[:20]}"


def spoil_bundle(good: Path, folder: Path, number: int) -> str:
    """Copy the bundle `good` to `folder` and spoil it in the `number`-th way; what was done."""
    rng = random.Random(f"bundle {number}")
    shutil.copytree(good, folder)
    kind = number % 5
    if kind < 2:  # as it happens to files, then by someone who signs
        name, how = rng.choice(PAYLOAD if kind else [*PAYLOAD, RECORD]), rng.choice(list(FILES))
        FILES[how](folder / name, rng)
        what = f"{name}: {how}"
    elif kind == 2:
        what = _spoil_array(folder / rng.choice(["reference.npz", "reference.npz", "golden.npz"]), rng)
    elif number % 10 == 3:
        return _spoil_json(folder / RECORD, rng)
    else:
        record = json.loads((folder / RECORD).read_text())
        tree = rng.choice([record, record, *(record[name] for name in ("features", "clip", "scaling", "network", "calibration"))])
        what = ", ".join(spoil_tree(tree, rng) for _ in range(rng.choice([1, 1, 2])))
        _write_record(folder, record)
        return what
    if kind:
        _sign(folder)
    return what
