"""Reading YAML: every message."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.config.yaml import load_yaml
from aegan_monitor.errors import ConfigError


def complaint(path: Path) -> str:
    """The message of `load_yaml`, without the folder."""
    with pytest.raises(ConfigError) as caught:
        load_yaml(path)
    return str(caught.value).replace(f"{path.parent}/", "")


def test_numbers_without_a_point_are_numbers(tmp_path: Path) -> None:
    """1e-4 is a number, although YAML 1.1 reads it as text."""
    (tmp_path / "x.yaml").write_text("a: 1e-4\nb: -2.5E3\nc: '1e-4'\nd: 1e-4x\n")
    assert load_yaml(tmp_path / "x.yaml") == {"a": 1e-4, "b": -2500.0, "c": "1e-4", "d": "1e-4x"}


def test_a_byte_order_mark_is_no_key(tmp_path: Path) -> None:
    """A byte order mark is ignored."""
    (tmp_path / "x.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert load_yaml(tmp_path / "x.yaml") == {"a": 1}


def test_merged_keys_are_not_said_twice(tmp_path: Path) -> None:
    """A mapping may override keys that it merges (`<<`) without a duplicate-key error."""
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
        (b"a: 2024-13-45\n", "not YAML: line 1, column 4: found a date or number that does not exist; put text in quotes"),
        (b"a: !!bool maybe\n", "not YAML: line 1, column 4: found a date or number that does not exist; put text in quotes"),
        (b"a: !!timestamp now\n", "not YAML: line 1, column 4: found a date or number that does not exist; put text in quotes"),
        (b"? [a]\n: 1\n", "not YAML: line 1, column 3: while constructing a mapping, found unhashable key"),
        (b"password: !Secret1\n", "not YAML: line 1, column 11: could not determine a constructor for the tag"),
        (b"password: *hunter2\n", "not YAML: line 1, column 11: found undefined alias"),
        (b'password: "hunter2\n', "not YAML: line 2, column 1: while scanning a quoted scalar, found unexpected end of stream"),
        (b"[" * 5000, "not YAML: nested too deeply"),
        pytest.param(b"a" * 1_000_001, "expected at most 1000000 bytes, found more; is it a configuration?", id="large"),
        (b"a: 1\na: 1\n", "line 2: duplicate key a (first in line 1); keep one"),
    ],
)
def test_a_file_that_is_no_mapping_is_one_line(tmp_path: Path, content: bytes, line: str) -> None:
    """A file that is no mapping gives one line with line and column, without its content."""
    (tmp_path / "x.yaml").write_bytes(content)
    assert complaint(tmp_path / "x.yaml") == f"x.yaml: {line}"


def test_every_duplicate_key_is_reported(tmp_path: Path) -> None:
    """Duplicate keys at any depth are reported in the order of lines."""
    (tmp_path / "x.yaml").write_text('a: 1\n"a": 2\nb: {c: 1,\n  c: 2}\nd: 4\na: 5\n')
    assert complaint(tmp_path / "x.yaml").split("\n") == [
        "x.yaml: line 2: duplicate key a (first in line 1); keep one",
        "x.yaml: line 4: duplicate key c (first in line 3); keep one",
        "x.yaml: line 6: duplicate key a (first in line 1); keep one",
    ]


def test_a_file_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    """A missing file and a folder give the reason."""
    assert complaint(tmp_path / "none.yaml") == "none.yaml: expected a file that can be read, found: No such file or directory"
    (tmp_path / "folder.yaml").mkdir()
    assert complaint(tmp_path / "folder.yaml") == "folder.yaml: expected a file that can be read, found: Is a directory"


@given(content=st.one_of(st.binary(max_size=40), st.text(alphabet="a1:-[]{}&*!|>'\"%@,?# \n\t.<", max_size=40).map(str.encode)))
def test_no_file_makes_anything_but_a_mapping_or_a_config_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Any bytes give a mapping or a ConfigError."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content)
    told = ""
    try:
        data = load_yaml(path)
    except ConfigError as error:
        data, told = {}, str(error)
    assert isinstance(data, dict)
    assert not told or told.startswith(f"{path}: ")
