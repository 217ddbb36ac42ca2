"""What waits for one viewer: bounded, filled by the worker thread, emptied by the web thread."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Loses the oldest when it is full, and never waits.

    Attributes:
        lost: Whether something was lost since the last `take`.
    """

    def __init__(self, most: int, size: Callable[[T], int] = lambda _: 1) -> None:
        """`most` is the largest sum of the sizes that may wait, but the newest always may. Made in the loop that takes."""
        self.lost = False
        self._most, self._size = most, size
        self._items: deque[T] = deque()
        self._sum = 0
        self._lock = threading.Lock()
        self._loop, self._filled = asyncio.get_running_loop(), asyncio.Event()
        self._is_woken = False

    def put(self, item: T) -> None:
        """Add (any thread)."""
        with self._lock:
            self._items.append(item)
            self._sum += self._size(item)
            while self._sum > self._most and len(self._items) > 1:
                self._sum -= self._size(self._items.popleft())
                self.lost = True
            was_woken, self._is_woken = self._is_woken, True
        if not was_woken:
            self._loop.call_soon_threadsafe(self._filled.set)

    async def wait(self, timeout_s: float) -> bool:
        """Wait until something is there, or `timeout_s`; whether there is."""
        try:
            async with asyncio.timeout(
                timeout_s
            ):  # wait_for of Python 3.11 loses a cancellation that comes together with what it waits for
                await self._filled.wait()
        except TimeoutError:
            return False
        return True

    def take(self) -> tuple[list[T], bool]:
        """All that waits, and whether something before it was lost."""
        with self._lock:
            items, lost = list(self._items), self.lost
            self._items.clear()
            self._sum, self._is_woken, self.lost = 0, False, False
            self._filled.clear()
        return items, lost
