"""Recordings through the same line as live sound: as one stream, or each as a separate clip."""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from aegan_monitor.alarm.judge import Judge, Outcome
from aegan_monitor.audio.recording import read_recording
from aegan_monitor.config.alarm import AlarmConfig
from aegan_monitor.config.model import InferenceConfig, find_machine, load_config
from aegan_monitor.decision.budget import ONE_A_WEEK, Budget
from aegan_monitor.decision.sound.cause import describe_cause
from aegan_monitor.decision.threshold_policy import ThresholdPolicy
from aegan_monitor.detection.bundle import Bundle, load_bundle
from aegan_monitor.detection.network import Session
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.errors import EXIT_FAILED, AeganError, CaptureError, UsageError
from aegan_monitor.files import show_path
from aegan_monitor.inference.choice import open_wanted
from aegan_monitor.service.build import share
from aegan_monitor.service.runtime import choose_score
from aegan_monitor.tools.daemon_state import read_prepared
from aegan_monitor.tools.joined_recordings import JoinedRecordings
from aegan_monitor.tools.json_lines import open_lines
from aegan_monitor.tools.progress import Progress
from aegan_monitor.tools.recorded_stream import RecordedStream
from aegan_monitor.types import ClipScore

Write = Callable[[str], object]


def replay_recordings(
    arguments: argparse.Namespace, report: Write, warn: Callable[[AeganError], object], progress: Progress, environment: Mapping[str, str]
) -> int:
    """Replay with the bundle, or as a machine of the configuration; returns the exit code.

    Raises:
        UsageError, ConfigError, BundleError, InferenceError: As the parts raise.
    """
    config = load_config(arguments.config) if arguments.config else None
    if config:
        machine, inference = find_machine("replay", arguments.config, config.machines, arguments.machine), config.inference
        bundle = load_bundle(machine.bundle)
        score, alarm, budget = choose_score(machine, bundle), machine.alarm, share(config)[machine.name]
        report(f"{arguments.config}: machine {machine.name}, bundle {machine.bundle}, score {score}")
    elif arguments.machine is not None:
        raise UsageError("replay: --machine needs --config FILE; leave it out, or give --config instead of --bundle")
    else:
        bundle, inference = load_bundle(arguments.bundle), InferenceConfig(providers=["cpu"], precision="fp32")
        score, alarm, budget = bundle.record.score, AlarmConfig(), ONE_A_WEEK
    session = open_wanted(bundle, inference, read_prepared(config, environment))
    with open_lines(arguments.jsonl) as record:
        replay = Replay(bundle, session, score, alarm, arguments.channel, report, warn, record, progress, budget)
        return replay.clips(arguments.files) if arguments.clips else replay.stream(arguments.files)


@dataclass(slots=True)
class Replay:
    """What `aegan-monitor replay` works with.

    Attributes:
        budget: False alarms that are accepted.
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
    budget: Budget = ONE_A_WEEK
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
        judge = Judge(self.bundle.record, self.score, self.alarm, self.budget, self.bundle.reference)
        stream = RecordedStream(self.bundle, self.session, judge, paths, self.channel, self._refuse, self.progress)
        if not stream.paths:
            return EXIT_FAILED  # a line for each was printed
        source = stream.source
        counts = dict.fromkeys(("decisions", "exceeded", "alarms"), 0)
        for outcome in stream.read(self._report, "name more recordings, or use --clips"):
            counts["decisions"] += 1
            counts["exceeded"] += outcome.decision.exceeded
            for transition in outcome.transitions:
                if transition.event:
                    counts["alarms"] += transition.event == "raised"
                    self._report(self._describe_event(transition.event, outcome, source))
            self._record_decision(outcome, judge.record.process, source)
        counted = ", ".join(f"{n} {what}" for what, n in counts.items())
        if stream.n_withheld:
            counted += f", {stream.n_withheld} clips not judged because of the microphone"
        length_s = source.n_samples / source.sample_rate_hz
        self._report(f"{length_s:.1f} s of sound, {counted}; ends {judge.record.process}")
        return EXIT_FAILED if self.n_refused else 0

    def _report(self, line: str) -> None:
        self.progress.clear()
        self.report(line)

    def _refuse(self, error: CaptureError) -> None:
        self.progress.clear()
        self.n_refused += 1
        self.warn(error)

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
