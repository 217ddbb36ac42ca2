"""A small monitor for the page: the HTTP interface over synthesised machines, each in another condition."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from aegan_monitor.messages.machine_health import MachineHealth
from aegan_monitor.messages.payloads import Health
from synthetic_plant import (
    CAUSE,
    COLUMN_S,
    FAULT,
    NAMES,
    PROVED,
    RATE_HZ,
    SCALE,
    Json,
    encode_flac,
    format_time,
    make_alarm,
    make_case,
    make_columns,
    make_picture,
    make_residual,
    make_score,
    make_sensor,
    make_sound,
)

if TYPE_CHECKING:
    import queue

    from aegan_monitor.messages.model import AlarmState

HOUR_S = 3600.0
MINUTE_COLUMNS = 1904
EARLIER = (  # cases of before: machine, hours ago, how long in seconds, more
    ("gearbox", 3.2, 410.0, {"severity": "high", "evidence": 1.0}),
    ("feed-pump", 26.5, 95.0, {"verdict": "true_fault", "seen": True, "comment": "Bearing changed.", "n_recurrences": 2}),
    ("compressor", 49.0, 61.0, {"verdict": "false_alarm", "seen": True, "cause": "no band stands out; the order of sounds is unusual"}),
    ("mill", 75.0, 1800.0, {"seen": True, "files": [], "explanation": None}),
)


class FakeMonitor:
    """State of the machines, and what is sent to the page."""

    def __init__(self) -> None:
        self.began_s = time.time()
        self.names, self.version = list(NAMES), "0.2.0"
        self.viewers: set[queue.Queue[bytes]] = set()
        self.commands: list[tuple[str, Json]] = []
        self.marks: list[tuple[str, Json]] = []
        self.wrong: set[str] = set()
        self.problems: Json = {}
        self.recordings: Json = {}
        self.demo_faults: dict[str, bool] = {}
        self.cases = [make_case(name, self.began_s - hours * HOUR_S, lasted, **more) for name, hours, lasted, more in EARLIER]
        self.alarms = {name: make_alarm(self.began_s - HOUR_S) for name in NAMES}
        self.sensors = {name: make_sensor(self.began_s - HOUR_S) for name in NAMES}
        self.scores = {name: make_score(name, self.began_s, is_wrong=False) for name in NAMES}
        self.token, self.person = "", ""
        self.role: str | None = "operator"
        self.deafen("cooling-fan", "missing", "no such device: usb:1-1.4; plug it in again")

    def deafen(self, machine: str, state: str, detail: str) -> None:
        """Take the microphone away; `ok` brings it back."""
        self.sensors[machine] = make_sensor(time.time(), state, detail)
        self.send("sensor", machine, self.sensors[machine])

    def raise_fault(self, machine: str, ago_s: float = 0.0) -> Json:
        """The machine sounds wrong: a case opens. It is returned."""
        case = make_case(machine, time.time() - ago_s, None)
        self.wrong.add(machine)
        self.cases.insert(0, case)
        self.alarms[machine] = make_alarm(time.time() - ago_s, case)
        self.send("alarm", machine, self.alarms[machine])
        self.send("event", machine, self.make_event("raised"))
        self.tick()
        return case

    def make_event(self, kind: str) -> Json:
        """An event of now."""
        is_raised = kind == "raised"
        return {
            "kind": kind,
            "time": format_time(time.time()),
            "cause": CAUSE if is_raised else "by Anna",
            "explanation": FAULT if is_raised else None,
        }

    def obey(self, machine: str, command: Json) -> Json:
        """Obey a command as the daemon does; the result."""
        self.commands.append((machine, command))
        alarm, name = self.alarms[machine], command["command"]
        reason = ""
        if name in ("acknowledge", "close") and not alarm["active"]:
            reason = "no alarm is active"
        elif name == "acknowledge":
            alarm |= {"acknowledged": True, "isa_state": "active_acknowledged"}
        elif name == "shelve":
            alarm |= {"active": False, "isa_state": "shelved", "shelved_until": format_time(time.time() + command["duration_s"])}
        elif name == "unshelve":
            alarm |= {"active": machine in self.wrong, "shelved_until": None}
        if not reason:
            self.send("alarm", machine, alarm)
            self.send("event", machine, self.make_event({"acknowledge": "acknowledged", "shelve": "shelved"}.get(name, "unshelved")))
        return {
            "schema": "aegan.result/1",
            "time": format_time(time.time()),
            "command": name,
            "id": None,
            "accepted": not reason,
            "reason": reason,
        }

    def mark(self, case_id: str, mark: Json) -> Json:
        """What a person says of a case."""
        self.marks.append((case_id, mark))
        case = next(each for each in self.cases if each["id"] == case_id)
        case |= mark
        return case

    def tick(self) -> None:
        """A decision for each machine that is heard."""
        for name in self.names:
            if self.sensors[name]["state"] == "ok":
                self.scores[name] = make_score(name, time.time(), is_wrong=name in self.wrong)
                self.send("score", name, self.scores[name])

    def send(self, kind: str, machine: str | None, payload: Json) -> None:
        """Send an event to all who look."""
        for viewer in list(self.viewers):
            viewer.put(make_event(kind, {"machine": machine, "payload": payload}))

    def show_machines(self) -> Json:
        """The answer with all machines."""
        healths = self.show_health()["machines"]
        kinds = {"alarm": self.alarms, "sensor": self.sensors, "score": self.scores, "health": healths}
        machines = [
            {
                "name": name,
                "sample_rate_hz": RATE_HZ,
                "demo_fault": self.demo_faults.get(name),
                **{kind: of[name] for kind, of in kinds.items()},
            }
            for name in self.names
        ]
        return {"node": "hall", "listens": True, "machines": machines}

    def show_health(self) -> Json:
        """The health message."""
        machines = {name: self._show_machine_health(name) for name in self.names}
        health = Health(
            time=datetime.now(UTC),
            version=self.version,
            uptime_s=time.time() - self.began_s + 5 * HOUR_S,
            provider="cpu",
            providers_requested=("cpu",),
            machines=machines,
            outbox_depth=0,
            outbox_dropped_total=0,
            rss_bytes=131_000_000,
        )
        shown: Json = health.model_dump(mode="json")
        return shown | self.problems

    def _show_machine_health(self, name: str) -> MachineHealth:
        state: AlarmState = self.alarms[name]["state"]
        is_deaf = self.sensors[name]["state"] != "ok"
        return MachineHealth(
            state=state,
            sensor=self.sensors[name]["state"],
            designed_per_week=1.0,
            proved_per_week=PROVED[name],
            coverage_percent=99.7,
            coverage_1h_percent=41.3 if is_deaf else 100.0,
            coverage_24h_percent=97.6 if is_deaf else 99.9,
            dropped_samples_total=0,
            gaps_total=2 if is_deaf else 0,
            rate_deviation_ppm=-18.4,
        )

    def show_series(self, machine: str, begin_s: float, end_s: float, points: int) -> Json:
        """Downsampled scores; those of a fault where there was a case."""
        step_s = max(1.0, (end_s - begin_s) / points)
        times_s = np.arange(begin_s, min(end_s, time.time()), step_s)
        is_wrong = np.zeros(len(times_s), bool)
        for case in (each for each in self.cases if each["machine"] == machine):
            ends_s = parse_time(case["ended_at"]) if case["ended_at"] else time.time()
            is_wrong |= (times_s >= parse_time(case["began_at"])) & (times_s <= ends_s)
        rows = [make_score(machine, float(at_s), is_wrong=bool(wrong)) for at_s, wrong in zip(times_s, is_wrong, strict=True)]
        score = [row["score"] for row in rows]
        more = {"evidence_max": [row["evidence"] for row in rows], "level_mean": [row["level_dbfs"] for row in rows]}
        return {"step_s": step_s, "times": times_s.tolist(), "score_mean": score, "score_max": [value + 0.12 for value in score], **more}

    def list_cases(self, machine: str | None, *, unseen: bool) -> Json:
        """The list of cases."""
        return {"cases": [each for each in self.cases if machine in (None, each["machine"]) and not (unseen and each["seen"])]}

    def list_events(self, machine: str | None) -> Json:
        """An event for each case."""
        rows = self.list_cases(machine, unseen=False)["cases"]
        kinds = {"source": "alarm", "kind": "raised", "by": ""}
        shown = [{"machine": each["machine"], "case_id": each["id"], "time": each["began_at"], "text": each["cause"]} for each in rows]
        return {"events": [{"number": -n, **row, **kinds} for n, row in enumerate(shown)]}

    def watch_spectrogram(self, machine: str) -> Iterator[bytes]:
        """Columns in real time, and the difference from normal sound; the first events have a minute of them."""
        rng = np.random.default_rng(3)
        yield make_event("scale", SCALE)
        wrong_s = time.time() - parse_time(self.alarms[machine]["since"]) if machine in self.wrong else 0.0
        n_wrong = min(MINUTE_COLUMNS, round(wrong_s / COLUMN_S) // 8 * 8)
        pieces = [(False, MINUTE_COLUMNS - n_wrong, n_wrong), (True, n_wrong, 0)]  # of the last minute: number, and how many come after
        while True:
            for is_wrong, n, n_after in pieces:
                fields = {"time": format_time(time.time() - n_after * COLUMN_S), "after_gap": False}
                yield make_event("columns", fields | {"columns": make_columns(is_wrong, n, rng)})
                yield make_event("residual", fields | {"columns": make_residual(is_wrong, n // 8, rng)})
            pieces = [(machine in self.wrong, 8, 0)]
            time.sleep(8 * COLUMN_S)

    @cached_property
    def files(self) -> dict[str, tuple[str, Callable[[], bytes]]]:
        """Type and maker of each file of a case."""
        return {
            "sound.flac": ("audio/flac", lambda: encode_flac(make_sound(is_wrong=True))),
            "sound_2.flac": ("audio/flac", lambda: encode_flac(make_sound(is_wrong=True, seconds=6.0))),
            "normal.flac": ("audio/flac", lambda: encode_flac(make_sound(is_wrong=False))),
            "picture.png": ("image/png", lambda: make_picture(make_sound(is_wrong=True, seconds=2.0))),
        }


def make_event(kind: str, data: Any) -> bytes:
    """One server-sent event."""
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def parse_time(text: str) -> float:
    """Seconds since 1970 of a time in UTC."""
    return float(np.datetime64(text.removesuffix("Z"), "ms").astype(np.int64)) / 1000
