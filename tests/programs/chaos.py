"""How much chaos a run of the tests makes: one number scales kills, mutants, fuzzed commands, hours of soak and unplugs.

`make test` and CI make a tenth (`AEGAN_CHAOS=0.1`, the default), `make test-full` makes all (`AEGAN_CHAOS=1`).
"""

import math
import os

SCALE = float(os.environ.get("AEGAN_CHAOS", "0.1"))
IS_FULL = SCALE >= 1.0  # only then is every rare case among what was tried


def scaled(n: int, at_least: int = 1) -> int:
    """The share of `n` that this run makes, rounded up."""
    return max(at_least, math.ceil(n * SCALE))
