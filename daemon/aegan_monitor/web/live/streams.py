"""Answers without an end: server-sent events and sound."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

Pieces = AsyncGenerator[bytes, None]


def make_event(kind: str, data: bytes) -> bytes:
    """One server-sent event; `data` is JSON in one line."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


class Stream(Response):
    """Sends pieces until the client goes away, or until there are no more."""

    def __init__(self, pieces: Pieces, media_type: str = "text/event-stream") -> None:
        super().__init__(media_type=media_type, headers={"cache-control": "no-store", "x-accel-buffering": "no"})  # for nginx
        del self.headers["content-length"]
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        sending = asyncio.create_task(self._send(send, is_wanted=scope["method"] == "GET"))
        leaving = asyncio.create_task(_wait_for_end(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()
            leaving.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
        if not sending.cancelled() and (error := sending.exception()):
            raise error

    async def _send(self, send: Send, *, is_wanted: bool) -> None:
        async with aclosing(self._pieces) as pieces:
            if is_wanted:
                async for piece in pieces:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _wait_for_end(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
