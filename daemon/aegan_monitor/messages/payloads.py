"""The payloads that are published: one model each. `docs/schemas` and the tables of `docs/reference/mqtt.md` are generated from them."""

from typing import Literal, TypeAlias

from pydantic import Field, NonNegativeFloat, NonNegativeInt

from aegan_monitor.messages.case import Case
from aegan_monitor.messages.command_payloads import Command, Result
from aegan_monitor.messages.explanation import EXAMPLE, Explanation
from aegan_monitor.messages.machine_health import MachineHealth
from aegan_monitor.messages.model import SCHEMA_WORDS, AlarmState, Payload, UtcTime

EventKind: TypeAlias = Literal[
    "raised", "cleared", "acknowledged", "shelved", "unshelved", "out_of_service", "in_service", "closed", "superseded", "removed"
]
IsaState: TypeAlias = Literal[
    "normal", "pending", "active_unacknowledged", "active_acknowledged", "cleared_unacknowledged", "shelved", "out_of_service"
]

_LASTING = (
    "Share of the clip's pieces of 64 ms that are more than a fifth as unlike normal sound as the most unlike one: "
    "small for a bang, large for a fault that lasts, without a meaning on normal sound; null with bundles of format 2."
)
_ID = "5b0b5f4c-0a5e-4c0e-9a55-3f4c57d35f0e"
_LINK = "Address of the case on the page; null without a case, or where `web.url` is not set."
_LINK_EXAMPLE = f"https://plant.example/#/cases/pump/{_ID}"


class Health(Payload):
    """How the daemon fares."""

    KIND = "health"
    OF_MACHINE = False
    schema_: Literal["aegan.health/1"] = Field(default="aegan.health/1", alias="schema", description=SCHEMA_WORDS)
    time: UtcTime = Field(description="When this was found.")
    version: str = Field(description="The daemon's.", examples=["0.2.0"])
    uptime_s: NonNegativeFloat = Field(description="Seconds since the daemon's start.", examples=[3600.0])
    provider: str = Field(description="What the networks really run on: cpu, openvino, cuda or tensorrt.", examples=["cpu"])
    precision: str = Field(default="fp32", description="In which precision: fp32, bf16, fp16 or int8.", examples=["fp32"])
    providers_requested: tuple[str, ...] = Field(
        description="Those that the configuration asks for, the favourite first.", examples=[["cuda", "cpu"]]
    )
    machines: dict[str, MachineHealth] = Field(description="By the machine's name.")
    outbox_depth: NonNegativeInt = Field(description="Messages that the broker has not acknowledged.")
    outbox_parked: NonNegativeInt = Field(default=0, description="Of these, events that the broker refuses (seen under MQTT 5 only).")
    outbox_dropped_total: NonNegativeInt = Field(description="Events lost because the outbox was full, or because they waited too long.")
    outbox_late_total: NonNegativeInt = Field(default=0, description="Scores and results that were not sent because they were late.")
    replaced_scores_total: NonNegativeInt = Field(default=0, description="Scores that were not sent because the next one came first.")
    outbox_problem: str = Field(default="", description="Why events are not on disk but in memory alone; empty if they are on disk.")
    history_problem: str = Field(
        default="", description="Why the history is in memory alone; empty if it is on disk, or if the configuration wants none."
    )
    evidence_problem: str = Field(
        default="",
        description="Why alarms have no new sound and pictures in the folder of evidence; empty if they have, or if the configuration "
        "wants none.",
    )
    refused_total: NonNegativeInt = Field(
        default=0, description="Messages (seen under MQTT 5 only) and subscriptions that the broker refused."
    )
    commands_refused_total: NonNegativeInt = Field(
        default=0,
        description="Commands that were malformed, retained, too many or for no machine, answered or not; "
        "not those that an alarm could not obey.",
    )
    overload_problem: str = Field(
        default="", description="What the network leaves out because this computer is too slow; empty while the daemon keeps up."
    )
    reload_problem: str = Field(default="", description="Why the last reload changed nothing; empty if it did, or if there was none.")
    broker_problem: str = Field(default="", description="The last trouble with the broker since the start; empty if there was none.")
    rss_bytes: NonNegativeInt = Field(description="Memory in use, in bytes.", examples=[94_371_840])


