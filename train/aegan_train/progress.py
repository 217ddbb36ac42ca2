"""What `fit` is at, before and behind its training: a line before each long step, and others while it goes on."""

import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

TELL_EVERY_S = 10.0

P = ParamSpec("P")
R = TypeVar("R")


def follow(work: Callable[P, R], n_calls: int, what: str, clock: Callable[[], float] = time.monotonic) -> Callable[P, R]:
    """`work`, which will be called `n_calls` times: prints `what` now, and now and then how far it is."""
    print(what, flush=True)
    n_done, began_s = 0, clock()
    told_s = began_s

    def followed(*args: P.args, **kwargs: P.kwargs) -> R:
        nonlocal n_done, told_s
        found = work(*args, **kwargs)
        n_done += 1
        now_s = clock()
        if now_s - told_s >= TELL_EVERY_S and n_done < n_calls:
            told_s = now_s
            left_s = (now_s - began_s) / n_done * (n_calls - n_done)
            print(f"  {n_done} of {n_calls}, about {left_s:.0f} s left", flush=True)
        return found

    return followed
