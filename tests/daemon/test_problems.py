"""Reading YAML and settling it into a model: every message, word for word."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from aegan_monitor.errors import ConfigError
from aegan_monitor.problems import ConfigPath, Expected, Settings, load_yaml, validate


class Inner(Settings):
    """A section."""

    share: float = Field(0.5, gt=0, lt=1)
    colour: Annotated[str, Field(pattern="^[a-z]+$"), Expected("a colour in small letters")] | None = None


class Outer(Settings):
    """Every kind of key that a configuration of ours has."""

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
    """What `validate` says of `data`, a line each; empty when it is settled."""
    try:
        validate(Outer, data, "x.yaml", **more)  # type: ignore[arg-type]
    except ConfigError as error:
        return str(error).split("\n")
    return []


def complaint(path: Path) -> str:
    """What `load_yaml` says, without the folder."""
    with pytest.raises(ConfigError) as caught:
        load_yaml(path)
    return str(caught.value).replace(f"{path.parent}/", "")


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
def test_each_problem_is_told_in_plain_words(key: str, value: object, line: str) -> None:
    """Path, expected, found: never the validator's own wording."""
    assert problems({key: value}) == [f"x.yaml: {line}"]


def test_all_problems_are_told_at_once() -> None:
    """Those of the model in its order, then those that the caller has found; each once."""
    data = {"cuont": 1, "flag": "yes", "sections": [{"share": 0}], "word": {}}
    assert problems(data, also=["word: is taken", "word: is taken"]) == [
        "x.yaml: word: expected text, found an empty mapping",
        "x.yaml: flag: expected true or false, found 'yes'",
        "x.yaml: sections[0].share: expected a number over 0 and under 1, found 0",
        "x.yaml: cuont: unknown key; did you mean count?",
        "x.yaml: word: is taken",
    ]


def test_what_the_caller_has_found_is_enough_to_refuse() -> None:
    """A model that settles does not hide the caller's own problems."""
    assert problems({}, also=["word: is taken"]) == ["x.yaml: word: is taken"]


def test_keys_that_are_no_text_are_unknown() -> None:
    """YAML reads a bare `on` as true and a bare number as a number."""
    known = "known here: count, at_most, mixed, word, short, flag, place, choice, api_token, sections, optional_section"
    assert problems({True: 1, 4: 2}) == [f"x.yaml: true: unknown key; {known}", f"x.yaml: 4: unknown key; {known}"]


def test_refused_keys_have_their_own_reason() -> None:
    """A refused key is told why, wherever it stands."""
    refused = {"rate": "somebody else's; remove the key"}
    assert problems({"rate": 1, "sections": [{"rate": 1}]}, refused=refused) == [
        "x.yaml: sections[0].rate: somebody else's; remove the key",
        "x.yaml: rate: somebody else's; remove the key",
    ]


@pytest.mark.parametrize("data", [{"api_token": 12345}, {"api_token": "12345"}, {"api_tokn": "12345"}, {"sections": "password:12345"}])
def test_no_message_repeats_a_secret(data: object) -> None:
    """Wherever a secret may have got to, it stays out of the message, and out of the error's chain."""
    with pytest.raises(ConfigError) as caught:
        validate(Outer, data, "x.yaml")
    assert "12345" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_values_and_keys_are_repeated_short_and_on_one_line() -> None:
    """A message stays one line whatever a value holds, and leaves out who logs in where."""
    (line,) = problems({"choice": "a\nb" + 100 * "c"})
    assert line == "x.yaml: choice: expected fast or slow, found " + repr("a\nb" + 57 * "c")
    assert problems({"choice": "at" * 100_000 + "@host"}) == ["x.yaml: choice: expected fast or slow, found '...@host'"]
    assert problems({"choice": "a@b@c at d@e"}) == ["x.yaml: choice: expected fast or slow, found '...@c at ...@e'"]
    assert problems({"choice": "mqtt://me:secret@host"}) == ["x.yaml: choice: expected fast or slow, found '...@host'"]
    (line,) = problems({"password:abc\n": None})
    assert line.startswith("x.yaml: password...: unknown key;")


def test_relative_paths_begin_in_the_folder() -> None:
    """An absolute path stays as it is."""
    assert validate(Outer, {"place": "a/b"}, "x", folder=Path("/etc")).place == Path("/etc/a/b")
    assert validate(Outer, {"place": "/a/b"}, "x", folder=Path("/etc")).place == Path("/a/b")
    assert validate(Outer, {"place": "a/b"}, "x").place == Path("a/b")


def test_numbers_without_a_point_are_numbers(tmp_path: Path) -> None:
    """YAML 1.1 reads 1e-4 as text; here it is the number that everybody means."""
    (tmp_path / "x.yaml").write_text("a: 1e-4\nb: -2.5E3\nc: '1e-4'\nd: 1e-4x\n")
    assert load_yaml(tmp_path / "x.yaml") == {"a": 1e-4, "b": -2500.0, "c": "1e-4", "d": "1e-4x"}


