"""Strict YAML reader: refuses duplicate keys; errors have line and column."""

import re
from pathlib import Path
from typing import Any

import yaml

from aegan_monitor.config.validation import name_key, name_kind
from aegan_monitor.errors import ConfigError

_LARGEST_BYTES = 1_000_000  # PyYAML is slow


class _Loader(yaml.SafeLoader):
    """Safe YAML loader that reports duplicate keys, reads `1e-4` as a number, and gives an invalid date its line."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.duplicates: list[tuple[int, str]] = []

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        first_lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            line, name = key.start_mark.line + 1, (key.tag, str(key.value))
            if name in first_lines:
                self.duplicates.append((line, f"duplicate key {name_key(key.value)} (first in line {first_lines[name]}); keep one"))
            first_lines.setdefault(name, line)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError):  # PyYAML, for 2024-13-45, !!bool maybe and !!timestamp now
            problem = "found a date or number that does not exist; put text in quotes"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789"))


def load_yaml(path: Path, *, may_be_empty: bool = False) -> object:
    """Read a YAML file whose top level is a mapping; with `may_be_empty` an empty file is an empty mapping.

    Raises:
        ConfigError: The file is missing, a folder, unreadable, too large, not UTF-8, not YAML, empty, no mapping, or has a duplicate key.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
        if len(content) > _LARGEST_BYTES:
            raise ConfigError(f"{path}: expected at most {_LARGEST_BYTES} bytes, found more; is it a configuration?")
        text = content.decode("utf-8")
    except OSError as error:
        remedy = f"; the daemon's user must be able to read it: chmod a+r {path}" if isinstance(error, PermissionError) else ""
        raise ConfigError(f"{path}: expected a file that can be read, found: {error.strerror}{remedy}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: expected UTF-8 text, found byte 0x{error.object[error.start]:02x} at {error.start}") from None
    try:
        loader = _Loader(text)
        data = loader.get_single_data()
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{path}: not YAML: {_explain_syntax(error, text)}") from None
    if loader.duplicates:
        raise ConfigError("\n".join(f"{path}: line {line}: {what}" for line, what in sorted(loader.duplicates)))
    if isinstance(data, dict):
        return data
    if data is None and may_be_empty:
        return {}
    raise ConfigError(f"{path}: expected keys and values at the top, found {name_kind(data)}")


def _explain_syntax(error: Exception, text: str) -> str:
    """Line, column and problem, without the text, which may be a password."""
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position].split("\n")
        return f"line {len(before)}, column {len(before[-1]) + 1}: found a control character (0x{error.character:02x})"
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return "nested too deeply"
    what = ", ".join(part for part in (error.context, error.problem) if part)
    what = re.sub(r"(alias|anchor|tag|handle) (['\"]).*?\2", r"\1", what)
    return f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}: {' '.join(what.split())}"
