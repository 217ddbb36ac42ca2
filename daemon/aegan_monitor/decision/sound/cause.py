"""The cause of an alarm: what changed in the sound, how it goes on, and since when; as fields, and as a sentence from a table."""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

import numpy as np

from aegan_monitor.decision.sound.changed_bands import Change, NormalBands
from aegan_monitor.decision.sound.regions import Region, describe_band, describe_side, describe_size
from aegan_monitor.decision.sound.states import OperatingState
from aegan_monitor.detection.fusion import standardise
from aegan_monitor.detection.record import BundleFields
from aegan_monitor.detection.reference import ReferenceSet
from aegan_monitor.detection.spaces import find_lasting_share
from aegan_monitor.detection.views import PIECE_FRAMES
from aegan_monitor.types import ClipScore, DoubleArray, FloatArray

Kind: TypeAlias = Literal["transient", "rhythm", "lasting"]

N_KEPT = 600  # decisions (10 minutes): 0.5 KB each
N_RECENT = 60  # decisions in which short sounds are counted
LASTS, PASSES = 0.5, 0.15  # lasting shares: from the first on it lasts, whatever its rhythm; below the second it was short
LEAST_RHYTHM = 0.35  # autocorrelation; normal sound stays under 0.31
SHORTEST_PERIOD = 3  # pieces (0.19 s)
LOUDEST_PART = 0.95  # quantile at which the pieces are cut off, so that one loud piece does not outweigh a rhythm
LEAST_BURSTS = 3
PAUSE_PIECES = 16  # 1 s, which separates two short sounds
UNKNOWN_STATE = "runs in a state that was never recorded"
REST_USUAL = "all else is as usual"
NORMAL_AGAIN = "the sound is normal again"
KINDS: dict[Kind, str] = {"transient": "a short sound", "rhythm": "comes again and again", "lasting": "lasting"}
UNLIKE = {  # by id of a score, or by its first letter
    "C_moments": "the order of sounds within two seconds is unusual (a beat missing, late, weak or double)",
    "C_flux": "the sound changes from moment to moment more or less than usual",
    "C_linear_spread_density": "the sound swells and fades more or less than usual",
    "C_mel_spread_density": "the sound swells and fades more or less than usual",
    "C_linear_peak_density": "its loudest moments are unlike those of normal sound",
    "C_linear_peak_maha": "its loudest moments are unlike those of normal sound",
    "C": "the spectrum as a whole is unlike that of normal sound",
    "D": "the network finds the sound unlike normal sound",
    "G": "the network cannot reproduce the sound as it does normal sound",
    "F": "the sound is unlike normal sound",
}


@dataclass(frozen=True, slots=True)
class Cause:
    """What changed in the sound.

    Attributes:
        changes: The bands that stand out, the farthest from normal sound first; empty if none does.
        kind: How it goes on; None if the bundle does not know.
        since: When it began, by the wall clock.
        unlike: The score that is most unlike normal sound among those that decide.
        in_unknown_state: The sound is in none of the calibrated operating states.
        rest_is_usual: The bands of `changes` are louder, and all others are as in the nearest normal clips.
    """

    changes: tuple[Change, ...]
    kind: Kind | None
    since: datetime | None
    unlike: str
    in_unknown_state: bool = False
    rest_is_usual: bool = False


def describe_cause(cause: Cause | None) -> str:
    """A cause in one sentence; None is the end of an alarm by decisions."""
    if cause is None:
        return NORMAL_AGAIN
    found = [describe_change(change) for change in cause.changes]
    if not found:
        found = ["no band stands out", UNLIKE.get(cause.unlike) or UNLIKE[cause.unlike[0]]]
    if cause.in_unknown_state:
        found.insert(0, UNKNOWN_STATE)
    if cause.rest_is_usual:
        found.append(REST_USUAL)
    if cause.kind:
        found.append(KINDS[cause.kind])
    if cause.since:
        found.append(f"since {cause.since.astimezone(UTC):%H:%M} UTC")
    return "; ".join(found)


def describe_change(change: Change) -> str:
    """One range of frequencies in words."""
    side = describe_side(change.difference_db, "ever" if change.is_unheard else "usual")
    band = describe_band(change.from_hz, change.to_hz)
    return f"{band} {side}, by {abs(change.difference_db):.0f} dB, {describe_size(change.deviations)}"