class Score(Payload):
    """Each decision."""

    KIND = "score"
    schema_: Literal["aegan.score/1"] = Field(default="aegan.score/1", alias="schema", description=SCHEMA_WORDS)
    time: UtcTime = Field(description="When the last of the sound that the score saw was heard, by the wall clock.")
    sample: NonNegativeInt = Field(description="Index of the sample after the last that the score saw.", examples=[160_000])
    stream_s: NonNegativeFloat = Field(description="The same in seconds since the capture opened.", examples=[10.0])
    score_id: str = Field(description="Which of the bundle's scores decides.", examples=["D_maha"])
    score: float = Field(description="Its value, without a unit; higher is less normal.", examples=[1.5])
    normalised: float = Field(
        description="The same on the scale of normal sound that the bundle carries: standard deviations above its mean.", examples=[0.25]
    )
    threshold: float = Field(
        description="What the score is held against, on its own scale; while an alarm is active, where it may clear. With a budget of "
        "false alarms: a score that stays over it alarms within 30 s, a lower one after a time.",
        examples=[2.0],
    )
    exceeded: bool = Field(description="Whether the decision speaks for an alarm: the score is over the threshold, or evidence is high.")
    level_dbfs: float = Field(
        description="Level (RMS, without DC) of the sound since the decision before, in dB relative to a full-scale sine (AES17).",
        examples=[-31.5],
    )
    lasting_share: float | None = Field(default=None, ge=0, le=1, description=_LASTING, examples=[0.85])
    evidence: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Evidence for a change, from 0 to 1, at which the alarm is raised; while it is active, evidence that holds it: at 0 it "
        "ends. Null for a policy of thresholds.",
        examples=[0.12],
    )
    clipped: bool = Field(default=False, description="Whether samples of the clip are at full scale.")
    level_change_db: float = Field(
        default=0.0, description="Change of the level from the calibration, in dB, that counts as normal since a step (`level_changed`)."
    )
    state: AlarmState = Field(description="State of the alarm after this decision.")
    operating_state: str | None = Field(
        default=None,
        description="What the machine does: `off`, `starting`, `running`, `stopping`, or `unknown` for sound in no calibrated state; "
        "`running_1`, `running_2` where there are several, from the quietest. Null with bundles of format 2.",
        examples=["running"],
    )
    in_grace: bool = Field(default=False, description="Whether the machine has just started, or changed its load.", examples=[False])


class Alarm(Payload):
    """The alarm's present state."""

    KIND = "alarm"
    schema_: Literal["aegan.alarm/1"] = Field(default="aegan.alarm/1", alias="schema", description=SCHEMA_WORDS)
    state: AlarmState = Field(
        description="`pending`: the sound speaks for an alarm, but not enough yet (evidence, on-delay); `clearing`: it speaks against it, "
        "but not enough yet.",
        examples=["alarm"],
    )
    isa_state: IsaState = Field(
        default="normal",
        description="State of the alarm in the words of ISA-18.2. `cleared_unacknowledged`: the machine sounds normal again, and the "
        "alarm waits for a person, because `alarm.latched` is set.",
        examples=["active_unacknowledged"],
    )
    active: bool = Field(
        description="An alarm was raised, has not ended, and is neither shelved nor out of service. A latched alarm ends with its "
        "acknowledgement.",
        examples=[True],
    )
    since: UtcTime = Field(description="When this state began.")
    score: float = Field(description="Score of the last decision; 0 before the first.", examples=[2.5])
    threshold: float = Field(description="Its threshold; 0 before the first decision.", examples=[2.0])
    event_id: str | None = Field(description="The id of the last event, null before the first.", examples=[_ID])
    alarm_id: str | None = Field(
        default=None, description="The id of the event that raised the present alarm; null if there is none.", examples=[_ID]
    )
    acknowledged: bool = Field(
        default=False,
        description="A person has acknowledged the present alarm. A shelf keeps this; a new alarm begins as not acknowledged.",
    )
    shelved_until: UtcTime | None = Field(
        default=None, description="Until then it is shelved: `state` goes on, `active` is false; null if it is not.", examples=[None]
    )
    out_of_service: bool = Field(
        default=False, description="It is out of service until a person ends that: `state` goes on, `active` is false."
    )
    case: Case | None = Field(default=None, description="The case of the present alarm; null if there is none.")
    link: str | None = Field(default=None, description=_LINK, examples=[_LINK_EXAMPLE])
    confirmed: bool = Field(
        default=True,
        description="A decision since the start stands behind this state; false after a start, reload or reboot until the first decision: "
        "then this is the state from before.",
        examples=[True],
    )
    measured_at: UtcTime | None = Field(
        default=None, description="When the last decision fell on which this state rests, to a minute; null before the first."
    )