def test_a_byte_order_mark_is_no_key(tmp_path: Path) -> None:
    """Some editors begin a file with one."""
    (tmp_path / "x.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert load_yaml(tmp_path / "x.yaml") == {"a": 1}


def test_merged_keys_are_not_said_twice(tmp_path: Path) -> None:
    """A mapping may override what it merges (`<<`)."""
    (tmp_path / "x.yaml").write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\nc: {d: {<<: *a, y: 4}}\n")
    assert load_yaml(tmp_path / "x.yaml") == {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 2}, "c": {"d": {"x": 1, "y": 4}}}


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "expected keys and values at the top, found nothing"),
        (b"# only this\n", "expected keys and values at the top, found nothing"),
        (b"password:abc\n", "expected keys and values at the top, found text"),
        (b"- 1\n", "expected keys and values at the top, found a list"),
        (b"a: \xff\n", "expected UTF-8 text, found byte 0xff at 3"),
        (
            b"a: 1\n\tb: 2\n",
            "not YAML: line 2, column 1: while scanning for the next token, found character '\\t' that cannot start any token",
        ),
        (b"a: [1, 2\n", "not YAML: line 2, column 1: while parsing a flow sequence, expected ',' or ']', but got '<stream end>'"),
        (b"a: 1\n---\nb: 1\n", "not YAML: line 2, column 1: expected a single document in the stream, but found another document"),
        (b"a: 1\nb: x\x01\n", "not YAML: line 2, column 5: found a control character (0x01)"),
        (b"a: 2024-13-45\n", "not YAML: line 1, column 4: found a date or number that does not exist; text goes in quotes"),
        (b"a: !!bool maybe\n", "not YAML: line 1, column 4: found a date or number that does not exist; text goes in quotes"),
        (b"a: !!timestamp now\n", "not YAML: line 1, column 4: found a date or number that does not exist; text goes in quotes"),
        (b"? [a]\n: 1\n", "not YAML: line 1, column 3: while constructing a mapping, found unhashable key"),
        (b"password: !Secret1\n", "not YAML: line 1, column 11: could not determine a constructor for the tag"),
        (b"password: *hunter2\n", "not YAML: line 1, column 11: found undefined alias"),
        (b'password: "hunter2\n', "not YAML: line 2, column 1: while scanning a quoted scalar, found unexpected end of stream"),
        (b"[" * 5000, "not YAML: nested too deeply"),
        pytest.param(b"a" * 1_000_001, "expected at most 1000000 bytes, found more; is it a configuration?", id="large"),
        (b"a: 1\na: 1\n", "line 2: key a stands twice (first in line 1); keep one"),
    ],
)
def test_a_file_that_is_no_mapping_is_one_line(tmp_path: Path, content: bytes, line: str) -> None:
    """With line and column where there are any, and never with the text that stands there."""
    (tmp_path / "x.yaml").write_bytes(content)
    assert complaint(tmp_path / "x.yaml") == f"x.yaml: {line}"


def test_every_key_that_stands_twice_is_told(tmp_path: Path) -> None:
    """At any depth, in the order of lines."""
    (tmp_path / "x.yaml").write_text('a: 1\n"a": 2\nb: {c: 1,\n  c: 2}\nd: 4\na: 5\n')
    assert complaint(tmp_path / "x.yaml").split("\n") == [
        "x.yaml: line 2: key a stands twice (first in line 1); keep one",
        "x.yaml: line 4: key c stands twice (first in line 3); keep one",
        "x.yaml: line 6: key a stands twice (first in line 1); keep one",
    ]


def test_a_file_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    """Missing, or a folder."""
    assert complaint(tmp_path / "none.yaml") == "none.yaml: expected a file that can be read, found: No such file or directory"
    (tmp_path / "folder.yaml").mkdir()
    assert complaint(tmp_path / "folder.yaml") == "folder.yaml: expected a file that can be read, found: Is a directory"


@given(content=st.one_of(st.binary(max_size=40), st.text(alphabet="a1:-[]{}&*!|>'\"%@,?# \n\t.<", max_size=40).map(str.encode)))
def test_no_file_makes_anything_but_a_mapping_or_a_config_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever bytes a file holds, it is read or refused."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content)
    told = ""
    try:
        data = load_yaml(path)
    except ConfigError as error:
        data, told = {}, str(error)
    assert isinstance(data, dict)
    assert not told or told.startswith(f"{path}: ")


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.sampled_from(sorted(Outer.model_fields)), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(data=st.dictionaries(st.sampled_from(sorted(Outer.model_fields)), _VALUES))
def test_no_data_makes_anything_but_a_model_or_our_own_words(data: object) -> None:
    """Every value of every kind in every place: one line a problem, none of them the validator's."""
    for line in problems(data):
        assert line.startswith("x.yaml: ")
        assert "Input should" not in line
        assert "pydantic" not in line
