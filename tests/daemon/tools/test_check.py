"""The lines that `aegan-monitor check` prints about a bundle; tests/integration/test_check.py runs the command."""

import sys
from pathlib import Path

import pytest

from aegan_monitor.config.model import InferenceConfig
from aegan_monitor.detection.bundle import demo_bundle, load_bundle
from aegan_monitor.detection.golden import TOLERANCES
from aegan_monitor.inference.prepared import Prepared
from aegan_monitor.messages.model import Payload
from aegan_monitor.messages.payloads import PAYLOADS
from aegan_monitor.tools.check import MACHINE_BYTES, NODE_BYTES, check_bundle
from message_tables import make_example
from synthetic import copy_demo_as_format_2

CPU = InferenceConfig(providers=["cpu"])  # whatever else is installed here
TEXT_BYTES = 200  # of a text without a maximum length, such as the detail of a fault


@pytest.mark.parametrize("verbose", [False, True])
def test_five_lines_say_what_matters(verbose: bool, tmp_path: Path) -> None:
    """Five lines without a budget: bundle, provider, golden check, threshold and what is proved; with --verbose also every stage."""
    lines: list[str] = []
    check_bundle(copy_demo_as_format_2(tmp_path / "older"), CPU, Prepared(), lines.append, verbose=verbose)
    stages = [line.split()[0] for line in lines if " deviation " in line]
    assert stages == (list(TOLERANCES) if verbose else [])
    matter = [line for line in lines if " deviation " not in line]
    assert len(matter) == 5
    for line, words in zip(
        matter, ("its own score is D_maha", "golden check passed", "provider: cpu, precision: fp32", "alarm above", "unproved"), strict=True
    ):
        assert words in line


def test_the_report_has_each_place_of_a_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`check BUNDLE --report` writes one report of all places of the bundle, and says so."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    reports, lines = tmp_path / "reports", list[str]()
    check_bundle(demo_bundle(), CPU, Prepared(), lines.append, reports=reports)
    assert f"{reports}/commissioning.txt and {reports}/commissioning.json: written" in lines
    title, *others = (reports / "commissioning.txt").read_text().splitlines()
    assert title.startswith(f"bundle {demo_bundle()}, 20")
    assert {line.split(":")[0] for line in others} == set(load_bundle(demo_bundle()).record.calibration)


@pytest.mark.parametrize("payload", [payload for payload in PAYLOADS if payload.OURS], ids=lambda payload: payload.KIND)
def test_no_message_is_larger_than_the_estimate(payload: type[Payload]) -> None:
    """The example with every free text at full length is within the bound, and the bound is not twice as large as health needs."""
    texts = {name: "x" * TEXT_BYTES for name, field in payload.model_fields.items() if field.annotation is str and not field.metadata}
    n_bytes = len(payload.model_validate({**make_example(payload), **texts}).model_dump_json())
    bound = NODE_BYTES + (0 if payload.OF_MACHINE else MACHINE_BYTES)
    assert n_bytes <= bound
    assert payload.OF_MACHINE or n_bytes > bound / 2
