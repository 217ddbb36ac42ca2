"""Addresses of the page: the link of a message to its case, and those of Home Assistant's devices."""

from aegan_monitor.messages.model import Payload
from aegan_monitor.messages.payloads import Alarm, Event


def add_link(payload: Payload, machine: str, page: str | None) -> Payload:
    """A message of a machine with the link to its case; the message itself where it has no case, or where `page` is None.

    `page` is the public address of the page, without a `/` at the end.
    """
    if page is None or not isinstance(payload, Alarm | Event) or payload.case is None:
        return payload
    return payload.model_copy(update={"link": f"{page}/#/cases/{machine}/{payload.case.id}"})


def link_machine(page: str, machine: str | None) -> str:
    """The address of a machine's view, or of the page."""
    return f"{page}/" if machine is None else f"{page}/#/machine/{machine}"
