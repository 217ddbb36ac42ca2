"""What people do with machines from the page: commands, recordings, the fault of the demo; and the support bundle."""

import io
import json
import logging
import zipfile
from pathlib import Path

from aegan_monitor.messages.command_payloads import Command
from aegan_monitor.messages.recording import RecordingState, find_clips, write_state
from page import OPERATOR, READER, Page, write_tokens

API = "/api/v1/"


def test_how_far_a_recording_is(tmp_path: Path) -> None:
    """Where no folder is named, none is known; one that cannot be read is one line that says so."""
    with Page({}) as page:
        assert page.request(f"{API}machines/pump/recording").json["state"] == "none"
    folder = find_clips(tmp_path, "pump")
    folder.mkdir(parents=True)
    write_state(folder, RecordingState(hours=1.5))
    with Page({"recordings": tmp_path}) as known:
        found = known.request(f"{API}machines/pump/recording").json
        assert (found["state"], found["hours"]) == ("ended", 1.5)
        (folder / ".recording.json").unlink()
        (folder / ".recording.json").mkdir()
        refused = known.request(f"{API}machines/pump/recording")
        assert (refused.status, "make it readable for the daemon" in refused.json["error"]) == (503, True)


def test_a_command_that_the_queue_refuses_is_429() -> None:
    """Too many of them are refused at once, with the reason."""
    with Page({}, submit=lambda *_: "more than 10 at once") as page:
        answer = page.request(f"{API}machines/pump/command", "POST", body={"command": "acknowledge"})
        assert (answer.status, answer.json) == (429, {"error": "more than 10 at once"})


def test_two_commands_with_one_id_get_their_own_results() -> None:
    """Each goes under an id of ours, and comes back with that of the sender."""
    with Page({}) as page:
        sent = [{"command": name, "id": "7"} for name in ("acknowledge", "close")]
        found = [page.request(f"{API}machines/pump/command", "POST", body=each).json for each in sent]
        assert [(each["command"], each["id"]) for each in found] == [("acknowledge", "7"), ("close", "7")]
        assert len({command.id for _, command in page.commands}) == 2
        page.server.take_message("pump", found_result(page))  # a result without a waiting request


def found_result(page: Page) -> Command:
    """Any message with an id."""
    return page.commands[0][1]


def test_the_support_bundle_has_no_secret() -> None:
    """It has what one needs from afar: configuration, health, bundles, versions, metrics, log."""
    with Page({}) as page:
        logging.getLogger("aegan_monitor").warning("the pump sounds wrong")
        answer = page.request(f"{API}support_bundle")
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"].startswith('attachment; filename="aegan-hall-')
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        names = ["bundles.json", "configuration.json", "health.json", "log.txt", "metrics.txt", "versions.json"]
        assert sorted(archive.namelist()) == names
        assert json.loads(archive.read("configuration.json"))["node"] == "hall"
        assert "WARNING the pump sounds wrong" in archive.read("log.txt").decode()


def test_a_fault_is_switched_in_the_demo_alone(tmp_path: Path) -> None:
    """The state of a machine says whether its fault is on; only an operator changes it, and only for a machine of the demo."""
    with Page({}) as page:
        assert page.request(f"{API}machines/pump").json["demo_fault"] is None
        assert page.request(f"{API}demo/fault", "POST", body={"machine": "pump", "faulty": True}).status == 405  # nothing takes it
    faults = {"pump": False}
    with Page(write_tokens(tmp_path), demo_faults=faults) as demo:
        operator, reader = ({"Authorization": f"Bearer {token}"} for token in (OPERATOR, READER))
        assert demo.request(f"{API}machines/pump", headers=reader).json["demo_fault"] is False
        wanted = {"machine": "pump", "faulty": True}
        assert demo.request(f"{API}demo/fault", "POST", reader, wanted).status == 403
        assert faults == {"pump": False}
        assert demo.request(f"{API}demo/fault", "POST", operator, wanted).json == wanted
        assert demo.request(f"{API}machines/pump", headers=reader).json["demo_fault"] is True
        assert demo.request(f"{API}demo/fault", "POST", operator, {"machine": "fan", "faulty": True}).status == 404
        assert demo.request(f"{API}demo/fault", "POST", operator, {"machine": "pump", "faulty": 1}).status == 400
        assert faults == {"pump": True}
