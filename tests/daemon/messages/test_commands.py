"""Commands as untrusted bytes: accepted or refused by their schema."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from aegan_monitor.messages.command_payloads import Command
from aegan_monitor.messages.commands import Refusal, TokenBucket, make_result, parse
from aegan_monitor.messages.topics import Topics
from published import find_fault
from schemas import schema_texts

MAX_BYTES = 4096
TIME = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)
SCHEMA = Draft202012Validator(json.loads(schema_texts()["command.json"]))


def test_a_button_needs_one_word() -> None:
    """A command needs one word; everything else has a default."""
    assert parse(b'{"command": "acknowledge"}', MAX_BYTES) == Command(command="acknowledge")
    assert parse(b'{"command": "shelve", "duration_s": 60, "id": null}', MAX_BYTES) == Command(command="shelve", duration_s=60)


@pytest.mark.parametrize(
    ("payload", "refusal"),
    [
        (b"x" * 4097, Refusal("larger than 4096 bytes")),
        (b"\xff\xfe", Refusal("no JSON: expected value at line 1 column 1")),
        (b'{"command":"acknowledge","by":"\xff"}', Refusal("no JSON: invalid unicode code point at line 1 column 32")),
        (b'{"command":"acknowledge","by":"\\ud800"}', Refusal("no JSON: unexpected end of hex escape at line 1 column 38")),
        (b"acknowledge", Refusal("no JSON: expected value at line 1 column 1")),
        (b"[" * 4000, Refusal("no JSON: recursion limit exceeded at line 1 column 202")),
        (b'["acknowledge"]', Refusal("expected a JSON object")),
        (b'{"id":"7"}', Refusal("command: field required", None, "7")),
        (
            b'{"id":"7","command":"explode"}',
            Refusal("command: input should be 'acknowledge', 'shelve', 'unshelve', 'out_of_service', 'in_service' or 'close'", None, "7"),
        ),
        (b'{"id":7,"command":"shelve"}', Refusal("id: input should be a valid string", "shelve")),
        (b'{"command":"shelve","for":"ever"}', Refusal("for: extra inputs are not permitted", "shelve")),
        (b'{"command":"shelve","duration_s":true}', Refusal("duration_s: input should be a valid number", "shelve")),
        (b'{"command":"shelve","duration_s":"60"}', Refusal("duration_s: input should be a valid number", "shelve")),
        (b'{"command":"shelve","duration_s":1e999}', Refusal("duration_s: input should be a finite number", "shelve")),
        (b'{"command":"shelve","duration_s":604801}', Refusal("duration_s: input should be less than or equal to 604800", "shelve")),
        (b'{"command":"shelve","duration_s":0.5}', Refusal("duration_s: input should be greater than or equal to 1", "shelve")),
        (b'{"command":"unshelve","duration_s":60}', Refusal("duration_s belongs to shelve alone", "unshelve")),
        (b'{"command":"shelve","event_id":"x"}', Refusal("event_id belongs to acknowledge and close", "shelve")),
        (b'{"command":"in_service","verdict":"other"}', Refusal("verdict belongs to acknowledge and close", "in_service")),
        (
            b'{"command":"close","verdict":"broken"}',
            Refusal("verdict: input should be 'true_fault', 'false_alarm', 'maintenance' or 'other'", "close"),
        ),
        (b'{"command":"acknowledge","event_id":7}', Refusal("event_id: input should be a valid string", "acknowledge")),
        (b'{"command":"shelve","schema":"aegan.command/2"}', Refusal("schema: input should be 'aegan.command/1'", "shelve")),
    ],
)
def test_what_is_wrong_is_said(payload: bytes, refusal: Refusal) -> None:
    """A refusal is one line, with the id where that can be read."""
    assert parse(payload, MAX_BYTES) == refusal


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)
NEARLY = st.fixed_dictionaries(
    {"command": st.sampled_from(["acknowledge", "close", "shelve", "out_of_service", "explode"]) | JSON_VALUES},
    optional={
        "id": st.text(max_size=70) | JSON_VALUES,
        "duration_s": st.floats() | st.integers() | JSON_VALUES,
        "event_id": st.text(max_size=70) | JSON_VALUES,
        "by": st.text(max_size=70) | JSON_VALUES,
        "reason": st.text(max_size=210),
        "verdict": st.sampled_from(["true_fault", "other", "explode"]) | JSON_VALUES,
        "schema": st.sampled_from(["aegan.command/1", "aegan.command/2"]),
        "more": JSON_VALUES,
    },
)
PAYLOADS = st.binary(max_size=300) | (JSON_VALUES | NEARLY).map(lambda value: json.dumps(value).encode())


def is_right(payload: bytes) -> bool:
    """Whether the published schema and its limits accept a command, by another parser and validator."""
    try:
        fields = json.loads(payload)
    except (ValueError, RecursionError):
        return False
    owners = {"duration_s": ("shelve",), "event_id": ("acknowledge", "close"), "verdict": ("acknowledge", "close")}
    return SCHEMA.is_valid(fields) and all(fields.get(name) is None or fields["command"] in owner for name, owner in owners.items())


@given(PAYLOADS)
@example(b'{"command":"shelve","duration_s":' + b"9" * 4000 + b"}")
@example(b'{"a":' * 500 + b"1" + b"}" * 500)
@example(b"\xef\xbb\xbf{}")
def test_anything_is_obeyed_or_refused_by_the_schema(payload: bytes) -> None:
    """Any bytes are accepted or refused as the schema says, and the answer obeys its own schema."""
    found = parse(payload, MAX_BYTES)
    assert isinstance(found, Command) == (len(payload) <= MAX_BYTES and is_right(payload))
    message = Topics("aegan", "hall").message(make_result(found, "", TIME), "pump")
    assert find_fault(message.topic, message.payload.decode()) is None
    assert json.loads(message.payload)["accepted"] == isinstance(found, Command)


def test_what_was_refused_before_keeps_its_reason() -> None:
    """An earlier refusal keeps its reason."""
    assert make_result(Refusal("late", "shelve", "7"), "the monitor is stopping", TIME).reason == "late"
    assert make_result(Command(command="shelve"), "the monitor is stopping", TIME).reason == "the monitor is stopping"


def test_a_bucket_lets_a_burst_through_and_then_so_many_a_second() -> None:
    """A token bucket passes a burst, then a fixed rate, and refills up to its size."""
    now_s = [0.0]
    bucket = TokenBucket(3, 2, lambda: now_s[0])
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    now_s[0] = 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]
    now_s[0] = 100.0
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
