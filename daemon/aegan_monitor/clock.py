"""Clocks: the wall clock stamps messages and decides nothing; the boot clock times a shelf."""

import time
from datetime import UTC, datetime

CLOCK_SET_FROM_S = datetime(2025, 1, 1, tzinfo=UTC).timestamp()  # a board without a battery starts in 1970


def elapsed_s(since_s: float, until_s: float) -> float:
    """Seconds between two stamps (in seconds since 1970) over a restart; 0 if the wall clock was wrong."""
    return until_s - since_s if CLOCK_SET_FROM_S <= since_s <= until_s else 0.0


def now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


def since_boot_s() -> float:
    """Seconds since boot: it cannot be set, and unlike the monotonic clock it counts suspended time."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
