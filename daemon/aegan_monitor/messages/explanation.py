"""The part of an event that says what changed in the sound."""

from typing import Literal

from pydantic import Field, NonNegativeFloat

from aegan_monitor.messages.model import Model, UtcTime


class Change(Model):
    """A range of frequencies that differs from normal sound."""

    from_hz: NonNegativeFloat = Field(description="Lowest frequency in Hz.")
    to_hz: NonNegativeFloat = Field(description="Highest frequency in Hz.")
    difference_db: float = Field(
        description="From the most similar normal clips, of the band that differs most; negative where the sound is quieter."
    )
    deviations: NonNegativeFloat = Field(
        description="In usual deviations of normal clips, 4 or more: of one band, or of the mean of 3 or 9 neighbours."
    )
    is_unheard: bool = Field(description="Whether the sound there is louder, or quieter, than in all normal clips.")


class Explanation(Model):
    """What changed in the sound; `cause` says it in words."""

    changes: tuple[Change, ...] = Field(
        description="At most three, the one with the most deviations first; empty if no band stands out, or the bundle does not know."
    )
    kind: Literal["transient", "rhythm", "lasting"] | None = Field(
        description="`transient`: one short sound; `rhythm`: it comes again and again; `lasting`: it goes on; null if the bundle does not "
        "know."
    )
    since: UtcTime | None = Field(
        description="When it began: the first decision of the unbroken run in which the first of `changes` was there, of the last 600 "
        "decisions; without changes, when the alarm became pending."
    )
    unlike: str = Field(description="The score that is most unlike normal sound among those that decide.")
    in_unknown_state: bool = Field(default=False, description="Whether the sound is in none of the operating states that were recorded.")
    rest_is_usual: bool = Field(
        default=False,
        description="Whether `changes` are louder and all other bands as usual: a sound was added to an unchanged one, by a fault of the "
        "machine or by something beside it.",
    )


EXAMPLE = {
    "changes": [{"from_hz": 4465.1, "to_hz": 4899.2, "difference_db": 14.2, "deviations": 13.1, "is_unheard": True}],
    "kind": "lasting",
    "since": "2026-01-31T08:12:04.120Z",
    "unlike": "C_linear_maha",
    "in_unknown_state": False,
    "rest_is_usual": True,
}
