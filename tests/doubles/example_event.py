"""An event as an alarm tells it."""

from datetime import UTC, datetime

from aegan_monitor.messages.payloads import Event

TIME = datetime(2026, 1, 31, 8, 15, 0, 250_000, UTC)
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
