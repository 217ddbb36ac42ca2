"""The built-in bundle hears the fault that a level meter misses."""

from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle, load_bundle
from aegan_monitor.detection.fusion import needed_graphs
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.detection.threshold import make_threshold
from aegan_monitor.inference.onnx_runtime import OrtSession

SECOND = 16_000
FAULTY = -2.0  # from before the beginning


def test_the_built_in_bundle_hears_what_the_level_does_not() -> None:
    """Every clip of faulty sound lies above the threshold, normal sound below it, on days that were not trained on."""
    bundle = load_bundle(demo_bundle())
    score = bundle.record.score
    session = OrtSession(bundle, needed_graphs(bundle.record, score))
    threshold = make_threshold(bundle.record, score, 0.99, 2.0).on

    def scores(pump: Pump) -> list[float]:
        pipeline = Pipeline(bundle.record, bundle.reference, session, [score])
        return [clip.scores[score] for clip in pipeline.push(pump.read(30 * SECOND))]

    for seed in range(3):
        assert max(scores(Pump(seed))) < threshold
        assert min(scores(Pump(seed, fault_from_s=FAULTY))) > threshold
