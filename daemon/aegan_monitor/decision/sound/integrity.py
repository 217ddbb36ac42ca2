"""Input integrity: whether a stream is the sound of the machine, or shows a fault of its microphone. Time is the number of samples."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from aegan_monitor.decision.sound.normal_sound import LEVEL_CHANGED, LEVEL_LOW, Fault, NormalSound
from aegan_monitor.decision.sound.second import Second, measure_second
from aegan_monitor.detection.record import NormalState
from aegan_monitor.types import DoubleArray, FloatArray, Run

if TYPE_CHECKING:
    from aegan_monitor.decision.sound.sound_bands import SoundBands

WINDOW = 5  # seconds whose median is compared: a door or a word of two seconds does not change it
LEAST = 3  # of them, after a start or a gap, before level and bands are compared
DROP_OUTS = 2  # seconds of the window with drop-outs
USUAL_DROP_OUTS = 0.05  # part of normal seconds with drop-outs: from there on they are no fault (a noise gate)
CLEAR = 10  # seconds without a fault, after which it has ended
CONFIRM_S = 6  # seconds for which the median shows another level, before it is a fault: other sound of some seconds may look like one
ACCEPT_S = 60  # after which a changed level is taken as the new one
LEAST_CLIPPED = 10  # samples a second at full scale
KEPT_S = 60  # seconds of findings that are kept; more than a clip and the longest run

SILENT = Fault("silent", "only zeros; unmute the microphone, or choose another channel")
CONSTANT = Fault("constant", "only one value; check the cable of the microphone")
BROKEN_UP = Fault(
    "drop_outs", "parts of the sound are lost, and repeat one sample; check the cable of the microphone, the hub and the driver"
)


@dataclass(frozen=True, slots=True)
class _Finding:
    """What was known after one second.

    Attributes:
        end_sample: The sample after its last.
        is_doubtful: There is a fault, or this second alone looks like one.
        faulty_until: The sample after the last sound of the last fault.
    """

    end_sample: int
    is_doubtful: bool
    faulty_until: int
    is_clipped: bool


class Integrity:
    """Examines the sound of one machine, second by second. Any split of the samples gives the same findings.

    Attributes:
        fault: The present fault of the microphone, if any.
        accepted_db: Change of the level that was reported, and is taken as normal since.
        seconds: (end sample, level and bands at the calibrated level) of each second that the last run has completed.
    """

    def __init__(self, sample_rate_hz: int, clip_samples: int, normal_sound: Sequence[NormalState] = ()) -> None:
        """Store; a decision covers `clip_samples`. Without `normal_sound` only silence, a constant value and drop-outs are found."""
        self.fault: Fault | None = None
        self.seconds: list[tuple[int, SoundBands]] = []
        self._rate_hz, self._clip_samples = sample_rate_hz, clip_samples
        self._normal = NormalSound(normal_sound, sample_rate_hz) if normal_sound else None
        self._judges_drop_outs = all(state.drop_outs < USUAL_DROP_OUTS for state in normal_sound)
        self._pending: FloatArray = np.zeros(0, np.float32)
        self._window: deque[Second] = deque(maxlen=WINDOW)
        self._unsure: str | None = None  # state of a fault that is not yet sure
        self._n_sound = 0  # seconds without a fault
        self._changed: list[DoubleArray] = []  # level and bands of each second since the level changed, ACCEPT_S at most
        self._faulty_until = 0
        self._findings: deque[_Finding] = deque(maxlen=KEPT_S)

    @property
    def accepted_db(self) -> float:
        """Change of the level that was reported, and is taken as normal since."""
        return self._normal.accepted_db if self._normal else 0.0

    def hear(self, run: Run) -> Run:
        """Examine the next samples of the stream; what is left of an earlier second is dropped after a gap.

        Returns:
            The same samples at the calibrated level: a change that was taken as normal is taken back from the next sample on.
        """
        if run.after_gap:
            self._pending = self._pending[:0]
            self._window.clear()
        self.seconds = []
        level_db, plain = self.accepted_db, _amplify(run.samples, -self.accepted_db)
        self._pending = np.concatenate([self._pending, run.samples])
        first_sample = run.start_sample + len(run.samples) - len(self._pending)
        while len(self._pending) >= self._rate_hz:
            first_sample += self._rate_hz
            second = measure_second(self._pending[: self._rate_hz], self._rate_hz)
            self.seconds.append((first_sample, second.bands.amplify(-level_db)))
            self._take(second, first_sample)
            self._pending = self._pending[self._rate_hz :]
            if self.accepted_db != level_db:
                level_db, n_before = self.accepted_db, first_sample - run.start_sample
                plain = np.concatenate([plain[:n_before], _amplify(run.samples[n_before:], -level_db)])
        return replace(run, samples=plain)

    def trusts(self, end_sample: int) -> bool:
        """Whether the clip that ends at `end_sample` can be judged, by what was known then."""
        found = next((each for each in reversed(self._findings) if each.end_sample <= end_sample), None)
        return found is None or not (found.is_doubtful or end_sample - self._clip_samples < found.faulty_until)

    def is_clipped(self, end_sample: int) -> bool:
        """Whether sound of the clip that ends at `end_sample` is clipped."""
        return any(each.is_clipped for each in self._findings if end_sample - self._clip_samples < each.end_sample <= end_sample)

    def _take(self, second: Second, end_sample: int) -> None:
        self._window.append(second)
        if self._normal and len(self._window) >= LEAST and self._normal.find_return(_find_median(self._window)):
            self._faulty_until = end_sample
        before = self.fault.state if self.fault else self._unsure
        fault = self._find_fault(list(self._window), DROP_OUTS, before, compares=len(self._window) >= LEAST)
        looks_faulty = self._find_fault([second], 1, None) is not None
        present = fault or self.fault
        is_level = present is not None and present.state in (LEVEL_CHANGED, LEVEL_LOW)
        self._changed = [*self._changed, second.bands.as_array()][-ACCEPT_S:] if is_level else []
        is_unsure = self.fault is None and 0 < len(self._changed) < CONFIRM_S
        self._unsure = fault.state if fault and is_unsure else None
        if fault and not is_unsure:
            if self.fault is None or (self.fault.state != fault.state and len(self._window) == WINDOW):
                self.fault = fault
            self._n_sound = 0
        elif self.fault:
            self._n_sound += 1
        elif self._normal and not is_unsure:
            self._normal.remember(second.bands.as_array())
        if self._normal and self.fault and self.fault.state == LEVEL_CHANGED and len(self._changed) == ACCEPT_S:
            self._normal.accept(self._changed)
            self.fault, self._changed, self._faulty_until = None, [], end_sample
        elif self._n_sound == CLEAR:
            self.fault = None
        if self.fault and (fault or looks_faulty):
            self._faulty_until = end_sample
        is_doubtful = self.fault is not None or is_unsure or looks_faulty
        self._findings.append(_Finding(end_sample, is_doubtful, self._faulty_until, _is_clipped(second)))
        if second.constant is not None:
            self._window.clear()

    def _find_fault(self, seconds: Sequence[Second], least_drop_outs: int, present: str | None, *, compares: bool = True) -> Fault | None:
        """The fault that these seconds have in common, the newest last, after that in the state `present`.

        Level and bands are compared if `compares`.
        """
        if (value := seconds[-1].constant) is not None:
            return CONSTANT if value else SILENT
        if self._judges_drop_outs and sum(each.has_drop_out for each in seconds) >= least_drop_outs:
            return BROKEN_UP
        if self._normal is None or not compares:
            return None
        found = _find_median(seconds)
        is_clipped = any(_is_clipped(each) for each in seconds)
        offset = self._normal.find_offset(float(np.median([each.dc for each in seconds])), found[0] if is_clipped else None)
        if offset or is_clipped:
            return offset  # other clipped sound is judged as that of the machine: a burst bearing is loud
        return self._normal.find_fault(found, present)


def _is_clipped(second: Second) -> bool:
    return second.n_clipped >= LEAST_CLIPPED


def _find_median(seconds: Iterable[Second]) -> DoubleArray:
    """Level and bands, `[1 + N_BANDS]`."""
    found: DoubleArray = np.median([each.bands.as_array() for each in seconds], axis=0)
    return found


def _amplify(samples: FloatArray, gain_db: float) -> FloatArray:
    return samples * np.float32(10 ** (gain_db / 20)) if gain_db else samples
