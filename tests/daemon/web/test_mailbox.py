"""What waits for one viewer."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.web.live.mailbox import Mailbox

STEPS = st.lists(st.one_of(st.integers(1, 9), st.just("take")), max_size=60)


@given(steps=STEPS, most=st.integers(1, 20))
def test_the_newest_is_never_lost(steps: list[int | str], most: int) -> None:
    """Each take gives the newest of what was put since the last, in order, within the limit, and says whether older ones are lost."""

    async def run() -> None:
        mailbox: Mailbox[tuple[int, int]] = Mailbox(most, lambda item: item[1])
        put: list[tuple[int, int]] = []
        for number, step in enumerate([*steps, "take"]):
            if isinstance(step, int):
                put.append((number, step))
                mailbox.put(put[-1])
                continue
            items, lost = mailbox.take()
            assert items == put[len(put) - len(items) :]
            assert lost == (len(items) < len(put))
            assert sum(size for _, size in items) <= most or len(items) == 1
            if lost:
                assert sum(size for _, size in put[len(put) - len(items) - 1 :]) > most  # no more than necessary
            put = []

    asyncio.run(run())


def test_another_thread_wakes_the_viewer() -> None:
    """A viewer that waits gets what a thread puts; without anything it waits no longer than it wants."""

    async def run() -> None:
        mailbox: Mailbox[int] = Mailbox(3)
        assert not await mailbox.wait(0.01)
        await asyncio.gather(asyncio.to_thread(mailbox.put, 1), mailbox.wait(10.0))
        assert mailbox.take() == ([1], False)
        assert not await mailbox.wait(0.01)

    asyncio.run(run())
