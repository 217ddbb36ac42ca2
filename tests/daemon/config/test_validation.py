"""Validation of data by a model: every message."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from aegan_monitor.config.validation import ConfigPath, Expected, Settings, validate
from aegan_monitor.errors import ConfigError


class Inner(Settings):
    """A section."""

    share: float = Field(0.5, gt=0, lt=1)
    colour: Annotated[str, Field(pattern="^[a-z]+$"), Expected("a colour in small letters")] | None = None


class Outer(Settings):
    """A model with every kind of key of our configuration."""

    count: int = Field(1, ge=1)
    at_most: float = Field(1.0, le=2)
    mixed: int | bool = 0
    word: str = "a"
    short: str = Field("a", max_length=5)
    flag: bool = False
    place: ConfigPath | None = None
    choice: Literal["fast", "slow"] = "fast"
    api_token: str | None = Field(None, min_length=8)
    sections: list[Inner] = Field([])
    optional_section: Inner | None = None


def problems(data: object, **more: object) -> list[str]:
    """The messages of `validate` about `data`, one line each; empty for valid data."""
    try:
        validate(Outer, data, "x.yaml", **more)  # type: ignore[arg-type]
    except ConfigError as error:
        return str(error).split("\n")
    return []


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("count", "abc", "count: expected a whole number of 1 or more, found 'abc'"),
        ("count", "3", "count: expected a whole number of 1 or more, found '3'"),
        ("count", 1.0, "count: expected a whole number of 1 or more, found 1.0"),
        ("count", True, "count: expected a whole number of 1 or more, found true"),
        ("count", None, "count: expected a whole number of 1 or more, found nothing"),
        ("count", [1], "count: expected a whole number of 1 or more, found a list"),
        pytest.param("count", -(10**5000), "count: expected a whole number of 1 or more, found a number of very many digits", id="digits"),
        ("at_most", float("nan"), "at_most: expected a number up to 2, found nan"),
        ("mixed", "x", "mixed: expected a whole number or true or false, found 'x'"),
        ("word", 7, "word: expected text, found 7; put it in quotes"),
        ("word", None, "word: expected text, found nothing"),
        ("flag", 1, "flag: expected true or false, found 1"),
        ("place", 3, "place: expected a path or null, found 3"),
        ("place", " ", "place: expected a path, found text that names no file"),
        ("place", "a\0b", "place: expected a path, found text that names no file"),
        ("place", "a" * 1001, "place: expected a path of at most 1000 characters, found 1001"),
        ("short", "abcdef", "short: expected at most 5 characters, found 6"),
        ("choice", "fsat", "choice: expected fast or slow, found 'fsat'"),
        ("sections", "a", "sections: expected a list, found text"),
        ("sections", [{}, {"share": 1.0}], "sections[1].share: expected a number over 0 and under 1, found 1.0"),
        ("sections", [None], "sections[0]: expected keys and values, found nothing"),
        ("optional_section", {"colour": "Red"}, "optional_section.colour: expected a colour in small letters or null, found 'Red'"),
        ("optional_section", {"colr": "red"}, "optional_section.colr: unknown key; did you mean colour?"),
        ("optional_section", {"xyz": "red"}, "optional_section.xyz: unknown key; known here: share, colour"),
    ],
)
def test_each_problem_is_reported_in_plain_words(key: str, value: object, line: str) -> None:
    """A message has path, expected and found value, without pydantic's wording."""
    assert problems({key: value}) == [f"x.yaml: {line}"]


def test_all_problems_are_reported_at_once() -> None:
    """Problems of the model come in its order, then those of the caller, each once."""
    data = {"cuont": 1, "flag": "yes", "sections": [{"share": 0}], "word": {}}
    assert problems(data, also=["word: is taken", "word: is taken"]) == [
        "x.yaml: word: expected text, found an empty mapping",
        "x.yaml: flag: expected true or false, found 'yes'",
        "x.yaml: sections[0].share: expected a number over 0 and under 1, found 0",
        "x.yaml: cuont: unknown key; did you mean count?",
        "x.yaml: word: is taken",
    ]


def test_what_the_caller_has_found_is_enough_to_refuse() -> None:
    """Problems of the caller refuse data that the model accepts."""
    assert problems({}, also=["word: is taken"]) == ["x.yaml: word: is taken"]


def test_keys_that_are_no_text_are_unknown() -> None:
    """Keys that YAML reads as booleans or numbers are unknown keys."""
    known = "known here: count, at_most, mixed, word, short, flag, place, choice, api_token, sections, optional_section"
    assert problems({True: 1, 4: 2}) == [f"x.yaml: true: unknown key; {known}", f"x.yaml: 4: unknown key; {known}"]


def test_refused_keys_have_their_own_reason() -> None:
    """A refused key gives its reason in every section."""
    refused = {"rate": "somebody else's; remove the key"}
    assert problems({"rate": 1, "sections": [{"rate": 1}]}, refused=refused) == [
        "x.yaml: sections[0].rate: somebody else's; remove the key",
        "x.yaml: rate: somebody else's; remove the key",
    ]


@pytest.mark.parametrize("data", [{"api_token": 12345}, {"api_token": "12345"}, {"api_tokn": "12345"}, {"sections": "password:12345"}])
def test_no_message_repeats_a_secret(data: object) -> None:
    """A secret in any place appears in no message and no chained exception."""
    with pytest.raises(ConfigError) as caught:
        validate(Outer, data, "x.yaml")
    assert "12345" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_values_and_keys_are_repeated_short_and_on_one_line() -> None:
    """Long values are shortened to one line, without user names and passwords of URLs."""
    (line,) = problems({"choice": "a\nb" + 100 * "c"})
    assert line == "x.yaml: choice: expected fast or slow, found " + repr("a\nb" + 57 * "c")
    assert problems({"choice": "at" * 100_000 + "@host"}) == ["x.yaml: choice: expected fast or slow, found '...@host'"]
    assert problems({"choice": "a@b@c at d@e"}) == ["x.yaml: choice: expected fast or slow, found '...@c at ...@e'"]
    assert problems({"choice": "mqtt://me:secret@host"}) == ["x.yaml: choice: expected fast or slow, found '...@host'"]
    (line,) = problems({"password:abc\n": None})
    assert line.startswith("x.yaml: password...: unknown key;")


def test_relative_paths_begin_in_the_folder() -> None:
    """A relative path begins in the folder, and an absolute path is unchanged."""
    assert validate(Outer, {"place": "a/b"}, "x", folder=Path("/etc")).place == Path("/etc/a/b")
    assert validate(Outer, {"place": "/a/b"}, "x", folder=Path("/etc")).place == Path("/a/b")
    assert validate(Outer, {"place": "a/b"}, "x").place == Path("a/b")


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.sampled_from(sorted(Outer.model_fields)), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(data=st.dictionaries(st.sampled_from(sorted(Outer.model_fields)), _VALUES))
def test_no_data_makes_anything_but_a_model_or_our_own_words(data: object) -> None:
    """Any data gives a model or our messages, one line a problem."""
    for line in problems(data):
        assert line.startswith("x.yaml: ")
        assert "Input should" not in line
        assert "pydantic" not in line
