"""What a recording is good for: words on how much sound there is and how loud it is."""

import math
import statistics
from collections.abc import Sequence

from aegan_monitor.audio.level import LARGE_DC, LOUDEST_DBFS, QUIETEST_DBFS, Level

ENOUGH_S = 3600.0  # of each load
EVERY_STATE = "record each load, and the machine switched off: a load that was not recorded is an alarm later, a stop is a sensor fault"


def describe_amount(duration_s: float) -> str:
    """What `duration_s` of normal sound can prove, in one line."""
    if duration_s >= ENOUGH_S:
        return f"{duration_s / 3600:.1f} h of normal sound; an hour or more of each load is advised"
    return (
        f"{duration_s / 60:.0f} min of normal sound: a trial, which cannot prove that other normal sound raises no alarm; "
        "an hour or more of each load is advised"
    )


def describe_level(clips: Sequence[Level]) -> str:
    """The level of some clips with a verdict and its remedy, in one line."""
    typical_dbfs = statistics.median(clip.rms_dbfs for clip in clips)
    n_clipped = sum(clip.n_clipped > 0 for clip in clips)
    offset = max((clip.dc for clip in clips), key=abs)
    faults = []
    if n_clipped:
        faults.append(f"{n_clipped} of {len(clips)} clips are clipped: lower the gain, or move the microphone away")
    if typical_dbfs < QUIETEST_DBFS:
        faults.append("too quiet: move the microphone closer, or raise the gain")
    elif typical_dbfs > LOUDEST_DBFS and not n_clipped:
        faults.append("too loud for a fault to be louder: lower the gain")
    if abs(offset) >= LARGE_DC:
        offset_dbfs = 20 * math.log10(abs(offset))
        faults.append(f"a DC offset of {offset_dbfs:.0f} dBFS takes room from the sound: use another input or sound card")
    verdict = "; ".join(faults) or "good"
    return f"level {typical_dbfs:.0f} dBFS ({QUIETEST_DBFS:.0f} to {LOUDEST_DBFS:.0f} is good): {verdict}"
