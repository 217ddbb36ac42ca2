"""Computes the scores of clips from samples. Pure: no clock, thread, log or file."""

import copy
import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from aegan_monitor.detection.baselines import make_baseline_filterbank
from aegan_monitor.detection.features import LogMel, dbfs_from_power, limit_range
from aegan_monitor.detection.fusion import FUSIONS, fuse, needed_ids, score_names
from aegan_monitor.detection.network import Session
from aegan_monitor.detection.record import BundleFields
from aegan_monitor.detection.reference import ReferenceSet
from aegan_monitor.detection.scores import LASTING, ClipEvidence, evaluate_scores
from aegan_monitor.detection.segments import Columns, Segmenter, cut_segments
from aegan_monitor.detection.spaces import find_lasting_share
from aegan_monitor.detection.views import N_SCALE_BANDS, BandSummary, cut_pieces, summarise
from aegan_monitor.errors import CaptureError
from aegan_monitor.types import ClipScore, DoubleArray, FloatArray, SegmentOutputs


class Pipeline:
    """Log-mel, segments and scores of one stream.

    `push` takes a stream, `score_clip` a recording as one clip.

    Attributes:
        stride: Of a stream, the network evaluates one segment in so many: the last one of each decision is always among them. The mean of
            fewer segments estimates the same (`sum` is the mean times a constant); `min` and `max` are less extreme.
        n_left_out: Segments that it has not evaluated.
    """

    def __init__(self, fields: BundleFields, reference: ReferenceSet, session: Session, names: Iterable[str] | None = None) -> None:
        """Store; `names` are the scores to compute, all if None."""
        self.fields = fields
        self._reference = reference
        self._session = session
        self._names = score_names(fields) if names is None else list(names)
        self._score_ids = needed_ids(fields, self._names)
        self._needs_summary = any(score.graph is None for score in self._score_ids)
        self._lasting = reference.spaces.get(LASTING)
        baselines = make_baseline_filterbank(fields.features) if self._needs_summary or self._lasting else None
        self._n_baseline_bands = 0 if baselines is None else len(baselines)
        self._logmel = LogMel(fields.features, reference.filterbank, baselines)
        self._segmenter = Segmenter(fields.features.n_bands, fields.clip, fields.scaling)
        self.stride, self.n_left_out = 1, 0
        self.reset()

    def reset(self, start_sample: int = 0) -> None:
        """Start a new stream at `start_sample`; no clip spans the reset."""
        self._start_sample = start_sample
        self._logmel.reset()
        self._segmenter.reset()
        self._n_segments = 0
        self._outputs: list[SegmentOutputs] = []
        self._places: NDArray[np.intp] = np.zeros(0, np.intp)  # of the segments of these outputs, in the stream
        self._power: DoubleArray = np.zeros(0)
        self._baseline_db = Columns(self._n_baseline_bands)
        self._n_frames_forgotten = 0

    def fork(self) -> "Pipeline":
        """A pipeline for another stream of the same thread, with the same arrays, session and scratch memory (1.7 MB)."""
        found = copy.copy(self)
        found._logmel, found._segmenter = copy.copy(self._logmel), copy.copy(self._segmenter)
        found.stride, found.n_left_out = 1, 0
        found.reset()
        return found

    def push(self, samples: FloatArray) -> list[ClipScore]:
        """One score for each clip that `samples`, float32 `[n_samples]`, complete."""
        frames = self._logmel.push(samples)
        self._power = np.concatenate([self._power, frames.power])
        self._baseline_db.append(frames.baseline_db)
        segments = self._segmenter.push(frames.db)
        kept = self._choose(len(segments))
        if len(kept):
            self._outputs.append(self._session.infer(segments[kept] if len(kept) < len(segments) else segments))
            self._places = np.concatenate([self._places, self._n_segments + kept])
        self.n_left_out += len(segments) - len(kept)
        return self._join(len(segments)) if len(segments) else []

    def score_clip(self, samples: FloatArray, name: str = "the recording") -> dict[str, float]:
        """The scores of a recording (`name` in errors) as one clip; see `examine_clip`."""
        return self.examine_clip(samples, name)[0]

    def examine_clip(self, samples: FloatArray, name: str = "the recording") -> tuple[dict[str, float], float | None]:
        """(scores, lasting share) of a recording (`name` in errors) as one clip, with n_fft / 2 zeros at both ends.

        Raises:
            CaptureError: It is shorter than one segment.
        """
        segments, baseline_db = self.cut_clip(samples, name)
        bands = self._summarise(baseline_db)
        excess = self._find_excess(baseline_db, bands)
        scores = self._fuse(self._evaluate(self._session.infer(segments), bands))
        return scores, None if excess is None else find_lasting_share(excess)

    def cut_clip(self, samples: FloatArray, name: str = "the recording") -> tuple[FloatArray, FloatArray]:
        """The scaled segments and the baseline bands of a recording as one clip; errors as in `score_clip`."""
        self.reset()
        frames = self._logmel.transform_clip(samples)
        require_segment(self.fields, samples, frames.db, name)
        segments = cut_segments(self.fields.scaling.apply(limit_range(frames.db, self.fields.features.top_db)), self.fields.clip)
        return np.ascontiguousarray(segments), frames.baseline_db

    def _choose(self, n_new: int) -> NDArray[np.intp]:
        """Which of the next `n_new` segments the network evaluates."""
        clip = self.fields.clip
        step = math.gcd(self.stride, clip.segments_per_decision)
        return np.arange((clip.n_segments - 1 - self._n_segments) % step, n_new, step)

    def _join(self, n_new: int) -> list[ClipScore]:
        clip = self.fields.clip
        due = [
            n_seen
            for n_seen in range(max(self._n_segments + 1, clip.n_segments), self._n_segments + n_new + 1)
            if (n_seen - clip.n_segments) % clip.segments_per_decision == 0
        ]
        found = list[ClipScore]()
        if self._outputs:
            known = SegmentOutputs.join(self._outputs)
            bounds = [np.searchsorted(self._places, (n_seen - clip.n_segments, n_seen)).tolist() for n_seen in due]
            found = [self._score(known.rows(*each), n_seen) for each, n_seen in zip(bounds, due, strict=True)]
            n_old = int(np.searchsorted(self._places, self._n_segments + n_new - clip.n_segments))
            self._outputs, self._places = [known.rows(n_old, len(known))], self._places[n_old:]
        self._n_segments += n_new
        self._forget_frames()
        return found

    def _score(self, outputs: SegmentOutputs, n_seen: int) -> ClipScore:
        features, clip = self.fields.features, self.fields.clip
        n_frames = clip.segment_frames + (n_seen - 1) * clip.segment_hop_frames
        stop = n_frames - self._n_frames_forgotten
        level_dbfs = dbfs_from_power(float(self._power[max(0, stop - clip.decision_hop_frames) : stop].mean()))
        end_sample = self._start_sample + features.n_fft // 2 + (n_frames - 1) * features.hop_samples
        baseline_db = self._baseline_db.values[:, stop - clip.covered_frames : stop]
        bands = self._summarise(baseline_db)
        members, excess = self._evaluate(outputs, bands), self._find_excess(baseline_db, bands)
        return ClipScore(
            end_sample,
            self._fuse(members),
            level_dbfs,
            lasting_share=None if excess is None else find_lasting_share(excess),
            members=members,
            bands_db=baseline_db[:N_SCALE_BANDS].mean(axis=1, dtype=np.float64) if self._n_baseline_bands else None,
            excess=excess,
        )

    def _summarise(self, baseline_db: FloatArray) -> BandSummary | None:
        return summarise(baseline_db) if self._needs_summary else None

    def _evaluate(self, outputs: SegmentOutputs, bands: BandSummary | None) -> dict[str, float]:
        return evaluate_scores(ClipEvidence(outputs, bands), self._reference, self.fields.clip.n_segments, self._score_ids)

    def _fuse(self, members: Mapping[str, float]) -> dict[str, float]:
        fusion, fused = self.fields.fusion, self.fields.fused
        return {name: fuse(members, fusion, fused) if name in FUSIONS else members[name] for name in self._names}

    def _find_excess(self, baseline_db: FloatArray, bands: BandSummary | None) -> DoubleArray | None:
        if self._lasting is None:
            return None
        return self._lasting.excess(cut_pieces(baseline_db) if bands is None else bands.pieces)

    def _forget_frames(self) -> None:
        """Drop frames that no further clip covers."""
        clip = self.fields.clip
        next_clip = (self._n_segments + 1 - clip.n_segments) * clip.segment_hop_frames
        n_old = max(0, min(len(self._power), next_clip - self._n_frames_forgotten))
        self._power = self._power[n_old:]
        self._baseline_db.forget(n_old)
        self._n_frames_forgotten += n_old


def require_segment(fields: BundleFields, samples: FloatArray, db: FloatArray, name: str) -> None:
    """Refuse a recording (`name` in errors) whose frames `db` do not fill one segment.

    Raises:
        CaptureError: It is too short.
    """
    if db.shape[1] < fields.clip.segment_frames:
        least_s = (fields.clip.segment_frames - 1) * fields.features.hop_s
        found_s = len(samples) / fields.features.sample_rate_hz
        raise CaptureError(f"{name}: expected at least {least_s:.2f} s, found {found_s:.2f} s; record longer clips or remove it")
