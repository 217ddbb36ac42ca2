"""Validates data against a pydantic model, and reports every problem in one line: where, expected, found, remedy."""

import difflib
import re
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from aegan_monitor.errors import ConfigError

M = TypeVar("M", bound=BaseModel)
_WORDS: dict[object, str] = {int: "a whole number", float: "a number", str: "text", bool: "true or false", Path: "a path", list: "a list"}
_LIMITS = {"ge": " of {} or more", "gt": " over {}", "le": " up to {}", "lt": " under {}", "min_length": " of {} or more"}
_SECRET = re.compile(r"pass|secret|token", re.IGNORECASE)  # values of these keys never appear in a message
_MAX_ECHO = 60  # longest part of a wrong value in a message, in characters
_MAX_ECHO_BITS = 200  # a larger integer is not printed: about 60 digits
_LONGEST_PATH = 1000  # file systems stop at 4096, folder included


class Settings(BaseModel):
    """Base of every section of a configuration: immutable, no unknown keys, no conversion between types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)


class Expected(NamedTuple):
    """Annotation of a type: words for the accepted values, if its constraints do not say them."""

    words: str


def _refuse_empty_path(value: object) -> object:
    if isinstance(value, str) and (not value.strip() or "\0" in value):
        raise ValueError("expected a path, found text that names no file")
    if isinstance(value, str) and len(value) > _LONGEST_PATH:
        raise ValueError(f"expected a path of at most {_LONGEST_PATH} characters, found {len(value)}")
    return value


def _resolve_in_folder(path: Path, info: ValidationInfo) -> Path:
    return Path(info.context["folder"] / path) if info.context else path


ConfigPath = Annotated[Path, Field(strict=False), BeforeValidator(_refuse_empty_path), AfterValidator(_resolve_in_folder)]
"""A path in a configuration. A relative path starts at the `folder` given to `validate`."""


def validate(
    model: type[M], data: object, where: str, *, folder: Path = Path(), refused: Mapping[str, str] | None = None, also: Iterable[str] = ()
) -> M:
    """Build a model from data.

    Args:
        model: The model; its sections derive from `Settings`.
        data: The result of `load_yaml`.
        where: Name of the file, for messages.
        folder: Start of relative paths (`ConfigPath`).
        refused: Keys that are refused in every section, each with reason and remedy.
        also: Other problems, each with its path; they are reported, too.

    Raises:
        ConfigError: There are problems; one line each.
    """
    problems = list(also)
    try:
        built = model.model_validate(data, context={"folder": folder})
        if not problems:
            return built
    except ValidationError as error:
        problems[:0] = (_explain(model, details, refused or {}) for details in error.errors(include_url=False))
    raise ConfigError("\n".join(f"{where}: {problem}" for problem in dict.fromkeys(problems)))


class _Place(NamedTuple):
    """Location of a problem: its YAML path, the last key, that key's siblings, and the type and annotations expected there."""

    path: str
    key: str
    siblings: tuple[str, ...]
    annotation: Any
    marks: tuple[object, ...] = ()


def _explain(model: type[BaseModel], details: ErrorDetails, refused: Mapping[str, str]) -> str:
    """One problem of pydantic as one line."""
    kind, found = details["type"], details["input"]
    place = _locate(model, (*details["loc"][:-1], found) if kind == "invalid_key" else details["loc"])
    path = place.path or "the configuration"
    if kind in ("extra_forbidden", "invalid_key"):
        if place.key in refused:
            return f"{path}: {refused[place.key]}"
        close = difflib.get_close_matches(place.key, place.siblings, n=1)
        return f"{path}: unknown key; " + (f"did you mean {close[0]}?" if close else f"known here: {', '.join(place.siblings)}")
    if kind == "missing":
        return f"{path}: missing key; expected {describe_type(place.annotation, place.marks)}"
    if kind in ("value_error", "string_too_long"):
        ours = details["ctx"].get("error") or f"expected at most {details['ctx']['max_length']} characters, found {len(found)}"
        return f"{path}: {ours}"
    if kind == "union_tag_invalid":
        key, tags = (re.findall("'([^']*)'", details["ctx"][name]) for name in ("discriminator", "expected_tags"))
        return f"{path}.{key[0]}: expected {_join_or(tags)}, found {_show(found[key[0]])}"
    quotes = "; put it in quotes" if kind == "string_type" and found is not None and not isinstance(found, list | dict) else ""
    expected = describe_type(place.annotation, place.marks)
    # text in place of keys may be a password with a blank missing before it
    secret = _SECRET.search(place.key) or expected.startswith(("keys", "a list"))
    return f"{path}: expected {expected}, found {name_kind(found) if secret else _show(found)}{quotes}"


