"""The clock by which a shelf ends: nobody sets it, and it counts what the computer sleeps.

Who reads `shelved_until: 15:00` expects an alarm from three o'clock on. The monotonic clock stands while the computer is
suspended, so by it a shelf would end later than it says; by the wall clock it would end whenever somebody sets that.
"""

import time


def since_boot_s() -> float:
    """Seconds since the computer was started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
