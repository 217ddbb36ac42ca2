"""Recordings through the same line as live sound: as one stream, or each as a clip of its own."""

import contextlib
import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aegan_monitor.alarm.machine import Judge
from aegan_monitor.audio.file import FileCapture, read_recording
from aegan_monitor.config.model import AlarmConfig
from aegan_monitor.detection.bundle import Bundle, require_streamable
from aegan_monitor.detection.network import Session
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.detection.policy import ThresholdPolicy
from aegan_monitor.errors import AeganError, CaptureError

Write = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Replay:
    """What `aegan-monitor replay` works with."""

    bundle: Bundle
    session: Session
    score: str
    alarm: AlarmConfig

    def clips(self, paths: Iterable[Path], tell: Write, record: Write) -> None:
        """Score each recording as one clip of its own.

        Args:
            paths: WAV or FLAC.
            tell: Takes lines for people.
            record: Takes one JSON object a clip: `file`, `scores` keyed by their ids, `exceeded`.

        Raises:
            CaptureError: A recording is not what the bundle was trained on.
        """
        record_of = self.bundle.record
        pipeline = Pipeline(record_of, self.bundle.reference, self.session)
        policy = ThresholdPolicy(record_of, self.score, self.alarm.quantile, self.alarm.margin)
        tell(policy.describe())
        n_clips = n_exceeded = 0
        for path in paths:
            scores = pipeline.score_clip(read_recording(path, record_of.features.sample_rate_hz), str(path))
            exceeded = policy.decide(scores[self.score], active=False).exceeded
            n_clips += 1
            n_exceeded += exceeded
            tell(f"{scores[self.score]:10.4g}  {'exceeded' if exceeded else 'normal':<8}  {path}")
            record(json.dumps({"file": str(path), "scores": scores, "exceeded": exceeded}, allow_nan=False))
        tell(f"{n_exceeded} of {n_clips} clips exceeded the threshold")

    def stream(self, paths: list[Path], tell: Write, record: Write) -> None:
        """Join the recordings into one stream, as fast as it goes; decisions and alarms as in the field.

        Args:
            paths: WAV or FLAC.
            tell: Takes lines for people.
            record: Takes one JSON object a decision: sample time, all `scores`, decision and alarm state.

        Raises:
            BundleError: The bundle's features need whole clips.
            CaptureError: A recording is not what the bundle was trained on, or all are too short for one decision.
        """
        fields = self.bundle.record
        require_streamable(self.bundle)
        rate = fields.features.sample_rate_hz
        pipeline = Pipeline(fields, self.bundle.reference, self.session)
        judge = Judge(fields, self.score, self.alarm)
        capture = FileCapture(paths, rate, pace="fast")
        capture.open()
        n_samples = n_decisions = n_exceeded = n_alarms = 0
        try:
            while (block := capture.read()) is not None:
                n_samples += len(block.samples)
                for clip in pipeline.push(block.samples):
                    outcome = judge.judge(clip)
                    decision, at_s = outcome.decision, clip.end_sample / rate
                    n_decisions += 1
                    n_exceeded += decision.exceeded
                    for transition in outcome.transitions:
                        if transition.event:
                            n_alarms += transition.event == "raised"
                            relation = f"{self.score} {decision.score:.4g}, threshold {decision.threshold:.4g}"
                            tell(f"{at_s:9.2f} s  alarm {transition.event}: {relation}")
                    line = {
                        "sample": clip.end_sample,
                        "stream_s": at_s,
                        "scores": clip.scores,
                        "normalised": decision.normalised,
                        "threshold": decision.threshold,
                        "exceeded": decision.exceeded,
                        "level_dbfs": clip.level_dbfs,
                        "state": judge.alarm.state,
                    }
                    record(json.dumps(line, allow_nan=False))
        finally:
            capture.close()
        if n_decisions == 0:
            least_s = fields.first_decision_samples / rate
            raise CaptureError(
                f"{capture.describe()}: expected at least {least_s:.2f} s for one decision, found {n_samples / rate:.2f} s; "
                "name more recordings, or use --clips"
            )
        counts = f"{n_decisions} decisions, {n_exceeded} exceeded, {n_alarms} alarms"
        tell(f"{n_samples / rate:.1f} s of sound, {counts}; ends {judge.alarm.state}")


@contextlib.contextmanager
def open_lines(path: Path | None) -> Iterator[Callable[[str], object]]:
    """A function that writes lines to `path`; a file appears when all of them are there. Without a path they go nowhere.

    A pipe or device takes each line as it comes, and a link stays one.

    Raises:
        AeganError: The file cannot be written.
    """
    if path is None:
        yield lambda _: None
        return
    target = path.resolve()
    is_stream = target.exists() and not target.is_file() and not target.is_dir()
    written = target if is_stream else target.with_name(f".{target.name}.{os.getpid()}")
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        file = written.open("w", encoding="utf-8", buffering=1 if is_stream else -1)
    except OSError as error:
        raise AeganError(f"{path}: cannot be written: {error.strerror}; choose another --jsonl") from error
    try:
        with file:
            yield lambda line: file.write(line + "\n")
        if not is_stream:
            written.replace(target)
    finally:
        if not is_stream:
            written.unlink(missing_ok=True)