def _locate(model: type[BaseModel], loc: Iterable[object]) -> _Place:
    """Follow pydantic's location through the types. A union's tag is a step of the location, but not of the YAML path."""
    place = _Place("", "", (), model)
    for part in loc:
        annotation = _strip(place.annotation)
        if fields := getattr(annotation, "model_fields", None):
            field = fields.get(part) or FieldInfo()
            path = f"{place.path}.{name_key(part)}".lstrip(".")
            place = _Place(path, str(part), tuple(fields), field.annotation, tuple(field.metadata))
        elif get_origin(annotation) is list:
            place = place._replace(path=f"{place.path}[{part}]", annotation=get_args(annotation)[0], marks=())
        else:
            place = place._replace(annotation=next((member for member in get_args(annotation) if _has_tag(member, part)), annotation))
    return place


def _strip(annotation: Any) -> Any:
    """The type without its annotations and without null."""
    if get_origin(annotation) is Annotated:
        return _strip(get_args(annotation)[0])
    members = [member for member in get_args(annotation) if member is not types.NoneType]
    return _strip(members[0]) if get_origin(annotation) in (Union, types.UnionType) and len(members) == 1 else annotation


def _has_tag(member: Any, tag: object) -> bool:
    fields = getattr(_strip(member), "model_fields", {}).values()
    return any(get_origin(field.annotation) is Literal and tag in get_args(field.annotation) for field in fields)


def describe_type(annotation: Any, marks: tuple[object, ...] = ()) -> str:
    """The values that a type accepts, in words."""
    if get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        return describe_type(annotation, (*marks, *more))
    marks = tuple(mark for outer in marks for mark in (outer.metadata if isinstance(outer, FieldInfo) else (outer,)))
    if words := next((mark.words for mark in marks if isinstance(mark, Expected)), None):
        return words
    if get_origin(annotation) in (Union, types.UnionType):
        return _join_or(dict.fromkeys(describe_type(member, marks) for member in get_args(annotation)))
    if get_origin(annotation) is Literal:
        return _join_or(map(str, get_args(annotation)))
    if annotation is types.NoneType:
        return "null"
    return _WORDS.get(get_origin(annotation) or annotation, "keys and values") + _describe_limits(marks)


def _describe_limits(marks: Iterable[object]) -> str:
    limits = {name: getattr(mark, name) for mark in marks for name in _LIMITS if hasattr(mark, name)}
    if limits.keys() >= {"ge", "le"}:
        return f" from {limits['ge']} to {limits['le']}"
    return " and".join(_LIMITS[name].format(limit) for name, limit in limits.items())


def _show(value: object) -> str:
    """A wrong value for a message: one line, short, without user and password of a URL."""
    if isinstance(value, int) and value.bit_length() > _MAX_ECHO_BITS:  # Python refuses to print the longest ones
        return "a number of very many digits"
    if isinstance(value, bool | int | float):
        return str(value).lower()[:_MAX_ECHO]
    return repr(re.sub(r"\S+", _hide_user, value)[:_MAX_ECHO]) if isinstance(value, str) else name_kind(value)


def _hide_user(word: re.Match[str]) -> str:
    before, at, after = word[0].rpartition("@")
    return f"...@{after}" if at else before + after


def name_kind(value: object) -> str:
    """The kind of a wrong value, without the value."""
    if value is None:
        return "nothing"
    if isinstance(value, list | dict):
        return ("a " if value else "an empty ") + ("list" if isinstance(value, list) else "mapping")
    return _WORDS.get(type(value), f"a {type(value).__name__}")


def name_key(key: object) -> str:
    """A key for a path, only the start of an odd one: `{password:abc}` is one key."""
    text = key if isinstance(key, str) else str(key).lower()
    return re.sub(r"(?s)[^\w-].*", "...", text)[:_MAX_ECHO]


def _join_or(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last
