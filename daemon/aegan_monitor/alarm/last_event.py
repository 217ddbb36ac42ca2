"""The last event of each machine, over restarts: a start of the daemon finds it in the journal, or later where the disk comes late."""

import json
import threading
from collections.abc import Iterable

from pydantic import AwareDatetime, BaseModel, NonNegativeInt, ValidationError


class LastEvent(BaseModel):
    """What a start of the daemon has to know of the last event of a machine; reads any version that says so much."""

    id: str
    sequence: NonNegativeInt
    kind: str
    time: AwareDatetime
    score_id: str = ""
    active: bool | None = None  # older ones do not say

    @property
    def left_active(self) -> bool:
        """An alarm was active after it."""
        return self.kind == "raised" if self.active is None else self.active

    @property
    def left_shelved(self) -> bool:
        """The alarm was shelved after it: while it is, nothing but the end of the shelf is an event."""
        return self.kind == "shelved"

    @property
    def left_open(self) -> bool:
        """It promises another event."""
        return self.left_active or self.left_shelved


def read_last_event(payload: bytes | None) -> LastEvent | None:
    """The last event, unless there was none or its payload says something else."""
    try:
        return None if payload is None else LastEvent.model_validate_json(payload)
    except ValidationError:
        return None


def merge_last_events(older: bytes, newer: bytes) -> bytes:
    """What the next start has to find after a run that learned of `older` only when it had told `newer`.

    It goes on from the larger number, and ends what is open: by the newer event, or if that leaves nothing open by the older one.
    """
    before, since = read_last_event(older), read_last_event(newer)
    if before is None or since is None:
        return newer
    chosen = older if before.left_open and not since.left_open else newer
    return json.dumps({**json.loads(chosen), "sequence": max(before.sequence, since.sequence)}).encode()


class LastEvents:
    """The last event that was put on each topic, delivered or not; any thread may call anything.

    What an earlier run left open comes to light with the journal, whenever that is; who takes it ends it, and is the only one to do so.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._payloads: dict[str, bytes] = {}
        self._untaken: dict[str, bytes] = {}  # those of an earlier run of which no machine of this one knows

    @property
    def untaken(self) -> list[str]:
        """Topics of an earlier run whose last event nobody has taken since it came to light."""
        with self._lock:
            return list(self._untaken)

    def take(self, topic: str) -> LastEvent | None:
        """The last event of a topic, of whichever run: its number goes on, and what it left open is the taker's to end."""
        with self._lock:
            self._untaken.pop(topic, None)
            return read_last_event(self._payloads.get(topic))

    def put(self, topic: str, payload: bytes) -> None:
        """A new one."""
        with self._lock:
            self._payloads[topic] = merge_last_events(self._untaken.get(topic, b""), payload)

    def restore(self, last: dict[str, bytes]) -> None:
        """What the journal holds of an earlier run."""
        with self._lock:
            self._untaken = dict(last)
            self._payloads = {**last, **{topic: merge_last_events(last.get(topic, b""), newer) for topic, newer in self._payloads.items()}}

    def payloads(self, topics: Iterable[str] | None = None) -> dict[str, bytes]:
        """What the next start has to find of these topics, or of all."""
        with self._lock:
            return {topic: self._payloads[topic] for topic in (self._payloads if topics is None else topics)}
