"""Commands from the page: queued with those from MQTT, and answered with the result that is published."""

import asyncio
import uuid
from collections.abc import Callable

from aegan_monitor.messages.command_payloads import Command, Result
from aegan_monitor.web.guard import RefusedError

ANSWER_S = 5.0


class Commands:
    """Waits for the results of commands; each command gets an id of ours, so that two never mix."""

    def __init__(self, submit: Callable[[str, Command], str]) -> None:
        """`submit`: see `Sources`."""
        self._submit = submit
        self._waiting: dict[str, tuple[asyncio.AbstractEventLoop, asyncio.Future[Result]]] = {}

    def take(self, result: Result) -> None:
        """A result that was published (worker thread)."""
        if waiting := self._waiting.get(result.id or ""):
            loop, future = waiting
            loop.call_soon_threadsafe(_settle, future, result)

    async def send(self, machine: str, command: Command) -> Result:
        """Send it, and wait for its result.

        Raises:
            RefusedError: Too many, or the monitor does not answer.
        """
        own_id, loop = f"web-{uuid.uuid4()}", asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting[own_id] = loop, future
        try:
            if reason := self._submit(machine, command.model_copy(update={"id": own_id})):
                raise RefusedError(429, reason)
            async with asyncio.timeout(ANSWER_S):
                result = await future
        except TimeoutError:
            raise RefusedError(
                504, f"the monitor has not answered within {ANSWER_S:g} s; look at the machine before you try again"
            ) from None
        finally:
            del self._waiting[own_id]
        return result.model_copy(update={"id": command.id})


def _settle(future: asyncio.Future[Result], result: Result) -> None:
    if not future.done():  # the caller may have gone
        future.set_result(result)
