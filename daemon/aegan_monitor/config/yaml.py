"""Reads YAML without its traps, or tells where it is none."""

import re
from pathlib import Path
from typing import Any

import yaml

from aegan_monitor.config.validation import name_key, name_kind
from aegan_monitor.errors import ConfigError

_LARGEST_BYTES = 1_000_000  # reading YAML is slow


class _Loader(yaml.SafeLoader):
    """Safe YAML without its traps: a key that stands twice is told, `1e-4` is a number, an impossible date has a line."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.twice: list[tuple[int, str]] = []

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        first_lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            line, name = key.start_mark.line + 1, (key.tag, str(key.value))
            if name in first_lines:
                self.twice.append((line, f"key {name_key(key.value)} stands twice (first in line {first_lines[name]}); keep one"))
            first_lines.setdefault(name, line)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError):  # as PyYAML fails on 2024-13-45, !!bool maybe and !!timestamp now
            problem = "found a date or number that does not exist; text goes in quotes"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789"))


def load_yaml(path: Path, *, may_be_empty: bool = False) -> object:
    """What a YAML file says: a mapping, with nothing in it checked yet; an empty one where the file may be empty, and is.

    Raises:
        ConfigError: The file is missing, a folder, unreadable, too large, not UTF-8, not YAML, empty, no mapping, or says a key twice.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
        if len(content) > _LARGEST_BYTES:
            raise ConfigError(f"{path}: expected at most {_LARGEST_BYTES} bytes, found more; is it a configuration?")
        text = content.decode("utf-8")
    except OSError as error:
        remedy = f"; the daemon's user must be able to: chmod a+r {path}" if isinstance(error, PermissionError) else ""
        raise ConfigError(f"{path}: expected a file that can be read, found: {error.strerror}{remedy}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: expected UTF-8 text, found byte 0x{error.object[error.start]:02x} at {error.start}") from None
    try:
        loader = _Loader(text)
        data = loader.get_single_data()
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{path}: not YAML: {_tell_syntax(error, text)}") from None
    if loader.twice:
        raise ConfigError("\n".join(f"{path}: line {line}: {what}" for line, what in sorted(loader.twice)))
    if isinstance(data, dict):
        return data
    if data is None and may_be_empty:
        return {}
    raise ConfigError(f"{path}: expected keys and values at the top, found {name_kind(data)}")


def _tell_syntax(error: Exception, text: str) -> str:
    """Where and what in one line, without the text there: it may be a password that lacks its quotes."""
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position].split("\n")
        return f"line {len(before)}, column {len(before[-1]) + 1}: found a control character (0x{error.character:02x})"
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return "nested too deeply"
    what = ", ".join(part for part in (error.context, error.problem) if part)
    what = re.sub(r"(alias|anchor|tag|handle) (['\"]).*?\2", r"\1", what)
    return f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}: {' '.join(what.split())}"
