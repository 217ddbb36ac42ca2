"""Topics and payloads: exact bytes, valid JSON, valid by the schemas."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from aegan_monitor.messages.command_payloads import Command, Result
from aegan_monitor.messages.machine_health import MachineHealth
from aegan_monitor.messages.model import Payload, format_time
from aegan_monitor.messages.payloads import PAYLOADS, Alarm, Event, Health, Score, Sensor
from aegan_monitor.messages.topics import QOS_AND_RETAINED, Message, Topics
from message_tables import UNMODELLED
from schemas import schema_texts

TIME = datetime(2026, 1, 31, 8, 15, 0, 250_000, UTC)
TOPICS = Topics("aegan", "hall")
SCORE = Score(
    time=TIME,
    sample=160_000,
    stream_s=10.0,
    score_id="G_z_2_sum",
    score=1.5,
    normalised=0.25,
    threshold=2.0,
    exceeded=False,
    level_dbfs=-31.5,
    lasting_share=0.85,
    state="normal",
)
ALARM = Alarm(state="clearing", active=True, since=TIME, score=1.5, threshold=2.0, event_id=None)
SENSOR = Sensor(state="missing", detail="no such device", since=TIME)
MACHINE = MachineHealth(state="normal", sensor="ok", coverage_percent=99.5, dropped_samples_total=0, gaps_total=0)
HEALTH = Health(
    time=TIME,
    version="0.2.0",
    uptime_s=3.5,
    provider="cpu",
    providers_requested=("cuda", "cpu"),
    machines={"pump": MACHINE},
    outbox_depth=0,
    outbox_dropped_total=0,
    rss_bytes=90_000_000,
)
EVENT = Event(
    id="5b0b5f4c-0a5e-4c0e-9a55-3f4c57d35f0e",
    sequence=3,
    kind="cleared",
    active=False,
    time=TIME,
    sample=160_000,
    cause="the score is back below its threshold",
    score_id="G_z_2_sum",
    score=1.5,
    threshold=2.0,
    duration_s=12.5,
)
COMMAND = Command(command="shelve", id="42", duration_s=60.0, by="Anna", reason="the bearing is ordered")
RESULT = Result(time=TIME, command="shelve", id="42", accepted=False, reason="late")
EXAMPLES: list[Payload] = [HEALTH, SCORE, ALARM, EVENT, SENSOR, COMMAND, RESULT]
FLOATS = [(example, name) for example in EXAMPLES for name, value in example if isinstance(value, float)]


def named(value: object) -> str:
    """The id of a test case."""
    return type(value).__name__ if isinstance(value, Payload) else str(value)


def fields(payload: Payload) -> dict[str, Any]:
    """The arguments that a payload was made of."""
    return {name: value for name, value in payload if name != "schema_"}


def test_a_score_is_these_bytes_on_this_topic() -> None:
    """The bytes of a score are exact: order, names, number format and time."""
    assert TOPICS.message(SCORE, "pump") == Message(
        topic="aegan/hall/pump/score",
        payload=(
            b'{"schema":"aegan.score/1","time":"2026-01-31T08:15:00.250Z","sample":160000,"stream_s":10.0,"score_id":"G_z_2_sum",'
            b'"score":1.5,"normalised":0.25,"threshold":2.0,"exceeded":false,"level_dbfs":-31.5,"lasting_share":0.85,'
            b'"evidence":null,"state":"normal"}'
        ),
        qos=0,
        retained=False,
        kind="score",
    )


@pytest.mark.parametrize(
    ("payload", "machine", "topic", "qos", "retained"),
    [
        (HEALTH, None, "aegan/hall/health", 0, True),
        (SCORE, "pump", "aegan/hall/pump/score", 0, False),
        (ALARM, "pump", "aegan/hall/pump/alarm", 1, True),
        (EVENT, "pump", "aegan/hall/pump/event", 1, False),
        (SENSOR, "pump", "aegan/hall/pump/sensor", 1, True),
        (COMMAND, "pump", "aegan/hall/pump/command", 1, False),
        (RESULT, "pump", "aegan/hall/pump/result", 1, False),
    ],
    ids=named,
)
def test_each_kind_has_its_topic_and_delivery(payload: Payload, machine: str | None, topic: str, qos: int, retained: bool) -> None:
    """Topic, QoS and retain flag of every JSON message."""
    message = TOPICS.message(payload, machine)
    assert (message.topic, message.qos, message.retained, message.kind) == (topic, qos, retained, payload.KIND)


def test_status_is_plain_text_and_retained() -> None:
    """The status is readable without a JSON parser."""
    assert TOPICS.status(online=True) == Message("aegan/hall/status", b"online", 1, True, "status")
    assert TOPICS.status(online=False) == Message("aegan/hall/status", b"offline", 1, True, "status")


def test_every_json_kind_has_one_payload() -> None:
    """Kinds, payloads, what has no model, and examples do not drift apart."""
    assert sorted([*(payload.KIND for payload in PAYLOADS), *UNMODELLED]) == sorted(QOS_AND_RETAINED)
    assert [type(example) for example in EXAMPLES] == list(PAYLOADS)


@pytest.mark.parametrize("payload", EXAMPLES, ids=named)
def test_schema_comes_first_and_the_payload_keeps_it(payload: Payload, repository: Path) -> None:
    """Each payload names its schema in its first field, and obeys the one in docs/schemas."""
    parsed = json.loads(TOPICS.message(payload, "pump").payload)
    assert next(iter(parsed.items())) == ("schema", f"aegan.{payload.KIND}/1")
    schema = json.loads((repository / "docs" / "schemas" / f"{payload.KIND}.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(parsed)
    assert set(schema["required"]) == (set(parsed) - payload.LATER if payload.OURS else {"command"})
    assert not Draft202012Validator(schema).is_valid({**parsed, "more": 1})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(("payload", "name"), FLOATS, ids=named)
def test_a_number_that_json_lacks_is_refused(payload: Payload, name: str, value: float) -> None:
    """No NaN and no infinity gets into a payload, whichever the field."""
    with pytest.raises(ValidationError, match="finite number"):
        type(payload).model_validate({**fields(payload), name: value})


def test_a_field_that_the_schema_lacks_is_refused() -> None:
    """A misspelt field is an error here, not a surprise there."""
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Score.model_validate({**fields(SCORE), "treshold": 1.0})


def test_payloads_are_frozen() -> None:
    """A payload cannot change between its making and its sending."""
    with pytest.raises(ValidationError, match="Instance is frozen"):
        SCORE.score = 2.0


def test_times_are_written_in_utc() -> None:
    """A time of another zone is converted; one without a zone is refused."""
    assert format_time(datetime(2026, 1, 31, 9, 15, 0, 999_999, timezone(timedelta(hours=1)))) == "2026-01-31T08:15:00.999Z"
    with pytest.raises(ValidationError, match="timezone"):
        Sensor(state="ok", detail="", since=datetime(2026, 1, 31))  # noqa: DTZ001


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(number=FINITE, sample=st.integers(0, 2**53), time=st.datetimes(timezones=st.just(UTC)), text=st.text())
def test_any_score_obeys_its_schema(number: float, sample: int, time: datetime, text: str) -> None:
    """Extreme numbers, times and names give valid JSON that parses back to the same values."""
    changes = {"score": number, "threshold": number, "level_dbfs": number, "sample": sample, "time": time, "score_id": text}
    message = TOPICS.message(Score.model_validate({**fields(SCORE), **changes}), "pump")
    parsed = json.loads(message.payload)
    Draft202012Validator(json.loads(schema_texts()["score.json"])).validate(parsed)
    assert (parsed["score"], parsed["sample"], parsed["score_id"]) == (number, sample, text)
