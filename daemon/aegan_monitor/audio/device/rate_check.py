"""Measures a device's true sample rate against the monotonic clock."""

import statistics
from collections import deque
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from aegan_monitor.errors import CaptureError

GROSS = 0.02  # of the rate: no sample clock is so wrong
JITTER_S = 0.2  # delay of a busy computer, bucket after bucket
STEP_S = 0.1  # a change of the delay from bucket to bucket that ends a measurement of drift
EARLY_S = 2.0  # surplus of samples that is no jitter, and too little for a score
BUCKET_S = 0.5
N_SURE = 14  # buckets, 7 s: so long may a busy computer fall behind
HUGE = 0.4  # of the rate: not explained by a busy computer
N_GROSS = 120  # buckets, a minute
N_FINE = 1200  # buckets, ten minutes
KNOWN_AFTER_S = 120.0  # then 10 ms of jitter are 26 ppm, after ten minutes 2


class _Bucket(NamedTuple):
    """The moment of the least delay of samples in half a second."""

    time_s: float
    delay_s: float


class RateMeter:
    """Compares the number of samples with the elapsed time.

    Jitter can only delay, so only the least delay in each half second counts. The median slope of these delays reveals a wrong rate.
    The deviation is the slope of a least-squares line through ten minutes of them.
    """

    def __init__(self, name: str, sample_rate_hz: int) -> None:
        self._name, self._rate_hz = name, sample_rate_hz
        self._recent: deque[_Bucket] = deque(maxlen=N_GROSS)
        self._steady: deque[_Bucket] = deque(maxlen=N_FINE)
        self.deviation_ppm: float | None = None
        self.restart()

    @property
    def measured_s(self) -> float:
        """Time since the start or the last restart for which the gross rate was right; about a minute at most."""
        return self._recent[-1].time_s - self._recent[0].time_s if self._recent else 0.0

    def restart(self) -> None:
        """Start a new measurement: samples were lost."""
        self._start_s: float | None = None
        self._bucket_ends_s = 0.0
        self._best: _Bucket | None = None
        self._recent.clear()
        self._steady.clear()

    def add(self, n_total: int, now_s: float) -> None:
        """Count `n_total` samples since the device was opened.

        Raises:
            CaptureError: The rate is wrong by more than GROSS.
        """
        if self._start_s is None:
            self._start_s, self._bucket_ends_s = now_s - n_total / self._rate_hz, now_s
        delay_s = now_s - self._start_s - n_total / self._rate_hz
        if delay_s < (self._recent[-1].delay_s if self._recent else 0.0) - EARLY_S:
            raise self._wrong(n_total / max(now_s - self._start_s, 1e-3))
        if now_s >= self._bucket_ends_s:
            if self._best is not None:
                self._close_bucket(self._best)
            self._bucket_ends_s, self._best = now_s + BUCKET_S, None
        if self._best is None or delay_s < self._best.delay_s:
            self._best = _Bucket(now_s, delay_s)

    def _close_bucket(self, best: _Bucket) -> None:
        self._recent.append(best)
        if self._steady and abs(best.delay_s - self._steady[-1].delay_s) > STEP_S:
            self._steady.clear()
        self._steady.append(best)
        self._refuse_gross()
        self._measure()

    def _refuse_gross(self) -> None:
        buckets = list(self._recent)
        if len(buckets) < 4:
            return
        passed_s, change_s = buckets[-1].time_s - buckets[0].time_s, buckets[-1].delay_s - buckets[0].delay_s
        slope = statistics.median((b.delay_s - a.delay_s) / (b.time_s - a.time_s) for a, b in pairwise(buckets))
        if len(buckets) < N_SURE and abs(slope) < HUGE:
            return
        if abs(change_s) > GROSS * passed_s + JITTER_S and abs(slope) > GROSS and slope * change_s > 0:
            raise self._wrong(self._rate_hz * (1 - slope))

    def _wrong(self, found_hz: float) -> CaptureError:
        return CaptureError(
            f"{self._name}: expected {self._rate_hz} samples a second, found {round(found_hz, -2):.0f}; "
            "check the device's driver and settings",
            "wrong_rate",
        )

    def _measure(self) -> None:
        times_s = np.array([bucket.time_s for bucket in self._steady])
        if times_s[-1] - times_s[0] < KNOWN_AFTER_S:
            return
        delays_s = np.array([bucket.delay_s for bucket in self._steady])
        times_s -= times_s.mean()
        self.deviation_ppm = float(-1e6 * (times_s @ delays_s) / (times_s @ times_s))
