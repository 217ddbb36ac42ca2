"""Sound that raises or clears the demo's alarm at every single decision: hundreds of events in seconds, each exactly foreseen."""

import numpy as np

from aegan_monitor.detection.baselines import make_baseline_filterbank
from aegan_monitor.detection.bundle import demo_bundle, load_bundle
from aegan_monitor.detection.features import LogMel
from aegan_monitor.detection.fusion import needed_graphs
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.detection.threshold import make_threshold
from aegan_monitor.detection.views import summarise
from aegan_monitor.inference.onnx_runtime import OrtSession
from aegan_monitor.types import DoubleArray, FloatArray

SCORE = "C_linear_euclidean"  # a control: no network has to be computed
QUANTILE, MARGIN = 0.5, 0.0  # one threshold, for raising and for clearing
HOP_SAMPLES = 32 * 512  # a decision's
ALARM = f"{{quantile: {QUANTILE}, margin: {MARGIN}, on_delay_s: 0, off_delay_s: 0}}"
N_CORRECTIONS = 12
STEP_DB = 20.0  # between the two halves of the loop


class AlternatingSound:
    """A loop of two decision hops, s16le in `pcm`, whose scores lie above the threshold and below it in turn.

    A clip covers nine and a half hops, so one half of the loop always weighs a little more than the other. The loop is noise with
    the mean spectrum of a normal clip, and its level is chosen so that the threshold lies between the two.
    """

    def __init__(self) -> None:
        bundle = load_bundle(demo_bundle())
        self._record, self._reference = bundle.record, bundle.reference
        self._session = OrtSession(bundle, needed_graphs(bundle.record, SCORE))
        self.threshold = make_threshold(bundle.record, SCORE, QUANTILE, MARGIN).on
        loop = self._shape_noise()
        gain_db = self._find_gain_db(loop)
        samples = self._step(loop, gain_db)
        self.scores = self._score(samples)
        assert min(self.scores) < 0.95 * self.threshold < 1.05 * self.threshold < max(self.scores), (self.scores, self.threshold)
        self.pcm = np.round(samples * 32768).astype("<i2").tobytes()

    def _shape_noise(self) -> DoubleArray:
        """Noise that repeats after two hops, with the mean bands (in dB) of the first normal clip."""
        loop = np.random.default_rng(0).normal(0, 0.01, 2 * HOP_SAMPLES)
        target = self._reference.baseline_clips[0, 0]  # linear bands
        frequencies = np.linspace(0, 1, HOP_SAMPLES + 1)
        centres = (np.arange(len(target)) + 1) / (len(target) + 1)
        for _ in range(N_CORRECTIONS):
            missing_db = np.interp(frequencies, centres, target - self._bands(loop))
            loop = np.fft.irfft(np.fft.rfft(loop) * 10 ** (missing_db / 20))
        return loop

    def _find_gain_db(self, loop: DoubleArray) -> float:
        """The gain at which the threshold lies between the two scores."""
        low, high = 0.0, 20.0
        for _ in range(30):
            middle = (low + high) / 2
            if np.mean(self._score(self._step(loop, middle))) < self.threshold:
                low = middle
            else:
                high = middle
        return low

    @staticmethod
    def _step(loop: DoubleArray, gain_db: float) -> FloatArray:
        steps_db = np.repeat([gain_db + STEP_DB / 2, gain_db - STEP_DB / 2], HOP_SAMPLES)
        return (loop * 10 ** (steps_db / 20)).astype(np.float32)

    def _score(self, loop: FloatArray) -> list[float]:
        pipeline = Pipeline(self._record, self._reference, self._session, [SCORE])
        return [clip.scores[SCORE] for _ in range(7) for clip in pipeline.push(loop)][-2:]

    def _bands(self, loop: DoubleArray) -> DoubleArray:
        features = self._record.features
        logmel = LogMel(features, self._reference.filterbank, make_baseline_filterbank(features))
        bands: DoubleArray = summarise(logmel.push(np.tile(loop, 5).astype(np.float32)).baseline_db).mean[0]
        return bands
