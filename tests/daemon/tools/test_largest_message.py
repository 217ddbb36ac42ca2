"""The estimate of the largest message is an upper bound."""

import pytest

from aegan_monitor.messages.model import Payload
from aegan_monitor.messages.payloads import PAYLOADS
from aegan_monitor.tools.largest_message import estimate_bytes
from message_tables import make_example


@pytest.mark.parametrize("payload", [payload for payload in PAYLOADS if payload.OURS], ids=lambda payload: payload.KIND)
def test_an_example_is_within_the_estimate(payload: type[Payload]) -> None:
    """No example exceeds the estimate, and more machines enlarge only the health message."""
    example = payload.model_validate(make_example(payload))
    estimated = estimate_bytes(payload, ["pump"])
    assert len(example.model_dump_json()) <= estimated < 4096
    assert (estimate_bytes(payload, ["pump", "fan"]) > estimated) == (not payload.OF_MACHINE)
