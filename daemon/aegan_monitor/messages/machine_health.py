"""What the health message says of one machine."""

from pydantic import Field, NonNegativeInt

from aegan_monitor.messages.model import AlarmState, Model, UtcTime


class MachineHealth(Model):
    """State of one machine and of its input."""

    state: AlarmState = Field(description="State of its alarm.")
    active: bool = Field(default=False, description="Whether it is active: raised, not ended, not suppressed.")
    acknowledged: bool = Field(default=False, description="Whether it is active, and a person has acknowledged it.")
    shelved: bool = Field(default=False, description="Whether it is shelved.")
    out_of_service: bool = Field(default=False, description="Whether it is out of service.")
    sensor: str = Field(description="As in the sensor topic: `ok` or the fault.", examples=["ok"])
    designed_per_week: float | None = Field(
        default=None, description="False alarms in a week that it is made for; null for a policy of thresholds.", examples=[1.0]
    )
    proved_per_week: float | None = Field(
        default=None,
        description="The largest rate of false alarms that agrees with all its normal sound so far, with 95 % confidence, where each alarm "
        "counts as a false one; null: unproved.",
        examples=[21.0],
    )
    coverage_percent: float = Field(
        ge=0,
        le=100,
        description="Part of the time since the machine began (with the daemon, or by a reload) that a score covers, in percent.",
        examples=[99.9],
    )
    coverage_1h_percent: float = Field(
        default=0.0, ge=0, le=100, description="The same of the last hour, or since the machine began.", examples=[99.9]
    )
    coverage_24h_percent: float = Field(
        default=0.0, ge=0, le=100, description="The same of the last 24 hours, or since the machine began.", examples=[99.9]
    )
    dropped_samples_total: NonNegativeInt = Field(description="Samples that were overwritten before they could be scored.")
    late_segments_total: NonNegativeInt = Field(
        default=0, description="Segments that the network left out because the daemon could not keep up; see `overload_problem`."
    )
    gaps_total: NonNegativeInt = Field(description="Interruptions of the sound; nothing is scored across one.")
    rate_deviation_ppm: float | None = Field(
        default=None,
        description="How much faster the microphone's clock is than it says, in millionths; null until it is known.",
        examples=[-18.4],
    )
    bundle_digest: str = Field(
        default="",
        description="`record_sha256` of its bundle, which differs for every other content.",
        examples=["8f3a61c05d2b47e98f3a61c05d2b47e98f3a61c05d2b47e98f3a61c05d2b47e9"],
    )
    bundle_created: UtcTime | None = Field(
        default=None, description="When its bundle was exported; null: the bundle of an older version does not say."
    )
