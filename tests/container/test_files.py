"""The files of the container: what they name exists, and nothing in them has more rights than it needs."""

import json
from pathlib import Path

import yaml

from container.image import read_recipe


def test_the_recipe_copies_what_is_sent_to_the_builder(repository: Path) -> None:
    """Each COPY from the checkout is let through by `.containerignore`, and exists."""
    let_through = {line.removeprefix("!") for line in (repository / ".containerignore").read_text().splitlines() if line.startswith("!")}
    steps = read_recipe(repository / "container" / "Containerfile")
    copied = {path for name, value in steps if name == "COPY" and "--from" not in value for path in value.split()[:-1]}
    assert copied == let_through
    assert all((repository / path).exists() for path in copied)


def test_the_image_runs_as_no_root(repository: Path) -> None:
    """The last USER is a number, which a read-only file system and an orchestrator can check."""
    steps = dict(read_recipe(repository / "container" / "Containerfile"))
    assert steps["USER"] == "10001:10001"
    assert json.loads(steps["ENTRYPOINT"]) == ["aegan-monitor"]


def test_compose_names_what_exists(repository: Path) -> None:
    """Build file and mounted files are there; the daemon is read-only and without capabilities."""
    folder = repository / "container"
    services = yaml.safe_load((folder / "compose.yaml").read_text())["services"]
    daemon = services["aegan-monitor"]
    assert (folder / daemon["build"]["context"] / daemon["build"]["dockerfile"]).is_file()
    assert (daemon["read_only"], daemon["cap_drop"]) == (True, ["ALL"])
    assert (folder / services["mosquitto"]["volumes"][0].partition(":")[0]).is_file()
    volumes = set(yaml.safe_load((folder / "compose.yaml").read_text())["volumes"])
    named = {volume.partition(":")[0] for service in services.values() for volume in service["volumes"]}
    assert {name for name in named if not name.startswith(".")} == volumes