class Event(Payload):
    """Each change of an alarm, and each command that changed it."""

    KIND = "event"
    LATER = frozenset({"active", "case", "clipped", "explanation", "link", "proved_per_week"})
    schema_: Literal["aegan.event/1"] = Field(default="aegan.event/1", alias="schema", description=SCHEMA_WORDS)
    id: str = Field(min_length=1, description="A UUID; a message that arrives twice carries the same one.", examples=[_ID])
    sequence: NonNegativeInt = Field(description="Counts the events of one machine without a hole, over restarts too.", examples=[1])
    kind: EventKind = Field(
        description="What happened. `cleared`: decisions found the machine normal. An alarm ends without a decision in three ways: "
        "`closed` by a command, `superseded` by another bundle, score or threshold, `removed` with its machine. `shelved` and "
        "`out_of_service` suppress it."
    )
    active: bool = Field(
        description="Whether an alarm is active after it; an event that an older version has left in the outbox lacks it: "
        "then one is after `raised`, and none after `cleared`.",
        examples=[True],
    )
    time: UtcTime = Field(description="When it happened, by the wall clock; if a decision led to it, when the sound for it was heard.")
    sample: NonNegativeInt = Field(
        description="Index of the sample at which it happened, since the capture opened; 0 if it happened by a restart.", examples=[160_000]
    )
    cause: str = Field(
        description="One sentence for people: what changed in the sound; by whom and why, if a command said so.",
        examples=["4.47 to 4.90 kHz louder than ever, by 14 dB, 13 times the usual deviation; lasting; since 08:12 UTC"],
    )
    explanation: Explanation | None = Field(default=None, description="What changed, for `raised`; else null.", examples=[EXAMPLE])
    score_id: str = Field(description="The score that decides.", examples=["D_maha"])
    score: float = Field(description="Its value then, without a unit.", examples=[2.5])
    threshold: float = Field(description="What it was held against.", examples=[2.0])
    proved_per_week: float | None = Field(
        default=None, description="How far the budget of false alarms was proved then, as in health; null: unproved.", examples=[21.0]
    )
    duration_s: NonNegativeFloat | None = Field(
        description="Seconds from `raised` to the end of the alarm that ends with this event; null if none does. That of a latched alarm "
        "stands in its `cleared`.",
        examples=[None],
    )
    case: Case | None = Field(
        default=None, description="The case that the event belongs to; null if there is none, and in an event of an older version."
    )
    clipped: bool = Field(default=False, description="Whether a decision led to it, and samples of its clip are at full scale.")
    link: str | None = Field(default=None, description=_LINK, examples=[_LINK_EXAMPLE])


class Sensor(Payload):
    """Whether the machine can be heard."""

    KIND = "sensor"
    schema_: Literal["aegan.sensor/1"] = Field(default="aegan.sensor/1", alias="schema", description=SCHEMA_WORDS)
    state: str = Field(
        pattern="^[a-z][a-z_]*$",
        description="`ok`, or a fault such as `missing`, `stalled`, `silent` or `inference` (sound cannot be scored); others may join.",
        examples=["missing"],
    )
    detail: str = Field(
        description="One line for people: what is wrong and what to do; empty for `ok`.",
        examples=["no such device: mic; list them with aegan-monitor devices"],
    )
    since: UtcTime = Field(description="When this began.")
    level_change_db: float | None = Field(
        default=None,
        description="For `level_changed`: the step in dB from the sound before it, negative where the sound is quieter; else null.",
        examples=[None],
    )


PAYLOADS: tuple[type[Payload], ...] = (Health, Score, Alarm, Event, Sensor, Command, Result)
