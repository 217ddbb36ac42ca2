"""The case in alarm states and events: one episode in which a machine sounds wrong."""

from typing import Literal, TypeAlias

from pydantic import ConfigDict, Field, NonNegativeFloat, NonNegativeInt

from aegan_monitor.messages.model import Model, UtcTime

Severity: TypeAlias = Literal["low", "medium", "high"]
Verdict: TypeAlias = Literal["true_fault", "false_alarm", "maintenance", "other"]
_ID = "5b0b5f4c-0a5e-4c0e-9a55-3f4c57d35f0e"


class Case(Model):
    """One episode: an alarm, and the alarms that come back soon after it."""

    model_config = ConfigDict(extra="ignore")  # the stored record holds it: a later version may add fields and be removed again
    id: str = Field(
        min_length=1, description="The id of its first `raised` event. Machines with a common cause share one case.", examples=[_ID]
    )
    severity: Severity = Field(
        default="medium", description="`high`: a gross fault; `low`: the alarm has joined the case of another machine.", examples=["medium"]
    )
    evidence: float | None = Field(default=None, description="The strongest evidence so far, from 0 to 1; null for a policy of thresholds.")
    began_at: UtcTime = Field(description="When the first alarm of the case became pending, by the time of the sound.")
    cause: str = Field(
        default="", description="Cause of the newest `raised` event of the case.", examples=["D_maha 2.5 is above its threshold 2"]
    )
    recurrences: NonNegativeInt = Field(default=0, description="How often the alarm was raised again within the case.")
    duration_s: NonNegativeFloat = Field(
        default=0.0, description="Seconds that the alarms of the case lasted together; the alarm that is active now does not count."
    )
    common: bool = Field(default=False, description="Whether another machine of the node raised its alarm shortly before: a common cause.")
    verdict: Verdict | None = Field(
        default=None, description="What a person said of the case with `acknowledge` or `close`; null if nothing.", examples=[None]
    )
