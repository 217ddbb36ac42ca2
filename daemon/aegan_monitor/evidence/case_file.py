"""The file `case.json` of a case: words, scores, and what the sound files hold."""

from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveInt

from aegan_monitor.evidence.scores import ScoreTable
from aegan_monitor.messages.case import Case
from aegan_monitor.messages.explanation import Explanation
from aegan_monitor.messages.model import SCHEMA_WORDS, Model, UtcTime

SoundName = Literal["sound.flac", "sound_2.flac"]


class SoundEntry(Model):
    """A recording around one alarm of the case."""

    file: SoundName = Field(description="Its name; there is no such file in privacy mode, or if it could not be written.")
    event_id: str = Field(description="The id of the event `raised`.")
    began_at: UtcTime = Field(description="When the first sample was heard.")
    duration_s: NonNegativeFloat = Field(description="Length of the recording.")
    alarm_at_s: NonNegativeFloat = Field(description="Place of the alarm in the recording.")
    gaps_s: tuple[NonNegativeFloat, ...] = Field(description="Places before which sound was lost.")
    is_whole: bool = Field(description="Whether the sound after the alarm is in it.")


class CaseFile(Model):
    """Evidence of one case of one machine."""

    schema_: Literal["aegan.evidence/1"] = Field(default="aegan.evidence/1", alias="schema", description=SCHEMA_WORDS)
    machine: str = Field(description="Name of the machine.")
    case: Case = Field(description="The case as of its first recorded alarm.")
    cause: str = Field(description="The cause of that alarm in one sentence.")
    explanation: Explanation | None = Field(description="The same as fields; null if the bundle does not know.")
    sample_rate_hz: PositiveInt = Field(description="Of the sound files.")
    sounds: tuple[SoundEntry, ...] = Field(description="At most two: of the first alarm, and of the first that came back.")
    normal_at: UtcTime | None = Field(description="When normal.flac was heard; null if there is none.")
    normal_state: str | None = Field(description="Operating state in normal.flac; null if the bundle has none.")
    scores: ScoreTable = Field(description="The scores of the ten minutes up to the end of the first recording.")
