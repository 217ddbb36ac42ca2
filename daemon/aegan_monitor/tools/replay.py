"""Recordings through the same line as live sound: as one stream, or each as a separate clip."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from aegan_monitor.alarm.judge import Judge, Outcome
from aegan_monitor.audio.recording import Recording, read_recording
from aegan_monitor.config.alarm import AlarmConfig
from aegan_monitor.config.model import OperatingStateConfig
from aegan_monitor.decision.sound.cause import describe_cause
from aegan_monitor.decision.sound.integrity import Integrity
from aegan_monitor.decision.sound.states import StateTracker
from aegan_monitor.decision.threshold_policy import ThresholdPolicy
from aegan_monitor.detection.bundle import Bundle, require_streamable
from aegan_monitor.detection.network import Session
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.errors import EXIT_FAILED, AeganError, CaptureError
from aegan_monitor.files import show_path
from aegan_monitor.service.runtime import make_tracker
from aegan_monitor.tools.joined_recordings import JoinedRecordings
from aegan_monitor.tools.progress import Progress
from aegan_monitor.types import ClipScore, Run

Write = Callable[[str], object]


@dataclass(slots=True)
class Replay:
    """What `aegan-monitor replay` works with.

    Attributes:
        channel: Channel of the files, from 0; None expects files of one channel.
        report: Takes a line of the result.
        warn: Takes the error of a file that is refused; the others are replayed.
        record: Takes one JSON object a clip or decision.
    """

    bundle: Bundle
    session: Session
    score: str
    alarm: AlarmConfig
    channel: int | None
    report: Write
    warn: Callable[[AeganError], object]
    record: Write
    progress: Progress
    n_refused: int = field(default=0, init=False)

    def clips(self, paths: Sequence[Path]) -> int:
        """Score each recording as one clip; the exit code, 1 where one was refused."""
        fields = self.bundle.record
        pipeline = Pipeline(fields, self.bundle.reference, self.session)
        policy = ThresholdPolicy(fields, self.score, self.alarm.quantile, self.alarm.margin, self.alarm.place)
        self._report(policy.describe())
        n_clips = n_exceeded = 0
        for place, path in enumerate(paths):
            self.progress.show(place / len(paths))
            try:
                samples = read_recording(path, fields.features.sample_rate_hz, self.channel)
                if samples.min() == samples.max():
                    raise CaptureError(f"{show_path(path)}: expected sound, found only the value {samples[0]:g}; check the microphone")
                scores, lasting_share = pipeline.examine_clip(samples, show_path(path))
            except CaptureError as error:
                self._refuse(error)
                continue
            exceeded = policy.decide(ClipScore(0, scores, 0.0, lasting_share), is_active=False, new_samples=0).exceeded
            n_clips += 1
            n_exceeded += exceeded
            self._report(f"{scores[self.score]:10.4g}  {'exceeded' if exceeded else 'normal':<8}  {show_path(path)}")
            line = {"file": str(path), "scores": scores, "exceeded": exceeded, "lasting_share": lasting_share}
            self.record(json.dumps(line, allow_nan=False))
        self._report(f"{n_exceeded} of {n_clips} clips exceeded the threshold")
        return EXIT_FAILED if self.n_refused else 0

    def stream(self, paths: Sequence[Path]) -> int:
        """Join the recordings into one stream, as fast as it goes; decisions and alarms as in the field.

        Returns:
            The exit code, 1 where a recording was refused.

        Raises:
            BundleError: The bundle's features need whole clips.
            CaptureError: All recordings together are too short for one decision.
        """
        fields, rate = self.bundle.record, self.bundle.record.features.sample_rate_hz
        require_streamable(self.bundle)
        pipeline = Pipeline(fields, self.bundle.reference, self.session)
        judge = Judge(fields, self.score, self.alarm, reference=self.bundle.reference)
        states = make_tracker(fields, OperatingStateConfig())
        integrity = Integrity(rate, fields.first_decision_samples, fields.normal_sound)
        sizes = {path: size for path in dict.fromkeys(paths) if (size := self._measure(path, rate))}
        paths = [path for path in paths if path in sizes]
        if not paths:
            return EXIT_FAILED  # a line for each was printed
        n_total = sum(sizes[path] for path in paths)
        source = JoinedRecordings(paths, rate, self.channel, self._refuse)
        counts = dict.fromkeys(("decisions", "exceeded", "alarms"), 0)
        n_unbroken = n_longest = n_withheld = 0
        for run in source.read(self._report):
            self.progress.show(run.start_sample / n_total)
            if run.after_gap:
                pipeline.reset(run.start_sample)
                n_unbroken = 0
            n_unbroken += len(run.samples)
            n_longest = max(n_longest, n_unbroken)
            self._examine(run, states, integrity, source)
            for clip in pipeline.push(run.samples):
                if not integrity.trusts(clip.end_sample):
                    n_withheld += 1
                    continue
                outcome = judge.judge(clip, state=states.at(clip.end_sample) if states else None)
                counts["decisions"] += 1
                counts["exceeded"] += outcome.decision.exceeded
                for transition in outcome.transitions:
                    if transition.event:
                        counts["alarms"] += transition.event == "raised"
                        self._report(self._describe_event(transition.event, outcome, source))
                self._record_decision(outcome, judge.record.process, source)
        self.progress.clear()
        if counts["decisions"] + n_withheld == 0:
            least_s = fields.first_decision_samples / rate
            raise CaptureError(
                f"all recordings together: expected at least {least_s:.2f} s of sound without a pause for one decision, "
                f"found {n_longest / rate:.2f} s (length {source.n_samples / rate:.2f} s); name more recordings, or use --clips"
            )
        counted = ", ".join(f"{n} {what}" for what, n in counts.items())
        if n_withheld:
            counted += f", {n_withheld} clips not judged because of the microphone"
        self._report(f"{source.n_samples / rate:.1f} s of sound, {counted}; ends {judge.record.process}")
        return EXIT_FAILED if self.n_refused else 0

    def _report(self, line: str) -> None:
        self.progress.clear()
        self.report(line)

    def _refuse(self, error: CaptureError) -> None:
        self.progress.clear()
        self.n_refused += 1
        self.warn(error)

    def _measure(self, path: Path, sample_rate_hz: int) -> int:
        """Samples of a recording, or a guess where its header does not say; 0 where it is refused."""
        try:
            with Recording(path, sample_rate_hz, self.channel) as recording:
                recording.read(1)
                return recording.n_samples or path.stat().st_size
        except CaptureError as error:
            self._refuse(error)
            return 0

    def _examine(self, run: Run, states: StateTracker | None, integrity: Integrity, source: JoinedRecordings) -> None:
        """Follow the operating state, and report where a fault of the microphone begins and ends."""
        if states:
            states.hear_run(run)
        before = integrity.fault
        integrity.hear(run)
        if (fault := integrity.fault) is not before:
            state = f"sensor {fault.state}: {fault.detail}" if fault else "sensor ok"
            self._report(f"{source.describe_place(run.start_sample + len(run.samples))}  {state}")

    def _describe_event(self, event: str, outcome: Outcome, source: JoinedRecordings) -> str:
        at, decision = outcome.clip.end_sample, outcome.decision
        cause = describe_cause(outcome.cause and replace(outcome.cause, since=None))  # recordings have no wall clock
        numbers = f"{self.score} {decision.score:.4g}, threshold {decision.threshold:.4g}"
        return f"{source.describe_place(at)}  alarm {event}: {cause} ({numbers})"

    def _record_decision(self, outcome: Outcome, state: str, source: JoinedRecordings) -> None:
        clip, decision = outcome.clip, outcome.decision
        path, offset_s = source.find(clip.end_sample)
        line = {
            "sample": clip.end_sample,
            "stream_s": clip.end_sample / source.sample_rate_hz,
            "file": str(path),
            "offset_s": offset_s,
            "scores": clip.scores,
            "normalised": decision.normalised,
            "threshold": decision.threshold,
            "exceeded": decision.exceeded,
            "level_dbfs": clip.level_dbfs,
            "lasting_share": clip.lasting_share,
            "state": state,
            "operating_state": outcome.state.name if outcome.state else None,
            "in_grace": outcome.state is not None and outcome.state.in_grace,
        }
        self.record(json.dumps(line, allow_nan=False))
