"""A device's true rate, measured against the monotonic clock."""

import statistics
from collections import deque
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from aegan_monitor.errors import CaptureError

GROSS = 0.02  # of the rate: no clock is so wrong, so the device is not what it says
JITTER_S = 0.2  # as late as a busy machine may be for one bucket after the other
LARGE_LOSS_S = 0.5  # later than that, twice: samples were lost without a word
LOSS_S, N_LOSS = 0.08, 4  # and than that, or three times what is usual here, for four buckets
EARLY_S = 2.0  # so many samples too many at once are no jitter, and too few for a score
BUCKET_S = 0.5
N_SURE = 14  # buckets, 7 s: so long a busy machine may fall behind ever more
HUGE = 0.4  # of the rate: that is no busy machine
N_GROSS = 120  # buckets, a minute
LONGEST_MEASURED_S = (N_GROSS - 2) * BUCKET_S  # 59 s: the first and the last of them hold a moment anywhere in their half second
N_FINE = 1200  # buckets, ten minutes
KNOWN_AFTER_S = 120.0  # then 10 ms of jitter are 26 ppm, after ten minutes 2


@dataclass(slots=True)
class _Bucket:
    """The moment in half a second at which samples were least late."""

    time_s: float
    late_s: float


class RateMeter:
    """Compares how many samples have come with the time that has passed.

    Of each half second only the moment counts at which the samples were least late, since jitter can only delay. The rate is the
    slope of a line through these (least squares); where it is grossly wrong or samples are lost, a few of them tell.
    """

    def __init__(self, name: str, sample_rate_hz: int) -> None:
        self._name, self._rate_hz = name, sample_rate_hz
        self._start_s: float | None = None
        self._bucket_ends_s = 0.0
        self._best: _Bucket | None = None
        self._recent: deque[_Bucket] = deque(maxlen=N_GROSS)
        self._steady: deque[_Bucket] = deque(maxlen=N_FINE)
        self.deviation_ppm: float | None = None

    @property
    def measured_s(self) -> float:
        """For how long the gross rate was looked at; reaches LONGEST_MEASURED_S, and hardly more."""
        return self._recent[-1].time_s - self._recent[0].time_s if self._recent else 0.0

    def add(self, n_total: int, now_s: float) -> float:
        """Take notice of `n_total` samples since the start; returns the seconds of samples that were lost in silence, mostly 0.

        Raises:
            CaptureError: The rate is grossly wrong.
        """
        if self._start_s is None:
            self._start_s = now_s - n_total / self._rate_hz
        late_s = now_s - self._start_s - n_total / self._rate_hz
        if late_s < (self._recent[-1].late_s if self._recent else 0.0) - EARLY_S:
            raise self._wrong(n_total / max(now_s - self._start_s, 1e-3))
        lost_s = 0.0
        if now_s >= self._bucket_ends_s:
            if self._best is not None:
                lost_s = self._close_bucket(self._best)
            self._bucket_ends_s, self._best = now_s + BUCKET_S, None
        if self._best is None or late_s < self._best.late_s:
            self._best = _Bucket(now_s, late_s)
        return lost_s

    def _close_bucket(self, best: _Bucket) -> float:
        self._recent.append(best)
        self._steady.append(best)
        self._refuse_gross()
        lost_s = self._find_loss()
        if lost_s:
            for buckets in (self._recent, self._steady):
                buckets.clear()
                buckets.append(best)
        self._measure()
        return lost_s

    def _refuse_gross(self) -> None:
        buckets = list(self._recent)
        if len(buckets) < 4:
            return
        passed_s, later_s = buckets[-1].time_s - buckets[0].time_s, buckets[-1].late_s - buckets[0].late_s
        slope = statistics.median((b.late_s - a.late_s) / (b.time_s - a.time_s) for a, b in pairwise(buckets))
        if len(buckets) < N_SURE and abs(slope) < HUGE:
            return
        if abs(later_s) > GROSS * passed_s + JITTER_S and abs(slope) > GROSS and slope * later_s > 0:
            raise self._wrong(self._rate_hz * (1 - slope))

    def _wrong(self, found_hz: float) -> CaptureError:
        return CaptureError(
            f"{self._name}: expected {self._rate_hz} samples a second, found {round(found_hz, -2):.0f}; "
            "check the device's driver and settings",
            "wrong_rate",
        )

    def _find_loss(self) -> float:
        """A step that stays, where a wrong rate would go on."""
        late_s = np.array([bucket.late_s for bucket in self._recent])
        usual_s = float(np.percentile(np.abs(np.diff(late_s)), 90)) if len(late_s) >= N_SURE else JITTER_S
        for n_buckets, least_s in ((2, LARGE_LOSS_S), (N_LOSS, max(LOSS_S, 3 * usual_s))):
            if len(late_s) >= 2 * n_buckets:
                before, after = late_s[-2 * n_buckets : -n_buckets], late_s[-n_buckets:]
                step_s = float(after.min() - before.max())
                if step_s > least_s and max(np.ptp(before), np.ptp(after)) < min(JITTER_S, step_s / 2):
                    return step_s
        return 0.0

    def _measure(self) -> None:
        steady = list(self._steady)[:-N_LOSS]  # behind a loss that is not known yet nothing is steady
        times_s = np.array([bucket.time_s for bucket in steady])
        if len(times_s) < 2 or times_s[-1] - times_s[0] < KNOWN_AFTER_S:
            return
        late_s = np.array([bucket.late_s for bucket in steady])
        times_s -= times_s.mean()
        self.deviation_ppm = float(-1e6 * (times_s @ late_s) / (times_s @ times_s))
