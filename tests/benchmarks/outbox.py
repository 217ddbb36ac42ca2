"""How fast a full outbox drains, from its file to mosquitto's acknowledgements, and what it costs in memory.

.venv/bin/python tests/benchmarks/outbox.py     (needs mosquitto and mosquitto_sub; PYTHONPATH=tests)
"""

import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "doubles"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "oracles"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "parts"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "programs"))

from aegan_monitor.messages.payloads import Event
from aegan_monitor.messages.topics import Topics
from aegan_monitor.mqtt.connection_settings import ConnectionSettings
from aegan_monitor.mqtt.endpoint import Endpoint
from aegan_monitor.mqtt.publisher import MqttPublisher
from aegan_monitor.outbox.outbox import Outbox
from aegan_monitor.outbox.store import Store
from aegan_monitor.outbox.writer import Writer
from aegan_monitor.service.health import resident_bytes
from broker import Mosquitto, Subscriber, wait_until
from writing import settle

N_EVENTS = 10_000
TOPICS = Topics("aegan", "hall")
LONGEST_S = 120.0


def make_event(sequence: int) -> Event:
    """One as the daemon makes it."""
    return Event(
        id=f"5b0b5f4c-0a5e-4c0e-9a55-{sequence:012d}",
        sequence=sequence,
        kind="raised",
        active=True,
        time=datetime.now(UTC),
        sample=16_000 * sequence,
        cause="D_maha 2.5 is above its threshold 2",
        score_id="D_maha",
        score=2.5,
        threshold=2.0,
        duration_s=None,
    )


def start(folder: Path) -> tuple[Outbox, Writer]:
    """An outbox on its file."""
    outbox = Outbox()
    writer = Writer(outbox, Store(folder / "outbox.sqlite"))
    writer.start()
    return outbox, writer


def main() -> None:
    """Fill, end, start again and drain."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        outbox, writer = start(folder)
        began_s = time.perf_counter()
        for sequence in range(1, N_EVENTS + 1):
            outbox.put(TOPICS.message(make_event(sequence), "pump"))
        settle(outbox, writer, LONGEST_S)
        print(f"{N_EVENTS} events put and on disk   {N_EVENTS / (time.perf_counter() - began_s):8.0f} a second")
        writer.stop()

        began_s = time.perf_counter()
        outbox, writer = start(folder)
        print(f"file read at start           {time.perf_counter() - began_s:8.2f} s, {outbox.measure().total} events")
        broker = Mosquitto(folder / "mosquitto", quiet=True)
        broker.start()
        settings = ConnectionSettings(endpoint=Endpoint("127.0.0.1", broker.port, "bench"), protocol="5", topics=TOPICS)
        publisher = MqttPublisher(settings, outbox)
        with Subscriber(broker.port) as subscriber:
            before_bytes = resident_bytes()
            began_s = time.perf_counter()
            publisher.start()
            highest_bytes = before_bytes
            while outbox.measure().total:
                highest_bytes = max(highest_bytes, resident_bytes())
                time.sleep(0.05)
            took_s = time.perf_counter() - began_s
            more_mb = (highest_bytes - before_bytes) / 1e6
            wait_until(lambda: len(subscriber.received("aegan/hall/pump/event")) == N_EVENTS, "the subscriber", LONGEST_S)
        print(f"drained                      {N_EVENTS / took_s:8.0f} a second, {more_mb:.1f} MB more in memory at most")
        publisher.stop()
        writer.stop()
        broker.stop()


if __name__ == "__main__":
    main()
