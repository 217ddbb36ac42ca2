"""What the monitor says about each episode of a stream: the daemon's own line of one machine, as fast as it goes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from aegan_monitor.alarm.lifecycle import AlarmRecord
from aegan_monitor.audio.file import FileCapture
from aegan_monitor.config.alarm import AlarmConfig
from aegan_monitor.config.model import InferenceConfig, MachineConfig
from aegan_monitor.messages import payloads
from aegan_monitor.messages.command_payloads import Command
from aegan_monitor.messages.model import Payload
from aegan_monitor.service.inference import Sessions
from aegan_monitor.service.runtime import Line, make_line
from aegan_monitor.types import DoubleArray, Run
from aegan_train.bench.sound.sounds import RATE_HZ
from simulation.episodes import GROUPS, Episode

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
RUN_S = 4.0  # the longest run that the ring delivers
WITHIN_S = (30.0, 60.0, 120.0)


@dataclass(slots=True)
class Verdict:
    """What was published from the beginning of an episode to the beginning of the next.

    Attributes:
        episode: None for the base before the first.
        onset_s: When it began, in seconds of the stream.
        is_active_before: An earlier alarm was active when it began.
        raised_s: When its first alarm was raised, in seconds of the stream.
        score, threshold: The highest of each.
        causes, faults: Of alarms that were raised, and of the sensor.
    """

    episode: Episode | None
    onset_s: float
    is_active_before: bool
    raised_s: float | None = None
    n_raised: int = 0
    n_cleared: int = 0
    score: float = 0.0
    threshold: float = 0.0
    causes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def is_hidden(self) -> bool:
        """An earlier alarm was active, and this sound raised no alarm. Without the earlier one it might have."""
        return self.is_active_before and self.n_raised == 0

    @property
    def delay_s(self) -> float | None:
        """From the onset to the first alarm."""
        return None if self.raised_s is None else self.raised_s - self.onset_s


class Listener:
    """Hears one stream, and sorts what is published by episodes."""

    def __init__(self, bundle: Path, alarm: AlarmConfig | None = None, *, closes: bool = False) -> None:
        """Build the line of one machine; the default settings where `alarm` is None.

        With `closes` a person closes the alarm that is active when an episode begins, so that it hides nothing.

        Raises:
            AeganError: The bundle cannot be used.
            ValueError: It is of another sample rate than the sounds.
        """
        config = MachineConfig(name="machine", bundle=bundle, alarm=alarm or AlarmConfig())
        self._line: Line = make_line(config, Sessions(InferenceConfig()), lambda _, rate_hz: FileCapture([], rate_hz))
        if self._line.sample_rate_hz != RATE_HZ:
            raise ValueError(
                f"{bundle}: expected a sample rate of {RATE_HZ} Hz, found {self._line.sample_rate_hz}; train one at {RATE_HZ} Hz"
            )
        self._line.machine.begin(BEGIN, 0.0, AlarmRecord())
        self._is_active, self._closes = False, closes
        self._n_heard = 0
        self.verdicts: list[Verdict] = []

    @property
    def heard_s(self) -> float:
        """Seconds of sound so far."""
        return self._n_heard / self._line.sample_rate_hz

    def hear(self, stretches: Iterable[tuple[Episode | None, DoubleArray]]) -> list[Verdict]:
        """Hear all stretches, which are one stream; a verdict each for the first base and for every episode."""
        for episode, samples in stretches:
            if episode and self._closes and self._is_active:
                self._close()
            if episode or not self.verdicts:
                self.verdicts.append(Verdict(episode, self.heard_s, self._is_active))
            for payload in self._score(samples.astype(np.float32)):
                self._note(payload, self.verdicts[-1])
        return self.verdicts

    def _score(self, samples: np.ndarray) -> Iterator[Payload]:
        n_run = round(RUN_S * self._line.sample_rate_hz)
        for start in range(0, len(samples), n_run):
            part = samples[start : start + n_run]
            run = Run(part, self._n_heard)
            self._n_heard += len(part)
            yield from self._line.hear(run, BEGIN + timedelta(seconds=self.heard_s), self.heard_s)
            assert self._line.retry.error is None, self._line.retry.error

    def _close(self) -> None:
        command = Command(command="close")
        for payload in self._line.machine.obey(command, BEGIN + timedelta(seconds=self.heard_s), self.heard_s):
            self._note(payload, self.verdicts[-1])

    def _note(self, payload: Payload, verdict: Verdict) -> None:
        if isinstance(payload, payloads.Score):
            verdict.score = max(verdict.score, payload.score)
            verdict.threshold = max(verdict.threshold, payload.threshold)
        elif isinstance(payload, payloads.Sensor) and payload.state != "ok":
            verdict.faults.append(payload.state)
        elif isinstance(payload, payloads.Event):
            if payload.active and not self._is_active:
                verdict.n_raised += 1
                verdict.causes.append(payload.cause)
                if verdict.raised_s is None:
                    verdict.raised_s = payload.sample / self._line.sample_rate_hz
            verdict.n_cleared += payload.kind == "cleared"
            self._is_active = payload.active


def describe(verdicts: Sequence[Verdict]) -> list[str]:
    """A table of the verdicts, and a line for each group."""
    lines = [f"{'onset':>8}  {'what':32} {'lasts':>7}  {'alarm':>8}  {'raised/cleared':>14}  {'score/threshold':>15}  said"]
    for each in verdicts:
        name, lasts = (each.episode.name, f"{each.episode.n_samples / RATE_HZ:.1f} s") if each.episode else ("base before the first", "")
        alarm = f"{each.delay_s:+.0f} s" if each.delay_s is not None else "before" if each.is_active_before else "-"
        said = "; ".join([*each.causes[:1], *(f"sensor {fault}" for fault in each.faults)])
        ratio = each.score / each.threshold if each.threshold else 0.0
        lines.append(
            f"{each.onset_s:7.0f}s  {name:32} {lasts:>7}  {alarm:>8}  {each.n_raised:>6}/{each.n_cleared:<7}  {ratio:>15.2f}  {said}"
        )
    for group, words in GROUPS.items():
        of_group = [each for each in verdicts if each.episode and each.episode.group == group]
        if of_group:
            delays_s = [each.delay_s for each in of_group if each.delay_s is not None]
            within = ", ".join(f"{sum(delay_s <= limit_s for delay_s in delays_s)} within {limit_s:.0f} s" for limit_s in WITHIN_S)
            hidden = f"; {n_hidden} hidden by an earlier alarm" if (n_hidden := sum(each.is_hidden for each in of_group)) else ""
            lines.append(f"{words}: {len(delays_s)} of {len(of_group)} alarmed ({within}){hidden}")
    return lines
