"""Reloads: a new configuration replaces what differs and keeps everything else running."""

import gc
import shutil
import weakref
from pathlib import Path
from typing import Any

import pytest

from aegan_monitor.audio.source import Capture
from aegan_monitor.config.model import MachineConfig, MonitorConfig, load_config
from aegan_monitor.detection.bundle import demo_bundle, load_bundle, write_record
from aegan_monitor.errors import BundleError, CaptureError, ConfigError
from aegan_monitor.inference.prepared import Finding, Prepared
from aegan_monitor.service.build import Setup, build, find_fixed
from fakes import ScriptedCapture


def make_silent_capture(_: MachineConfig, sample_rate_hz: int) -> Capture:
    """A capture that opens no device."""
    return ScriptedCapture([], sample_rate_hz)


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    """A folder with two copies of the demo bundle, `a` and `b`."""
    for name in ("a", "b"):
        shutil.copytree(demo_bundle(), tmp_path / name)
    return tmp_path


def configure(folder: Path, machines: str, more: str = "") -> MonitorConfig:
    """A configuration of these machines, as read from a file."""
    path = folder / "monitor.yaml"
    path.write_text(f"node: box\n{more}\nmachines: {machines}\n")
    return load_config(path)


PUMP, FAN = "{name: pump, bundle: a}", "{name: fan, bundle: b}"


def start(folder: Path, more: str = "", machines: str = f"[{PUMP}, {FAN}]") -> Setup:
    """The setup before the reload."""
    return build(configure(folder, machines, more), make_silent_capture)


def reload(before: Setup, config: MonitorConfig) -> Setup:
    """The setup after the reload."""
    return build(config, make_silent_capture, before)


def test_what_prepare_has_found_since_is_used(bundles: Path) -> None:
    """A reload opens new sessions where `aegan-monitor prepare` has written its file, and keeps them where it has not."""
    own = "outbox: {path: outbox.sqlite}"
    before = start(bundles, own)
    assert reload(before, configure(bundles, f"[{PUMP}, {FAN}]", own)).sessions is before.sessions
    bundle = load_bundle(bundles / "a")
    Prepared(bundles).remember(bundle, bundle.record.score, 1, [Finding("cpu", "fp32")])
    after = reload(before, configure(bundles, f"[{PUMP}, {FAN}]", own))
    assert after.sessions is not before.sessions
    assert after.lines[0].session is not before.lines[0].session


def test_nothing_has_changed(bundles: Path) -> None:
    """A reload of an unchanged configuration keeps every line and the connection."""
    before = start(bundles)
    after = reload(before, configure(bundles, f"[{PUMP}, {FAN}]", "log_level: debug\nhealth_interval_s: 5"))
    assert [line is was for line, was in zip(after.lines, before.lines, strict=True)] == [True, True]
    assert after.has_broker_of(before)
    assert after.describe_changes(before) == "pump runs on, fan runs on"


def test_a_capture_that_failed_begins_anew(bundles: Path) -> None:
    """A reload restarts a capture that has failed, for instance on a missing recording, and keeps a healthy one."""
    before = start(bundles)
    before.lines[1].supervisor.error = CaptureError("fan.wav: no such file")
    after = reload(before, before.config)
    assert after.describe_changes(before) == "pump runs on, fan replaced"
    assert after.lines[1].supervisor.error is None


@pytest.mark.parametrize(
    ("machines", "reported"),
    [
        ("[{name: pump, bundle: a}, {name: fan, bundle: b, no_data_s: 7}]", "pump runs on, fan replaced"),
        ("[{name: pump, bundle: a}, {name: fan, bundle: b, alarm: {on_delay_s: 1}}]", "pump runs on, fan replaced"),
        ("[{name: pump, bundle: a}, {name: fan, bundle: a}]", "pump runs on, fan replaced"),
        ("[{name: yard, bundle: b}, {name: pump, bundle: a}]", "yard added, pump runs on, fan removed"),
        ("[{name: pump, bundle: a}]", "pump runs on, fan removed"),
        ("[{name: pump, bundle: a}, {name: fan, bundle: b}, {name: hall, bundle: b}]", "pump runs on, fan runs on, hall added"),
    ],
)
def test_what_differs_is_replaced(bundles: Path, machines: str, reported: str) -> None:
    """Changed lines are replaced, the others are the same objects, and the order is that of the new configuration."""
    before = start(bundles)
    after = reload(before, configure(bundles, machines))
    assert after.describe_changes(before) == reported
    assert [line.machine.name for line in after.lines] == [machine.name for machine in after.config.machines]


def test_a_bundle_with_other_content_at_the_same_place(bundles: Path) -> None:
    """Changed content of a bundle replaces its machine although the configuration is the same."""
    before = start(bundles)
    record = load_bundle(bundles / "b").record
    calibration = {place: each.model_copy(update={"margin": 1.5}) for place, each in record.calibration.items()}
    write_record(bundles / "b", record.model_copy(update={"calibration": calibration}))
    after = reload(before, configure(bundles, f"[{PUMP}, {FAN}]"))
    assert after.describe_changes(before) == "pump runs on, fan replaced"
    assert after.lines[1].bundle.record.calibration["recorded"].margin == 1.5


