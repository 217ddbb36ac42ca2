"""The subscriber of the demo: prints what arrives, and waits for the first event."""

import json
import threading
from collections.abc import Sequence

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

BAR_WIDTH = 20


class Subscriber:
    """Prints each message of `kinds` below `topic`.

    Attributes:
        raised_sample: The sample at which the first event happened; None before it comes.
        subscribed: Set when the broker has granted the subscription.
    """

    def __init__(self, topic: str, kinds: Sequence[str] = ("score", "event", "sensor", "alarm")) -> None:
        self.raised_sample: int | None = None
        self.subscribed = threading.Event()
        self._raised = threading.Event()
        self._topic, self._kinds = topic, kinds
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect, self._client.on_subscribe, self._client.on_message = self._on_connect, self._on_subscribe, self._on_message

    def start(self, port: int) -> None:
        """Connect to the broker of this computer, and receive in a thread of paho's."""
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def wait(self, timeout_s: float) -> None:
        """Wait for the first event."""
        if not self._raised.wait(timeout_s):
            print(f"no alarm within {timeout_s:g} s", flush=True)

    def stop(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: Client, _: object, __: ConnectFlags, ___: ReasonCode, ____: Properties | None) -> None:
        client.subscribe([(f"{self._topic}/+/{kind}", 1) for kind in self._kinds])

    def _on_subscribe(self, *_: object) -> None:
        self.subscribed.set()

    def _on_message(self, _: Client, __: object, message: MQTTMessage) -> None:
        print(f"subscriber  {message.topic}  {describe(message.topic, bytes(message.payload))}", flush=True)
        if message.topic.endswith("/event") and self.raised_sample is None:
            self.raised_sample = json.loads(message.payload)["sample"]
            self._raised.set()


def describe(topic: str, payload: bytes) -> str:
    """One readable line for a message."""
    kind, message = topic.rsplit("/", 1)[-1], json.loads(payload)
    if kind == "score":
        bar = "#" * round(message["evidence"] * BAR_WIDTH)
        score = f"{message['score_id']} {message['score']:5.2f} (gross over {message['threshold']:.2f})"
        evidence = f"evidence {message['evidence']:4.0%} [{bar:<{BAR_WIDTH}}]"
        return f"{message['stream_s']:5.1f} s  {score}  {evidence}  {message['level_dbfs']:.1f} dBFS  {message['state']}"
    if kind == "event":
        return f"ALARM {message['kind']}: {message['cause']}"
    if kind == "alarm":
        return f"state {message['state']}" + ("" if message["confirmed"] else ", not measured yet")
    return ", ".join(f"{name} {message[name]}" for name in ("state", "detail") if message.get(name))
