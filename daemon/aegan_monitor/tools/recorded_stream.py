"""Recordings as one stream through the same line as live sound: features, network, scores, decision, alarm."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from aegan_monitor.alarm.judge import Judge, Outcome
from aegan_monitor.audio.recording import Recording
from aegan_monitor.config.model import OperatingStateConfig
from aegan_monitor.decision.sound.integrity import Integrity
from aegan_monitor.detection.bundle import Bundle, require_streamable
from aegan_monitor.detection.network import Session
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.errors import CaptureError
from aegan_monitor.service.runtime import make_tracker
from aegan_monitor.tools.joined_recordings import JoinedRecordings
from aegan_monitor.tools.progress import Progress
from aegan_monitor.types import Run

OPERATING_STATE = OperatingStateConfig()


class RecordedStream:
    """Recordings joined to one stream, and the decisions about it, as fast as they go.

    Attributes:
        paths: The recordings that can be read.
        source: Has the file of each sample.
        judge: Has the alarm as the last decision left it.
        n_withheld: Clips that were not judged, because of a fault of the microphone.
    """

    def __init__(
        self,
        bundle: Bundle,
        session: Session,
        judge: Judge,
        paths: Sequence[Path],
        channel: int | None,
        refuse: Callable[[CaptureError], object],
        progress: Progress,
        operating_state: OperatingStateConfig = OPERATING_STATE,
    ) -> None:
        """Look at the header of each recording; `refuse` takes the error of one that cannot be read, now or later.

        Raises:
            BundleError: The bundle's features need whole clips.
        """
        require_streamable(bundle)
        self._fields, self._progress = bundle.record, progress
        self._pipeline = Pipeline(bundle.record, bundle.reference, session)
        rate = bundle.record.features.sample_rate_hz
        sizes = {path: size for path in dict.fromkeys(paths) if (size := measure_size(path, rate, channel, refuse))}
        self.paths = [path for path in paths if path in sizes]
        self._n_total = sum(sizes[path] for path in self.paths)
        self.source = JoinedRecordings(self.paths, rate, channel, refuse)
        self.judge, self.n_withheld = judge, 0
        self._states = make_tracker(bundle.record, operating_state)
        self._integrity = Integrity(rate, bundle.record.first_decision_samples, bundle.record.normal_sound)

    def read(self, report: Callable[[str], object], remedy: str = "name more recordings") -> Iterator[Outcome]:
        """The decisions; `report` takes a line for each silence of the sensor, and where a fault of the microphone begins and ends.

        Raises:
            CaptureError: All recordings together are too short for one decision (it ends with `remedy`), or show a fault of the microphone
                from begin to end.
        """
        n_unbroken = n_longest = n_decisions = 0
        for run in self.source.read(report):
            self._progress.show(run.start_sample / self._n_total)
            if run.after_gap:
                self._pipeline.reset(run.start_sample)
                n_unbroken = 0
            n_unbroken += len(run.samples)
            n_longest = max(n_longest, n_unbroken)
            for clip in self._pipeline.push(self._examine(run, report).samples):
                if self._integrity.trusts(clip.end_sample):
                    n_decisions += 1
                    yield self.judge.judge(clip, state=self._states.at(clip.end_sample) if self._states else None)
                else:
                    self.n_withheld += 1
        self._progress.clear()
        if n_decisions:
            return
        if self.n_withheld:
            raise CaptureError(
                f"all recordings together: no decision, because of the microphone ({self.n_withheld} clips were not judged); "
                "see the lines of the sensor, and record again"
            )
        rate = self.source.sample_rate_hz
        raise CaptureError(
            f"all recordings together: expected at least {self._fields.first_decision_samples / rate:.2f} s of sound without a pause "
            f"for one decision, found {n_longest / rate:.2f} s (length {self.source.n_samples / rate:.2f} s); {remedy}"
        )

    def _examine(self, run: Run, report: Callable[[str], object]) -> Run:
        """Follow the operating state and the faults of the microphone; the samples at the calibrated level."""
        before = self._integrity.fault
        plain = self._integrity.hear(run)
        if self._states:
            self._states.hear_run(plain, self._integrity.seconds)
        if (fault := self._integrity.fault) is not before:
            state = f"sensor {fault.state}: {fault.detail}" if fault else "sensor ok"
            report(f"{self.source.describe_place(run.start_sample + len(run.samples))}  {state}")
        return plain


def measure_size(path: Path, sample_rate_hz: int, channel: int | None, refuse: Callable[[CaptureError], object]) -> int:
    """Samples of a recording, or a guess where its header does not say; 0 where it is refused."""
    try:
        with Recording(path, sample_rate_hz, channel) as recording:
            recording.read(1)
            return recording.n_samples or path.stat().st_size
    except CaptureError as error:
        refuse(error)
        return 0