def test_the_same_content_written_anew(bundles: Path) -> None:
    """Rewriting a bundle with the same content is no change."""
    before = start(bundles)
    shutil.rmtree(bundles / "b")
    shutil.copytree(demo_bundle(), bundles / "b")
    assert reload(before, configure(bundles, f"[{PUMP}, {FAN}]")).describe_changes(before) == "pump runs on, fan runs on"


def test_other_inference_is_for_all(bundles: Path) -> None:
    """Other inference settings replace all sessions."""
    before = start(bundles)
    after = reload(before, configure(bundles, f"[{PUMP}, {FAN}]", "inference: {n_threads: 2}"))
    assert after.describe_changes(before) == "pump replaced, fan replaced"
    assert not {id(line.session) for line in before.lines} & {id(line.session) for line in after.lines}


def test_equal_bundles_share_a_session_that_goes_with_its_last_machine(bundles: Path) -> None:
    """Machines with equal bundles share one session, which is freed with the last of them, over reloads too."""
    before = start(bundles)
    session = weakref.ref(before.lines[0].session)
    assert before.lines[1].session is session()
    after = reload(before, configure(bundles, "[{name: pump, bundle: a, no_data_s: 7}, {name: fan, bundle: b, no_data_s: 7}]"))
    assert after.lines[0].session is session()
    after = reload(after, configure(bundles, f"[{PUMP}]", "inference: {n_threads: 2}"))
    del before
    gc.collect()
    assert session() is None


@pytest.mark.parametrize(
    ("more", "key", "was", "wanted"),
    [
        ("mqtt: {base_topic: plant}", "mqtt.base_topic", "aegan", "plant"),
        ("mqtt: {keepalive_s: 5}", "mqtt.keepalive_s", 30, 5),
        ("outbox: {max_mb: 5}", "outbox.max_mb", 10.0, 5.0),
        ("outbox: {max_age_h: 1}", "outbox.max_age_h", 168.0, 1.0),
        ("outbox: {path: /o}", "outbox.path", None, "/o"),
    ],
)
def test_what_only_a_restart_can_change_is_refused(bundles: Path, more: str, key: str, was: object, wanted: object) -> None:
    """A reload that changes a restart-only key is refused with one line."""
    before = start(bundles)
    with pytest.raises(ConfigError) as error:
        reload(before, configure(bundles, f"[{PUMP}]", more))
    assert str(error.value) == f"{key}: is {was} and cannot become {wanted} by a reload; restart the daemon, or change it back"


def test_another_node_is_refused(bundles: Path) -> None:
    """A reload that changes the node name is refused, because every topic would change."""
    config = start(bundles).config
    assert list(find_fixed(config, config.model_copy(update={"node": "hall"}))) == [
        "node: is box and cannot become hall by a reload; restart the daemon, or change it back"
    ]


def test_a_bundle_that_is_not_there_is_refused(bundles: Path) -> None:
    """A reload is refused when any bundle is missing, even that of a running machine."""
    before = start(bundles)
    shutil.rmtree(bundles / "b")
    with pytest.raises(BundleError, match=r"b: no such bundle folder"):
        reload(before, configure(bundles, f"[{PUMP}, {FAN}]"))


@pytest.mark.parametrize("mqtt", [{"port": 1884}, {"client_id": "other"}, {"retry_s": 5}, {"protocol": "3.1.1"}])
def test_another_broker_is_another_connection(bundles: Path, mqtt: dict[str, Any]) -> None:
    """Any change of the broker settings makes a new connection and keeps the lines."""
    before = start(bundles)
    fields = ", ".join(f"{key}: {value}" for key, value in mqtt.items())
    after = reload(before, configure(bundles, f"[{PUMP}, {FAN}]", f"mqtt: {{{fields}}}"))
    assert not after.has_broker_of(before)
    assert after.describe_changes(before) == "pump runs on, fan runs on, another connection to the broker"


def test_another_password_in_the_same_file(bundles: Path) -> None:
    """A changed password file makes a new connection."""
    more = "mqtt: {username: box, password_file: password}"
    (bundles / "password").write_text("old")
    before = start(bundles, more)
    (bundles / "password").write_text("new")
    assert not reload(before, configure(bundles, f"[{PUMP}, {FAN}]", more)).has_broker_of(before)


def test_home_assistant_needs_no_restart(bundles: Path) -> None:
    """Switching Home Assistant on or off makes a new connection, because its birth topic is a subscription."""
    before = start(bundles)
    after = reload(before, configure(bundles, f"[{PUMP}, {FAN}]", "home_assistant: {discovery: false}"))
    assert not after.has_broker_of(before)
    assert reload(after, configure(bundles, f"[{PUMP}, {FAN}]", "home_assistant: {discovery: false}")).has_broker_of(after)


def test_the_demo_is_no_bundle_for_a_microphone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Every start warns about the demo bundle on a microphone, but not on a recording of the demo pump."""
    reported = "pump: its bundle is the demo's, which knows a synthesised pump alone: its alarms mean nothing here"
    capture = "{kind: file, paths: [pump.wav]}"
    start(tmp_path, machines=f"[{{name: pump, bundle: {demo_bundle()}, capture: {capture}}}]")
    assert reported not in caplog.messages
    start(tmp_path, machines=f"[{{name: pump, bundle: {demo_bundle()}}}]")
    assert reported in caplog.messages
