"""Which box runs which bundle, by a real broker."""

import argparse
import json
import subprocess
from pathlib import Path

import pytest

from aegan_train.cli import main, make_parser
from aegan_train.fleet.boxes import find_boxes
from broker import Mosquitto, find_free_port
from example_messages import make_health
from train.fleet.conftest import WritePlant


def parse(*options: str) -> argparse.Namespace:
    """The options of a fleet."""
    return make_parser().parse_args(["fleet", "plant.yaml", *options])


@pytest.mark.broker
def test_boxes_are_known_by_the_digest_that_they_publish(broker: Mosquitto) -> None:
    """Two boxes with one bundle, and a machine with another."""
    published = make_health()
    for node, digests in (("hall", {"a": "1" * 64}), ("yard", {"a": "1" * 64, "b": "2" * 64})):
        machines = {name: published.machines["pump"].model_copy(update={"bundle_digest": digest}) for name, digest in digests.items()}
        text = published.model_copy(update={"machines": machines}).model_dump_json()
        subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-r", "-t", f"aegan/{node}/health", "-m", text], check=True)
    found = find_boxes(parse("--host", "127.0.0.1", "--port", str(broker.port)))
    assert {digest: sorted(boxes) for digest, boxes in found.items()} == {"1" * 64: ["hall/a", "yard/a"], "2" * 64: ["yard/b"]}


def test_without_a_broker_no_box_is_looked_for() -> None:
    """A fleet needs no network."""
    assert find_boxes(parse()) == {}


def test_a_broker_that_is_gone_costs_no_report(write_plant: WritePlant, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The report has all but the boxes; a line says why, and the exit code is 1."""
    plant, port = write_plant("  - {name: gone}\n"), str(find_free_port())
    assert main(["fleet", str(plant), "--host", "127.0.0.1", "--port", port, "--timeout", "1"]) == 1
    assert [machine["name"] for machine in json.loads((tmp_path / "fleet" / "fleet.json").read_text())["machines"]] == ["gone"]
    printed = capsys.readouterr()
    assert f"the report does not say which box runs which bundle: MQTT broker 127.0.0.1:{port}" in printed.out
    assert printed.err == ""
