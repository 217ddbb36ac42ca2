"""Clocks: the wall clock stamps what people read, and decides nothing; the boot clock times a shelf."""

import time
from datetime import UTC, datetime

CLOCK_SET_FROM_S = datetime(2025, 1, 1, tzinfo=UTC).timestamp()  # a board without a battery begins in 1970 and tells no age


def elapsed_s(since_s: float, until_s: float) -> float:
    """Seconds from one stamp (in seconds since 1970) to another, over a restart; 0 where the clock cannot have been right.

    Within a run the monotonic clock and the sample count tell durations; from one run to the next there are only stamps.
    """
    return until_s - since_s if CLOCK_SET_FROM_S <= since_s <= until_s else 0.0


def now() -> datetime:
    """What people read, in UTC."""
    return datetime.now(UTC)


def since_boot_s() -> float:
    """Seconds since the computer was started, suspended time included; nobody can set it.

    A shelf ends by this clock: the monotonic clock stands while the computer is suspended, and the wall clock can be set.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)
