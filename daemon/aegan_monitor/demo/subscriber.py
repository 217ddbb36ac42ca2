"""The demo's subscriber, a process of its own: prints what arrives, and ends with the first event."""

import argparse
import json
import sys
import threading

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

BAR_WIDTH = 30


def describe(topic: str, payload: bytes) -> str:
    """One readable line for a message."""
    kind = topic.rsplit("/", 1)[-1]
    if kind == "status":
        return payload.decode()
    message = json.loads(payload)
    if kind == "score":
        part = message["score"] / message["threshold"] if message["threshold"] else 0.0
        bar = "#" * min(BAR_WIDTH, round(part * BAR_WIDTH / 2))
        return (
            f"{message['stream_s']:6.1f} s  {message['score_id']} {message['score']:8.3g} of {message['threshold']:.3g}  "
            f"[{bar:<{BAR_WIDTH}}]  {message['level_dbfs']:6.1f} dBFS  {message['state']}"
        )
    if kind == "event":
        return f"ALARM {message['kind']}: {message['cause']}"
    return ", ".join(f"{name} {message[name]}" for name in ("state", "detail") if message.get(name))


def main() -> int:
    """Returns 0 if the first alarm comes after the fault, 1 if it comes before or never."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--fault-sample", type=int, required=True)
    parser.add_argument("--timeout", type=float, required=True)
    arguments = parser.parse_args()
    raised = threading.Event()
    raised_samples: list[int] = []

    def on_connect(client: Client, _: object, __: ConnectFlags, ___: ReasonCode, ____: Properties | None) -> None:
        client.subscribe([(f"{arguments.topic}/+/{kind}", 1) for kind in ("score", "event", "sensor", "alarm")])

    def on_subscribe(*_: object) -> None:
        print("subscribed", flush=True)

    def on_message(_: Client, __: object, message: MQTTMessage) -> None:
        print(f"{message.topic}  {describe(message.topic, bytes(message.payload))}", flush=True)
        if message.topic.endswith("/event"):
            raised_samples.append(json.loads(message.payload)["sample"])
            raised.set()

    client = Client(CallbackAPIVersion.VERSION2)
    client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
    client.connect("127.0.0.1", arguments.port)
    client.loop_start()
    if not raised.wait(arguments.timeout):
        print(f"no alarm within {arguments.timeout:g} s", flush=True)
    client.disconnect()
    client.loop_stop()
    return 0 if raised_samples and raised_samples[0] >= arguments.fault_sample else 1


if __name__ == "__main__":
    sys.exit(main())
