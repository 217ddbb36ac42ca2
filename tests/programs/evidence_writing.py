"""Recordings for the tests of evidence; as a program, a process that writes evidence and is killed, again and again.

    evidence_writing.py FOLDER N_KILLS MAX_MB

A child writes cases. The program kills it, and looks at the folder as a page does; then the next child begins as the daemon does.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from itertools import count
from pathlib import Path

import numpy as np
import soundfile

from aegan_monitor.config.evidence import EvidenceConfig
from aegan_monitor.detection.bundle import Bundle, demo_bundle, load_bundle
from aegan_monitor.evidence.case_writer import CaseWriter
from aegan_monitor.evidence.folder import EvidenceFolder, WritableFolder
from aegan_monitor.evidence.recent_sound import Pcm, Stretch
from aegan_monitor.evidence.recorder import Recording
from aegan_monitor.evidence.room import MB, Room
from aegan_monitor.messages.case import Case
from aegan_monitor.messages.explanation import EXAMPLE, Explanation
from aegan_monitor.messages.payloads import Event, EventKind, Score

RATE_HZ = 16_000
TIME = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)


@cache
def bundle() -> Bundle:
    """The demo's."""
    return load_bundle(demo_bundle())


def make_noise(seconds: float, seed: int = 0) -> Pcm:
    """Faint noise."""
    return np.random.default_rng(seed).normal(0, 300, round(seconds * RATE_HZ)).astype(np.int16)


def make_event(kind: EventKind = "raised", case_id: str = "case-1", *, event_id: str = "", sample: int = 0, **more: object) -> Event:
    """An event of a case; its id is that of the case if none is given. It ends the alarm if it is `cleared`."""
    fields = {
        "id": event_id or case_id,
        "sequence": 1,
        "kind": kind,
        "active": kind == "raised",
        "time": TIME + timedelta(seconds=sample / RATE_HZ),
        "sample": sample,
        "cause": "4.47 to 4.90 kHz louder than ever",
        "explanation": Explanation.model_validate(EXAMPLE),
        "score_id": "D_maha",
        "score": 2.5,
        "threshold": 2.0,
        "duration_s": 5.0 if kind == "cleared" else None,
        "case": Case(id=case_id, began_at=TIME),
    }
    return Event.model_validate(fields | more)


def make_score(sample: int, score: float = 1.0, **more: object) -> Score:
    """The score of a normal clip."""
    fields = {
        "time": TIME + timedelta(seconds=sample / RATE_HZ),
        "sample": sample,
        "stream_s": sample / RATE_HZ,
        "score_id": "D_maha",
        "score": score,
        "normalised": score,
        "threshold": 2.0,
        "exceeded": False,
        "level_dbfs": -30.0,
        "state": "normal",
    }
    return Score.model_validate(fields | more)


def make_recording(case_id: str = "case-1", *, machine: str = "pump", seconds: float = 2.0, event_id: str = "") -> Recording:
    """A whole recording of an alarm in the middle of noise."""
    pcm = make_noise(seconds, seed=len(case_id))
    return Recording(machine, bundle(), make_event("raised", case_id, event_id=event_id), Stretch(pcm), len(pcm) // 2, (), is_whole=True)


def check_whole(folder: EvidenceFolder) -> int:
    """Whether every file that is shown can be read to its end; how many cases there are."""
    cases = folder.cases()
    for case in cases:
        assert folder.read(case.machine, case.case_id), case
        for name in folder.files(case.machine, case.case_id):
            with folder.open(case.machine, case.case_id, name) as file:
                content = file.read()
            if name.endswith(".flac"):
                sound, _ = soundfile.read(BytesIO(content))
                assert len(sound) == 2 * RATE_HZ, name
            if name.endswith(".png"):
                assert (content[:4], content[-8:-4]) == (b"\x89PNG", b"IEND"), name
    return len(cases)


def write_cases(path: Path, max_mb: float, generation: int) -> Iterator[str]:
    """Begin as the daemon does, and write cases without end, each twice; what was written."""
    folder = WritableFolder(path)
    folder.prepare()
    room = Room(folder, EvidenceConfig(max_mb=max_mb, min_free_mb=0), set)
    writer = CaseWriter(folder, room, privacy=False)
    for number in count():
        for _ in range(2):
            writer.write_recording(make_recording(f"case-{generation}-{number}"))
            yield f"case-{generation}-{number}"


def main(path: Path, n_kills: int, max_mb: float) -> None:
    """Kill `n_kills` children, each at another moment."""
    next(write_cases(path, max_mb, n_kills))  # before the forks: it reads the bundle, and loads what draws
    began_s = time.monotonic()
    next(write_cases(path, max_mb, n_kills + 1))
    once_s = time.monotonic() - began_s
    writable, rng = WritableFolder(path), random.Random(1)
    most_cases = n_torn = n_shown = 0
    for generation in range(n_kills):
        given, taken = os.pipe()
        child = os.fork()
        if child == 0:
            for _ in write_cases(path, max_mb, generation):
                os.write(taken, b"!")
        if generation % 2:
            os.read(given, 1)  # every other child has a whole case, however slow the machine is
        time.sleep(rng.uniform(0.0, once_s))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(given)
        os.close(taken)
        most_cases = max(most_cases, check_whole(EvidenceFolder(path)))
        n_shown += any(case.case_id.startswith(f"case-{generation}-") for case in writable.cases())
        n_torn += bool(list(path.rglob(".*.tmp"))) or len(list(path.glob("pump/*/"))) > len(writable.cases())
        assert writable.measure_bytes() <= max_mb * MB, "the quota"
    writable.prepare()
    assert not list(path.rglob("*.tmp")), "half-written files"
    print(f"{n_kills} kills, {n_torn} left something half-written, {n_shown} a whole case of their own, at most {most_cases} cases")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
