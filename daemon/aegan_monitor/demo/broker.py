"""The demo's MQTT broker: amqtt, in this process, on the loopback interface."""

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Iterator

from aegan_monitor.errors import AeganError

START_TIMEOUT_S = 15.0


def find_free_port() -> int:
    """A free TCP port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def run_broker() -> Iterator[int]:
    """Run a broker for MQTT 3.1.1 on a free port. Gives the port; stops at the end of the block.

    Raises:
        AeganError: amqtt is not installed, or does not start.
    """
    try:
        from amqtt.broker import Broker  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise AeganError(f"demo: the broker is not installed; pip install 'aegan-monitor[cpu,demo]' ({error})") from error
    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    port = find_free_port()
    loop = asyncio.new_event_loop()
    started = threading.Event()
    stop = asyncio.Event()

    async def serve() -> None:
        settings = {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
        broker = Broker(settings, loop=loop)
        await broker.start()
        started.set()
        await stop.wait()
        await broker.shutdown()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="broker", daemon=True)
    thread.start()
    if not started.wait(START_TIMEOUT_S):
        raise AeganError(f"demo: the broker did not start on port {port}; try again")
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(START_TIMEOUT_S)
