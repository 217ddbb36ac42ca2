"""Configuration of the evidence of alarms."""

from typing import Self

from pydantic import Field, model_validator

from aegan_monitor.config.validation import ConfigPath, Settings


class EvidenceConfig(Settings):
    """Sound, a picture and the scores of each alarm, in a folder."""

    path: ConfigPath | None = Field(default=None, description="Folder; null is evidence-<node> beside the file of the outbox.")
    max_mb: float = Field(
        default=500.0,
        ge=0,
        le=1_000_000,
        description="Size of the folder, in megabytes; beyond it cases are deleted, false alarms first and true faults last. One alarm "
        "takes about 3. 0: no evidence is kept.",
    )
    min_free_mb: float = Field(
        default=500.0, ge=0, le=1_000_000, description="Megabytes of the disk that stay free; with less, nothing is written."
    )
    keep_days: float = Field(
        default=90.0,
        gt=0,
        le=100_000,
        description="Days for which a case is kept: a quarter of it after the verdict `false_alarm`, a half after `other` and "
        "`maintenance`, four times as long after `true_fault`. The case of an active alarm is never deleted.",
    )
    privacy: bool = Field(
        default=False,
        description="True keeps pictures, scores and words, but no sound; the sound of earlier cases is deleted at the next start. "
        "A recording of people who speak is personal data: set it where you may not record them.",
    )
    mqtt_picture: bool = Field(
        default=False,
        description="True publishes a small picture of the last alarm of each machine on <base>/<machine>/picture (PNG, 100 KB at most).",
    )

    @model_validator(mode="after")
    def _need_evidence(self) -> Self:
        if self.mqtt_picture and not self.max_mb:
            raise ValueError("mqtt_picture is true, but max_mb: 0 keeps no evidence, so there is no picture; raise max_mb")
        return self

    def describe(self) -> str:
        """What is kept of an alarm, in one line for those who set the daemon up."""
        if not self.max_mb:
            return "evidence of alarms: none is kept (evidence.max_mb: 0)"
        if self.privacy:
            return "evidence of alarms: pictures, scores and words, no sound (evidence.privacy: true)"
        return (
            "evidence of alarms: 45 s of sound before and 60 s after each, and pictures; people who speak near the microphone are "
            "recorded, which is personal data: evidence.privacy: true keeps no sound"
        )
