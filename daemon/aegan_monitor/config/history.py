"""Configuration of the history."""

from pydantic import Field

from aegan_monitor.config.validation import ConfigPath, Settings


class HistoryConfig(Settings):
    """Where cases, events and scores of the past are kept."""

    path: ConfigPath | None = Field(
        default=None, description="SQLite file; null is history-<node>.sqlite beside the outbox's file. One file belongs to one daemon."
    )
    keep_days: int = Field(
        default=1826,
        ge=0,
        le=36_525,
        description="Days for which scores by the hour are kept; those by the minute stay for 31 days, those by the second for a day. "
        "0: there is no history.",
    )