class SoundHistory:
    """The last clips of one stream, from which the cause of an alarm is made. Its memory is bounded: N_KEPT clips."""

    def __init__(self, fields: BundleFields, score: str, reference: ReferenceSet | None = None) -> None:
        """Store; `score` decides. Without `reference`, or with a bundle without `usual_bands`, no bands are named."""
        self._fields, self._score = fields, score
        self._n_new_pieces = max(1, fields.clip.decision_hop_frames // PIECE_FRAMES)
        self._normal: NormalBands | None = None
        if reference is not None and fields.usual_bands is not None:
            rows_db, std_db = reference.baseline_clips[:, 0], reference.baseline_std[0]
            self._normal = NormalBands(rows_db, std_db, fields.usual_bands, fields.features.sample_rate_hz)
        self._bands: deque[tuple[datetime, FloatArray]] = deque(maxlen=N_KEPT)
        self._recent: deque[DoubleArray] = deque(maxlen=N_RECENT)

    def add(self, clip: ClipScore, time: datetime) -> None:
        """Take the next clip, whose last sound was heard at `time`."""
        if self._normal is not None and clip.bands_db is not None:
            self._bands.append((time, clip.bands_db.astype(np.float32)))
        if clip.excess is not None:
            self._recent.append(clip.excess[-self._n_new_pieces :])

    def explain(self, clip: ClipScore, began: datetime, state: OperatingState | None = None) -> Cause:
        """The cause of an alarm at `clip`, the last that was added, in this operating state; the score began to rise at `began`."""
        found, is_rest_usual = list[tuple[Region, Change]](), False
        if self._normal is not None and clip.bands_db is not None:
            found = self._normal.find_changes(clip.bands_db)
            is_rest_usual = bool(found) and self._normal.has_addition(clip.bands_db, found)
        return Cause(
            changes=tuple(change for _, change in found),
            kind=None if clip.excess is None else find_kind(clip.excess, np.concatenate(self._recent)),
            since=self._find_since(found[0][0]) if found else began,
            unlike=self._find_unlike(clip),
            in_unknown_state=state is not None and state.kind == "unknown",
            rest_is_usual=is_rest_usual,
        )

    def _find_since(self, region: Region) -> datetime:
        """The first decision of the unbroken run up to now in which the bands of `region` had changed."""
        since = self._bands[-1][0]
        for time, bands_db in reversed(self._bands):
            if self._normal is None or not self._normal.has_change(bands_db.astype(np.float64), region):
                break
            since = time
        return since

    def _find_unlike(self, clip: ClipScore) -> str:
        fields = self._fields
        if self._score != fields.fused or not clip.members:
            return self._score
        terms = standardise(clip.members, fields.fusion)
        return max(terms, key=lambda name: terms[name])


def find_kind(excess: DoubleArray, recent: DoubleArray) -> Kind:
    """How a sound goes on.

    Args:
        excess: Of the pieces of the clip, `[n_pieces]` (`Space.excess`).
        recent: Of the pieces of the last minute, `[n]`.
    """
    share = find_lasting_share(excess)
    if share >= LASTS:
        return "lasting"
    if find_rhythm(excess) >= LEAST_RHYTHM or (share < PASSES and count_bursts(recent) >= LEAST_BURSTS):
        return "rhythm"
    return "transient" if share < PASSES else "lasting"


def find_rhythm(excess: DoubleArray) -> float:
    """The highest autocorrelation of the pieces `[n_pieces]` at a period of SHORTEST_PERIOD to a third of the clip; 0 without one.

    The periods begin where the autocorrelation has fallen: a slow swell is no rhythm.
    """
    cut_off = np.minimum(excess, np.quantile(excess, LOUDEST_PART))
    centred = cut_off - cut_off.mean()
    n, power = len(centred), float(np.mean(np.square(centred)))
    if power == 0:
        return 0.0
    lags = np.arange(n // 3 + 1)
    correlation = np.correlate(centred, centred, "full")[n - 1 :][: len(lags)] / (n - lags) / power
    fallen = np.flatnonzero(correlation < 0.1)
    periods = correlation[max(SHORTEST_PERIOD, int(fallen[0])) :] if len(fallen) else correlation[:0]
    return float(periods.max(initial=0.0))


def count_bursts(recent: DoubleArray) -> int:
    """Short sounds in the pieces `[n]`, each over half of the most unlike piece, with PAUSE_PIECES or more between them."""
    loud = np.flatnonzero(recent > recent.max() / 2)
    return int(np.count_nonzero(np.diff(loud) > PAUSE_PIECES)) + bool(len(loud))
