"""Progress of `fit`: a bar on a terminal; elsewhere lines, at least one every 30 s."""

import sys
import time
from collections.abc import Callable, Mapping
from typing import ParamSpec, TextIO, TypeVar

from tqdm import tqdm

STEP_EVERY_S = 10.0
EPOCH_EVERY_S = 30.0

P = ParamSpec("P")
R = TypeVar("R")


def follow(work: Callable[P, R], n_calls: int, what: str, clock: Callable[[], float] = time.monotonic) -> Callable[P, R]:
    """Wrap `work`, which will be called `n_calls` times: prints `what` now, and the number of calls done every STEP_EVERY_S."""
    if n_calls:
        print(what, flush=True)
    n_done, began_s = 0, clock()
    printed_s = began_s

    def followed(*args: P.args, **kwargs: P.kwargs) -> R:
        nonlocal n_done, printed_s
        found = work(*args, **kwargs)
        n_done += 1
        now_s = clock()
        if now_s - printed_s >= STEP_EVERY_S and n_done < n_calls:
            printed_s = now_s
            print(f"  {n_done} of {n_calls}, about {format_duration((now_s - began_s) / n_done * (n_calls - n_done))} left", flush=True)
        return found

    return followed


def format_duration(seconds: float) -> str:
    """`40 s`, `12 min` or `3.5 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"


class EpochProgress:
    """Epochs and time left: a bar on a terminal; elsewhere a line for each epoch, and every EPOCH_EVERY_S within a long epoch."""

    def __init__(
        self,
        n_epochs: int,
        n_segments: int,
        n_whole: int = 0,
        *,
        verbose: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start after `n_whole` of `n_epochs` epochs of `n_segments` segments; with `verbose` an epoch's line shows its losses."""
        self._n_epochs, self._n_segments, self._verbose, self._clock = n_epochs, n_segments, verbose, clock
        self._n_whole, self._n_in_epoch, self._n_seen = n_whole, 0, 0
        self._began_s = self._printed_s = clock()
        self._bar = tqdm(total=n_epochs * n_segments, initial=n_whole * n_segments, unit="seg", desc="training", disable=None)

    def add_batch(self, n_segments: int) -> None:
        """Count the segments of a batch."""
        self._n_in_epoch += n_segments
        self._n_seen += n_segments
        self._bar.update(n_segments)
        if self._bar.disable and self._clock() - self._printed_s >= EPOCH_EVERY_S and self._n_in_epoch < self._n_segments:
            part = self._n_in_epoch / self._n_segments
            self.say(f"epoch {self._n_whole + 1} of {self._n_epochs}: {part:.0%}, about {self._find_left()} left")

    def end_epoch(self, losses: Mapping[str, float], n_epochs: int) -> None:
        """Count a completed epoch of `n_epochs`, and print its line."""
        self._n_whole, self._n_in_epoch, self._n_epochs = self._n_whole + 1, 0, n_epochs
        self._bar.total = n_epochs * self._n_segments
        rate = self._n_seen / max(self._clock() - self._began_s, 1e-9)
        details = "".join(f", {name} {value:.4g}" for name, value in losses.items()) + f", {rate:.0f} segments/s"
        if self._bar.disable or self._verbose:
            self.say(f"epoch {self._n_whole} of {self._n_epochs}, about {self._find_left()} left" + (details if self._verbose else ""))

    def restart(self) -> None:
        """Begin again at the first epoch."""
        self._n_whole = self._n_in_epoch = 0
        self._bar.reset()

    def say(self, text: str, file: TextIO | None = None) -> None:
        """Print a line above the bar, on `file` (None: stdout)."""
        self._printed_s = self._clock()
        tqdm.write(text, file=file or sys.stdout)
        (file or sys.stdout).flush()

    def close(self) -> None:
        """Close the bar."""
        self._bar.close()

    def _find_left(self) -> str:
        n_left = (self._n_epochs - self._n_whole) * self._n_segments - self._n_in_epoch
        return format_duration((self._clock() - self._began_s) / max(1, self._n_seen) * n_left)
