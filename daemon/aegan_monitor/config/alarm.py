"""The part of the configuration that says when a score becomes an alarm."""

from typing import Literal

from pydantic import Field

from aegan_monitor.config.validation import Settings
from aegan_monitor.detection.record import Place

DAY_S = 86_400


class FalseAlarmsConfig(Settings):
    """How many false alarms are accepted. The daemon raises an alarm only on evidence that this budget allows."""

    per_week: float = Field(
        default=1.0,
        gt=0,
        le=10_000,
        description="False alarms in a week of heard normal sound, by design. A smaller number waits longer for a weak change.",
    )


class AlarmConfig(Settings):
    """When a score becomes an alarm."""

    policy: Literal["budget", "threshold"] | None = Field(
        default=None,
        description="What raises an alarm. budget: evidence that is gathered over blocks of sound, as false_alarms allows. threshold: the "
        "score stays over a threshold for on_delay_s. null: budget; but threshold if quantile or margin is set, or if the bundle has no "
        "blocks of normal sound for this score.",
    )
    false_alarms: FalseAlarmsConfig | None = Field(
        default=None, description="A budget for this machine alone. null: an equal part of the node's false_alarms."
    )
    place: Place | None = Field(
        default=None,
        description="Which threshold of the bundle holds. recorded: the microphone stays where the recordings for the training were made. "
        "any: it may be moved, or its surroundings may change; the threshold is higher, and small faults are missed. "
        "null: recorded, or for a bundle of an older version the only one that it has.",
    )
    quantile: float | None = Field(
        default=None,
        ge=0.5,
        le=1,
        description="Quantile of the scores of normal sound at which the alarm clears. A lower one alarms earlier, and more often falsely. "
        "null: the bundle's advice.",
    )
    margin: float | None = Field(
        default=None,
        ge=0,
        le=1000,
        description="Height of the alarm threshold over that quantile, in multiples of the distance from the median of normal sound to "
        "the quantile. 0: the quantile itself. Raise it against false alarms. null: the bundle's advice. For policy: threshold alone.",
    )
    on_delay_s: float = Field(
        default=12.0,
        ge=0,
        le=DAY_S,
        description="Seconds for which the score must stay over the threshold before the alarm is raised. Keep it over 9.7 s: a single "
        "bang keeps the score over the threshold for one clip. For policy: threshold alone.",
    )
    off_delay_s: float = Field(
        default=10.0,
        ge=0,
        le=DAY_S,
        description="Seconds for which the score must stay under the clearing threshold before the alarm clears. "
        "For policy: threshold alone.",
    )
    latched: bool = Field(
        default=False,
        description="An alarm that has cleared stays active until a person acknowledges it. false: it ends by itself.",
    )
    recurrence_s: float = Field(
        default=600.0,
        ge=0,
        le=7 * DAY_S,
        description="Seconds of normal sound after which another alarm opens another case. One that comes sooner belongs to the same case.",
    )

    @property
    def sets_threshold(self) -> bool:
        """Whether it says where a threshold lies."""
        return self.quantile is not None or self.margin is not None
