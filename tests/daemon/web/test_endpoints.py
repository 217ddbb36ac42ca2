"""What the endpoints give: state, history, files of a case, and their description."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import jsonschema
import pytest

from aegan_monitor.history.history import History
from aegan_monitor.history.store import HistoryStore
from aegan_monitor.messages.case import Case
from aegan_monitor.messages.payloads import Alarm, Event, Score
from aegan_monitor.web.app import ENDPOINTS
from message_tables import make_example
from page import HEALTH, Page

API, TIME = "/api/v1/", datetime(2026, 1, 31, 8, 15, tzinfo=UTC)
CASE = "5b0b5f4c-0a5e-4c0e-9a55-3f4c57d35f0e"
RAISED = Event.model_validate({**make_example(Event), "kind": "raised", "time": TIME, "case": Case(id=CASE, began_at=TIME)})
AHEAD = datetime.now(UTC) + timedelta(hours=20)  # when the clock was a day ahead
SOUND = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A running interface with a history of one case and its evidence."""
    folder = tmp_path_factory.mktemp("past")
    history = History(HistoryStore(folder / "history.sqlite", 100))
    history.start()
    history.take_message("pump", RAISED)
    history.take_message("fan", RAISED.model_copy(update={"time": AHEAD, "case": Case(id="ahead", began_at=AHEAD)}))
    history.take_message("pump", Score.model_validate({**make_example(Score), "time": TIME}))
    history.stop()
    case = folder / "evidence" / "pump" / CASE
    case.mkdir(parents=True)
    (case / "sound.flac").write_bytes(SOUND)
    (case / "case.json").write_text("{}")
    with Page({}, history=folder / "history.sqlite", evidence=folder / "evidence") as made:
        yield made


def test_the_state_of_each_machine(page: Page) -> None:
    """It is the newest message of each kind, with the health of this moment; null where there was none."""
    assert page.request(f"{API}machines/pump").json["alarm"] is None
    alarm, score = Alarm.model_validate(make_example(Alarm)), Score.model_validate(make_example(Score))
    page.server.take_message("pump", alarm)
    page.server.take_message("pump", score)
    found = page.request(f"{API}machines").json
    assert (found["node"], found["listens"]) == ("hall", True)
    (pump,) = found["machines"]
    assert pump == page.request(f"{API}machines/pump").json
    assert pump["alarm"] == json.loads(alarm.model_dump_json())
    assert pump["score"] == json.loads(score.model_dump_json())
    assert pump["health"] == json.loads(HEALTH.machines["pump"].model_dump_json())
    assert (pump["name"], pump["sensor"], pump["sample_rate_hz"]) == ("pump", None, 16_000)


def test_health_metrics_and_commissioning(page: Page) -> None:
    """They are what the daemon gives."""
    assert page.request(f"{API}health").json == json.loads(HEALTH.model_dump_json())
    metrics = page.request("/metrics")
    assert (metrics.body, metrics.headers["content-type"]) == (b"aegan_uptime_seconds 1.0\n", "text/plain; version=0.0.4; charset=utf-8")
    assert page.request(f"{API}machines/pump/commissioning").json == {"lines": ["a week is proved"]}


def test_the_history_by_machine_and_time(page: Page) -> None:
    """Series, events and cases of a period; the default is the last day."""
    period = "begin=2026-01-31T00:00:00Z&end=2026-02-01T00:00:00%2B00:00"
    series = page.request(f"{API}machines/pump/series?{period}&points=10").json
    assert (len(series["times"]), series["score_max"]) == (1, [make_example(Score)["score"]])
    events = page.request(f"{API}events?{period}&machine=pump").json["events"]
    assert [(each["machine"], each["source"], each["kind"]) for each in events] == [("pump", "alarm", "raised")]
    cases = page.request(f"{API}cases?{period}").json["cases"]
    assert [(each["id"], each["machine"], each["files"], each["seen"]) for each in cases] == [
        (CASE, "pump", ["sound.flac", "case.json"], False)
    ]
    assert page.request(f"{API}cases?machine=fan&{period}").json == {"cases": []}
    assert page.request(f"{API}events?machine=pump").json["events"] == []
    daemon = page.request(f"{API}events?machine=pump&with_daemon=true").json["events"]
    assert [(each["machine"], each["kind"]) for each in daemon] == [(None, "stop"), (None, "start")]
    assert page.request(f"{API}events?end=2026-01-02T00:00:00Z").json == {"events": []}


def test_a_clock_that_was_set_back_hides_nothing(page: Page) -> None:
    """What came before has a time that is still to come: it is among the newest, and an end leaves it out."""
    assert [each["id"] for each in page.request(f"{API}cases").json["cases"]] == ["ahead", CASE]
    assert "raised" in {each["kind"] for each in page.request(f"{API}events?machine=fan").json["events"]}
    end = datetime.now(UTC).isoformat()
    assert [each["id"] for each in page.request(f"{API}cases?end={end}").json["cases"]] == [CASE]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("events?begin=yesterday", "begin: "),
        ("events?begin=2026-01-31T00:00:00", "begin: "),  # which zone?
        ("events?begin=2026-01-31T00:00:00Z&end=2026-01-30T00:00:00Z", "begin: expected a time before end"),
        ("events?limit=100000", "limit: "),
        ("events?mchine=pump", "mchine: "),
        ("machines/pump/series?points=1e9", "points: "),
        ("machines/pump/series?points=0", "points: "),
        ("cases?unseen=perhaps", "unseen: "),
    ],
)
def test_a_wrong_query_names_its_parameter(page: Page, path: str, words: str) -> None:
    """In one line."""
    answer = page.request(API + path)
    assert answer.status == 400
    assert answer.json["error"].startswith(words)


