"""Spoils data of keys and values by the numbers of a seed, as bad edits and bad programs do."""

import copy
import random
from typing import Any

WILD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 10**9, -(10**18), 2**63, 2**64, 10**400, 10**5000),
    *(0.0, -0.0, 0.5, 1e-320, 1e308, -1e300, float("nan"), float("inf"), -float("inf")),
    *("", " ", "\0", "\x85", "\ud7ff", "ÄÖ", "a" * 100_000, "../..", "/", ".", "~", "-", "#", "+", "$SYS", "null", "1e3", "0x10", "%s {}"),
    *("credential:x", "file\nwith lines", "\u202e", "💥", "localhost:1883", "mqtt://box", "mic", "fast", "cpu", "require"),
    *([], {}, [[]], [{}], {"": ""}, {"a": {"b": {"c": []}}}, [None] * 1000, list(range(3)), [float("nan")]),
)
RENAMED = ("a", "_", "-", ".", " ", "é", ":", "\n", "@", "x" * 100_000)  # what comes into a key


def _pick(tree: Any, rng: random.Random) -> tuple[Any, ...]:
    """The place of a value below the top; one step down is as likely as the next, so that long lists are not all that is picked."""
    path: tuple[Any, ...] = ()
    while isinstance(tree, dict | list) and tree and (not path or rng.random() < 0.7):
        key = rng.choice(list(tree) if isinstance(tree, dict) else range(len(tree)))
        path, tree = (*path, key), tree[key]
    return path


def mutate_tree(tree: Any, rng: random.Random) -> str:
    """One value gone, renamed, nested, copied elsewhere or wild; in place. Returns what was done."""
    path = _pick(tree, rng)
    parent = tree
    for key in path[:-1]:
        parent = parent[key]
    key, where = path[-1], ".".join(map(str, path))
    how = rng.choice(["gone", "renamed", "nested", "elsewhere", "wild", "wild", "wild", "other kind"])
    if how == "gone":
        del parent[key]
    elif how == "renamed" and isinstance(parent, dict):
        name = str(key)
        at = rng.randrange(len(name) + 1)
        parent[name[:at] + rng.choice(RENAMED) + name[at:]] = parent.pop(key)
    elif how == "nested":
        parent[key] = rng.choice([[parent[key]], {str(key): parent[key]}, [parent[key]] * 2])
    elif how == "elsewhere":
        parent[key] = copy.deepcopy(_value_at(tree, _pick(tree, rng)))
    elif how == "other kind":
        parent[key] = rng.choice([str, lambda value: [str(value)], lambda value: {"value": value}, bool])(parent[key])  # type: ignore[operator]
    else:
        how, parent[key] = "wild", copy.deepcopy(rng.choice(WILD))
        where += f" = {type(parent[key]).__name__} {str(parent[key])[:20] if not is_long(parent[key]) else '10**...'!r}"
    return f"{how}: {where}"


def is_long(value: object) -> bool:
    """Python refuses to write it in decimal."""
    return isinstance(value, int) and value.bit_length() > 10_000


def _value_at(tree: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        tree = tree[key]
    return tree
