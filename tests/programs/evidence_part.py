"""A writer of evidence with sound and messages as the worker sends them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from aegan_monitor.config.evidence import EvidenceConfig
from aegan_monitor.evidence.folder import SOUNDS, WritableFolder
from aegan_monitor.evidence.writer import EvidenceWriter
from aegan_monitor.messages.payloads import Alarm
from aegan_monitor.types import Run
from evidence_writing import RATE_HZ, TIME, bundle, make_event, make_noise

NOISE = make_noise(100.0)
SOUND = NOISE.astype(np.float32) / np.float32(32768)


@contextmanager
def writing(
    path: Path,
    folder: WritableFolder | None = None,
    publish_picture: Callable[[str, bytes], object] | None = None,
    *,
    waiting_s: float = 400.0,
    **config: Any,
) -> Iterator[EvidenceWriter]:
    """A writer that runs; sound of `waiting_s` may wait for its disk."""
    writer = EvidenceWriter(
        folder or WritableFolder(path), EvidenceConfig(**{"min_free_mb": 0.0} | config), lambda name: bundle() if name != "gone" else None,
        publish_picture=publish_picture, retry_s=0.01, most_waiting_bytes=round(waiting_s * RATE_HZ * 2),
    )  # fmt: skip
    writer.start()
    try:
        yield writer
    finally:
        writer.stop()


def hear(writer: EvidenceWriter, start_s: float, stop_s: float, machine: str = "pump") -> None:
    """Send sound in runs of half a second."""
    for start in range(round(start_s * RATE_HZ), round(stop_s * RATE_HZ), RATE_HZ // 2):
        writer.take_sound(machine, Run(SOUND[start : start + RATE_HZ // 2], start), TIME)


def make_alarm(case_id: str | None) -> Alarm:
    """The state after an event."""
    case = make_event(case_id=case_id).case if case_id else None
    rest: dict[str, Any] = {"since": TIME, "score": 1.0, "threshold": 1.0, "event_id": None, "case": case}
    return Alarm(state="alarm" if case else "normal", active=case is not None, **rest)


def raise_alarm(writer: EvidenceWriter, case_id: str, at_s: float, machine: str = "pump", event_id: str = "") -> None:
    """An alarm at the end of what was heard."""
    writer.take_message(machine, make_event("raised", case_id, event_id=event_id, sample=round(at_s * RATE_HZ)))
    writer.take_message(machine, make_alarm(case_id))


def clear(writer: EvidenceWriter, case_id: str, at_s: float, machine: str = "pump", **more: object) -> None:
    """Its end."""
    writer.take_message(machine, make_event("cleared", case_id, event_id="end", sample=round(at_s * RATE_HZ), **more))
    writer.take_message(machine, make_alarm(None))


def read_sound(folder: WritableFolder, case_id: str, name: str = SOUNDS[0]) -> np.ndarray:
    """The samples of a file, as 16-bit numbers."""
    with folder.open("pump", case_id, name) as file:
        samples, rate_hz = soundfile.read(BytesIO(file.read()), dtype="int16")
    assert rate_hz == RATE_HZ
    return np.asarray(samples)
