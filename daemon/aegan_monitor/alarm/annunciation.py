"""What people are told of an alarm, and what they have said about it: a second table, which follows the first in `alarm/delays.py`.

The first says how the machine is, whatever people do; this one, what of it is announced.
Words: ANSI/ISA-18.2, Management of Alarm Systems for the Process Industries: a shelved alarm is suppressed for a time by a person.
"""

from typing import Literal, TypeAlias

from aegan_monitor.messages.payloads import CommandName, EventKind

Standing: TypeAlias = Literal["normal", "unacknowledged", "acknowledged", "shelved"]
Occasion: TypeAlias = Literal["raised", "cleared", CommandName]

ANNUNCIATION: dict[tuple[Standing, Occasion], tuple[Standing, EventKind | None]] = {  # with the event that tells of it
    ("normal", "raised"): ("unacknowledged", "raised"),
    ("normal", "cleared"): ("normal", None),  # its shelf ended while it was clearing
    ("unacknowledged", "cleared"): ("normal", "cleared"),
    ("acknowledged", "cleared"): ("normal", "cleared"),
    ("unacknowledged", "acknowledge"): ("acknowledged", "acknowledged"),
    ("acknowledged", "acknowledge"): ("acknowledged", None),  # a command may come twice
    ("normal", "shelve"): ("shelved", "shelved"),
    ("unacknowledged", "shelve"): ("shelved", "shelved"),
    ("acknowledged", "shelve"): ("shelved", "shelved"),
    ("shelved", "shelve"): ("shelved", "shelved"),  # with another end
    ("shelved", "raised"): ("shelved", None),
    ("shelved", "cleared"): ("shelved", None),
    ("shelved", "unshelve"): ("normal", "unshelved"),  # `raised` follows, if the machine still sounds wrong
}
REFUSALS: dict[tuple[Standing, Occasion], str] = {
    ("normal", "acknowledge"): "no alarm is active",
    ("shelved", "acknowledge"): "the alarm is shelved: none is active",
    ("normal", "unshelve"): "the alarm is not shelved",
    ("unacknowledged", "unshelve"): "the alarm is not shelved",
    ("acknowledged", "unshelve"): "the alarm is not shelved",
}
ANNOUNCED: frozenset[Standing] = frozenset({"unacknowledged", "acknowledged"})


class Annunciation:
    """The standing of one alarm.

    Attributes:
        shelved_until_s: When the shelf ends, none if there is none: on a clock that runs on whether anything is heard or not.
    """

    def __init__(self) -> None:
        self.standing: Standing = "normal"
        self.shelved_until_s: float | None = None

    @property
    def active(self) -> bool:
        """An alarm is announced."""
        return self.standing in ANNOUNCED

    def refusal(self, occasion: Occasion) -> str:
        """Why a command is not obeyed now; empty if it is."""
        return REFUSALS.get((self.standing, occasion), "")

    def take(self, occasion: Occasion, shelve_until_s: float | None = None) -> EventKind | None:
        """What happened, or a command that is not refused; the event that tells of it, if any."""
        self.standing, event = ANNUNCIATION[self.standing, occasion]
        if occasion == "shelve" or self.standing != "shelved":
            self.shelved_until_s = shelve_until_s
        return event

    def is_over(self, now_s: float) -> bool:
        """There is a shelf, and it ends."""
        return self.shelved_until_s is not None and now_s >= self.shelved_until_s
