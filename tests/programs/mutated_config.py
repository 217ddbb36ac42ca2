"""Three hundred bad configurations: wild values in every place, and text that is hardly YAML."""

import copy
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from mutated_tree import is_long, mutate_tree

DEEP = 3000
LAUGHS = 12  # tenfold each
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


def _dump_yaml(tree: Any) -> str:
    dumper = yaml.SafeDumper
    dumper.add_representer(int, lambda made, value: made.represent_scalar("tag:yaml.org,2002:int", _write_int(value)))
    return yaml.dump(tree, Dumper=dumper, allow_unicode=True, sort_keys=False)


def _write_int(value: int) -> str:
    return "1" + "0" * 5000 if is_long(value) else str(value)


def _laugh(text: str) -> str:
    """Ten aliases of ten aliases of ten ..."""
    lines = ["l0: &l0 [ha, ha]"] + [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]" for i in range(1, LAUGHS)]
    return "\n".join(lines) + f"\n{text}".replace("loop.wav", f"*l{LAUGHS - 1}").replace("node: box", f"node: *l{LAUGHS - 1}")


NUMBERS = (
    *(": .nan\n", ": 1e999\n", ": 0o777\n", ": 1:60:60\n", ": 2024-13-45\n", ": 1_0\n"),
    *(f": {'9' * 5000}\n", f": 0x{'f' * 9000}\n"),
)
NO_MAPPINGS = ("", "\n", "null", "[]", "- a", "a", "5", "---", "...", "# only a comment", "%YAML 3.0\n---\na: 1")
TEXTS: dict[str, Callable[[str, random.Random], str | bytes]] = {
    "cut off": lambda text, rng: text[: rng.randrange(len(text))],
    "a line twice": lambda text, rng: _edit_lines(text, rng, lambda lines, at: lines.insert(at, lines[at])),
    "a line gone": lambda text, rng: _edit_lines(text, rng, lambda lines, at: lines.pop(at)),
    "a line indented": lambda text, rng: _edit_lines(text, rng, lambda lines, at: lines.__setitem__(at, " " + lines[at])),
    "lines swapped": lambda text, rng: _edit_lines(text, rng, lambda lines, at: lines.insert(0, lines.pop(at))),
    "a tab": lambda text, rng: _edit_lines(text, rng, lambda lines, at: lines.__setitem__(at, "\t" + lines[at])),
    "odd characters": lambda text, rng: _insert(text, rng, "".join(rng.choices("{}[]&*!|>'\"%@`:#-,?\n\0\x07\x85\ufeff", k=4))),
    "no UTF-8": lambda text, rng: text.encode()[: (at := rng.randrange(len(text)))] + rng.randbytes(3) + b"\xff" + text.encode()[at:],
    "another encoding": lambda text, rng: text.encode(rng.choice(["utf-16", "utf-32", "utf-8-sig", "utf-16-be"])),
    "random bytes": lambda _, rng: rng.randbytes(rng.randrange(5000)),
    "laughs": lambda text, _: _laugh(text),
    "in itself": lambda text, rng: text.replace(rng.choice(["box", "cpu", "loop.wav", "bundle"]), rng.choice(["&a [*a]", "&a {a: *a}"])),
    "merged with itself": lambda text, rng: text.replace(rng.choice(["tls:", "alarm:", "outbox:", "mqtt:"]), "x: &a {<<: *a}\ny:"),
    "deep lists": lambda text, rng: text.replace(rng.choice(["box", "cpu", "10.0"]), "[" * DEEP + "]" * DEEP),
    "deep mappings": lambda text, rng: text.replace(rng.choice(["box", "cpu", "10.0"]), "{a: " * DEEP + "}" * DEEP),
    "deep indents": lambda text, _: text + "".join(f"{' ' * i}a:\n" for i in range(DEEP // 5)),
    "a tag": lambda text, rng: text.replace(
        rng.choice(["box", "5", "bundle"]),
        rng.choice(["!!python/object/apply:os.getcwd []", "!x y", "!!binary ==", "!!int x", "!!timestamp 1", "!!set {a}", "!!omap [a: b]"]),
    ),
    "odd numbers": lambda text, rng: text.replace(rng.choice([": 5\n", "10.0", "168.0", "30.0", "12.0"]), rng.choice(NUMBERS)),
    "two documents": lambda text, _: f"{text}---\n{text}",
    "no mapping": lambda _, rng: rng.choice(NO_MAPPINGS),
    "a very long line": lambda text, rng: _insert(text, rng, rng.choice(["a", ":", "[", "&a ", " ", "'"]) * 200_000),
    "a key of many": lambda text, _: text + "? {a: [1, 2]}\n: 3\n? [x]\n: 4\n? 5\n: 6\n? ~\n: 7\n",
}  # fmt: skip


def _edit_lines(text: str, rng: random.Random, edit: Callable[[list[str], int], object]) -> str:
    lines = text.splitlines()
    for _ in range(rng.randrange(1, 3)):
        edit(lines, rng.randrange(len(lines)))
    return "\n".join(lines) + "\n"


def _insert(text: str, rng: random.Random, what: str) -> str:
    at = rng.randrange(len(text))
    return text[:at] + what + text[at:]


def mutate_config(folder: Path, number: int) -> str:
    """Write the `number`-th `monitor.yaml` into `folder`; what was done to it."""
    rng = random.Random(f"config {number}")
    tree = copy.deepcopy(CONFIG)
    if rng.random() < 0.3:
        tree["mqtt"]["tls"] = None
    if number % 2:
        what = ", ".join(mutate_tree(tree, rng) for _ in range(rng.choice([1, 1, 1, 2, 4])))
        content: str | bytes = _dump_yaml(tree)
    else:
        what = list(TEXTS)[number // 2 % len(TEXTS)]
        content = TEXTS[what](_dump_yaml(tree), rng)
    (folder / "monitor.yaml").write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    return what
