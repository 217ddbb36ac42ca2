"""The last event of a machine, as a start of the daemon finds it in the outbox, or later where the disk comes late."""

import json

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