def test_a_case_is_marked_and_says_by_whom(page: Page) -> None:
    """What is left out stays, and the history has an event of it."""
    path = f"{API}cases/{CASE}"
    found = page.request(path, "POST", body={"verdict": "true_fault", "comment": "the bearing", "by": "Anna"}).json
    assert (found["verdict"], found["comment"], found["marked_by"], found["seen"]) == ("true_fault", "the bearing", "Anna", True)
    assert page.request(path, "POST", body={"seen": False}).json["verdict"] == "true_fault"
    assert page.request(path).json["seen"] is False
    begin = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    marked = page.request(f"{API}events?begin={begin}").json["events"]  # with a + that is not encoded
    assert [each["by"] for each in marked if each["source"] == "case"] == ["the page", "Anna"]
    assert page.request(path, "POST", body={"verdict": "perhaps"}).status == 400
    assert page.request(f"{API}cases/none", "POST", body={"seen": True}).status == 404


@pytest.mark.parametrize(
    ("wanted", "status", "first", "last"),
    [
        (None, 200, 0, len(SOUND)),
        ("bytes=0-99", 206, 0, 100),
        ("bytes=100-", 206, 100, len(SOUND)),
        ("bytes=-10", 206, len(SOUND) - 10, len(SOUND)),
        ("bytes=0-999999999", 206, 0, len(SOUND)),
        ("bytes=999999999-", 416, 0, 0),
        ("bytes=0-1,2-3", 416, 0, 0),
        (f"bytes={','.join('0-' for _ in range(1000))}", 416, 0, 0),
        ("bytes=5-4", 416, 0, 0),
        ("lines=1-2", 416, 0, 0),
    ],
)
def test_a_file_is_served_in_one_part(page: Page, wanted: str | None, status: int, first: int, last: int) -> None:
    """Many parts, and parts that do not exist, are refused."""
    answer = page.request(f"{API}cases/{CASE}/sound.flac", headers={"Range": wanted} if wanted else {})
    assert answer.status == status or {answer.status, status} == {400, 416}  # versions of starlette differ there
    if status < 400:
        assert answer.body == SOUND[first:last]
        assert answer.headers["content-type"] == "audio/flac"
    else:
        assert SOUND[:100] not in answer.body


def test_privacy_hides_all_sound(page: Page) -> None:
    """Also sound from before it was set; pictures and words stay."""
    sources = page.sources
    settings = {"evidence": {"privacy": True}}
    with Page({}, config=settings, history=sources.history, evidence=sources.evidence) as private:
        assert private.request(f"{API}machines").json["listens"] is False
        assert private.request(f"{API}machines/pump/listen.wav").status == 404
        assert private.request(f"{API}cases/{CASE}").json["files"] == ["case.json"]
        assert private.request(f"{API}cases/{CASE}/sound.flac").status == 404


@pytest.mark.parametrize("name", ["normal.flac", "picture.png", "verdict", "..", "%2e%2e%2fcase.json", "sound.flac%00"])
def test_no_other_file_is_served(page: Page, name: str) -> None:
    """Neither one that is not there nor one that is not for viewers."""
    assert page.request(f"{API}cases/{CASE}/{name}").status == 404


class WatchedPath(type(Path())):  # type: ignore[misc] # the class of this system's paths
    """A path that notes the threads in which the disk is read or written; paths made from it do, too."""

    threads: ClassVar[set[str]] = set()

    def stat(self, **more: Any) -> Any:
        """See Path."""
        self.threads.add(threading.current_thread().name)
        return super().stat(**more)

    def open(self, *arguments: Any, **more: Any) -> Any:
        """See Path."""
        self.threads.add(threading.current_thread().name)
        return super().open(*arguments, **more)


def test_a_slow_disk_holds_up_no_other_viewer(page: Page) -> None:
    """Evidence is read and marked in threads of its own: the thread of all live streams never waits for the disk."""
    with Page({}, history=page.sources.history, evidence=WatchedPath(page.sources.evidence)) as watched:
        for path in ("cases?begin=2026-01-31T00:00:00Z&end=2026-02-01T00:00:00Z", f"cases/{CASE}", f"cases/{CASE}/sound.flac"):
            assert watched.request(API + path).status == 200
        assert watched.request(f"{API}cases/{CASE}", "POST", body={"verdict": "maintenance"}).status == 200
    assert WatchedPath.threads
    assert "web" not in WatchedPath.threads


def test_a_history_that_is_not_there_yet_is_a_passing_problem(tmp_path: Path) -> None:
    """The answer says so, and the rest goes on."""
    with Page({}, history=tmp_path / "none.sqlite") as page:
        answer = page.request(f"{API}cases")
        assert answer.status == 503
        assert answer.json["error"].startswith("the history cannot be read now: ")
        assert page.request(f"{API}health").status == 200


def test_the_description_fits_what_is_given(page: Page) -> None:
    """OpenAPI has every endpoint, and its schemas accept the answers."""
    found = page.request(f"{API}openapi.json").json
    assert {(path, method) for path, methods in found["paths"].items() for method in methods} == {
        (f"/{each.full_path}", each.method.lower()) for each in ENDPOINTS
    }
    for path in (
        "health",
        "machines",
        "machines/pump",
        "session",
        "cases",
        "events",
        "machines/pump/commissioning",
        "machines/pump/recording",
    ):
        name = f"/api/v1/{path.replace('pump', '{machine}')}"
        schema = found["paths"][name]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(page.request(API + path).json, {**schema, "components": found["components"]})
    command = found["paths"]["/api/v1/machines/{machine}/command"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    jsonschema.validate({"command": "acknowledge"}, {**command, "components": found["components"]})
