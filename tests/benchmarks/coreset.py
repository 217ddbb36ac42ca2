"""AUC and cost of a decision against the number of rows of the reference set, and the cost of grouping the clips.

.venv/bin/python tests/benchmarks/coreset.py [RUN DATA]     (RUN: of `aegan-train fit`; about ten minutes, most of it synthesis)
"""

import resource
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor

from aegan_monitor.audio.recording import read_recording
from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.baselines import make_baseline_filterbank
from aegan_monitor.detection.bundle import REFERENCE, demo_bundle, load_bundle
from aegan_monitor.detection.features import LogMel, limit_range
from aegan_monitor.detection.fusion import log_score
from aegan_monitor.detection.network import Session, empty_outputs
from aegan_monitor.detection.record import BundleFields
from aegan_monitor.detection.reference import DENSITY_FLOOR, N_LOF_NEIGHBOURS, ReferenceSet
from aegan_monitor.detection.scores import SCORE_IDS, ClipEvidence
from aegan_monitor.detection.segments import cut_segments
from aegan_monitor.detection.views import summarise
from aegan_monitor.inference.onnx_runtime import OrtSession
from aegan_monitor.types import FloatArray, SegmentOutputs
from aegan_train.calibration.coreset import group_clips, mean_of_groups
from aegan_train.calibration.statistics import ClipStatistics, fit_reference
from aegan_train.checkpoint import load_trained
from aegan_train.evaluate import load_fields
from aegan_train.recordings.folder import find_clips
from aegan_train.torch_session import TorchSession

SCORES = ("D_near", "D_knn", "D_lof", "C_linear_euclidean", "C_mel_near")
FUSED = ("D_near", "C_linear_euclidean")
N_PUMPS, CLIPS_PER_PUMP, N_TEST = 400, 5, 500
FAULT_PART = 0.12  # of a faulty pump's sound in a synthesised fault: weak, so that the AUC has room on both sides
CLIP_SAMPLES = 160_000
N_LARGE, N_EMBEDDING, N_ROWS = 100_000, 512, 128


def embed(samples: Iterable[FloatArray], fields: BundleFields, reference: ReferenceSet, session: Session) -> list[ClipEvidence]:
    """What the scores of each clip are computed from; one row of outputs, the mean embedding."""
    logmel = LogMel(fields.features, reference.filterbank, make_baseline_filterbank(fields.features))
    found = []
    for clip in samples:
        frames = logmel.transform_clip(clip)
        segments = np.ascontiguousarray(cut_segments(fields.scaling.apply(limit_range(frames.db, fields.features.top_db)), fields.clip))
        embedding = session.infer(segments).embedding.mean(axis=0, keepdims=True)
        found.append(ClipEvidence(SegmentOutputs(**{**empty_outputs(1), "embedding": embedding}), summarise(frames.baseline_db)))
    return found


def fit(clips: list[ClipEvidence], filterbank: FloatArray) -> ReferenceSet:
    """A reference set of all clips, without copies before other backgrounds."""
    embeddings = np.stack([clip.outputs.embedding[0].astype(np.float64) for clip in clips])
    bands = [clip.bands for clip in clips if clip.bands is not None]
    statistics = ClipStatistics(embeddings, bands, embeddings[:0], np.zeros((0, 2, 128)))
    return fit_reference(statistics, filterbank, np.zeros((1, 1), np.float32))[0]


def keep(reference: ReferenceSet, max_rows: int, kind: str) -> ReferenceSet:
    """The same with at most `max_rows` rows: the `means` of groups, or clips drawn at `random`."""
    embeddings, bands = reference.embedding_clips, reference.baseline_clips
    spaces = [embeddings, *(bands[:, place] for place in range(bands.shape[1]))]
    groups = group_clips(spaces, [reference.embedding_near, *reference.baseline_near], max_rows)
    if kind == "means":
        rows, row_bands = mean_of_groups(embeddings, groups), mean_of_groups(bands, groups)
    else:
        n = int(groups.max()) + 1
        chosen = np.random.default_rng(0).choice(len(embeddings), n, replace=False)
        rows, row_bands = embeddings[chosen], bands[chosen]
    n_neighbours = min(N_LOF_NEIGHBOURS, len(rows) - 1)
    distances, places = LocalOutlierFactor(n_neighbours, metric="cosine", algorithm="brute", novelty=True).fit(rows).kneighbors()
    return replace(
        reference,
        embedding_clips=rows,
        baseline_clips=row_bands,
        lof_distance=distances[:, -1],
        lof_density=1.0 / (np.maximum(distances, distances[places, -1]).mean(axis=1) + DENSITY_FLOOR),
    )


def measure(reference: ReferenceSet, normal: list[ClipEvidence], faulty: list[ClipEvidence]) -> dict[str, float]:
    """AUC of each of SCORES, and of the fusion of FUSED in units of their spread over the normal clips."""
    labels = [0] * len(normal) + [1] * len(faulty)
    table = {name: np.array([SCORE_IDS[name].evaluate(clip, reference, 1) for clip in [*normal, *faulty]]) for name in SCORES}
    logs = [np.array([log_score(value) for value in table[name]]) for name in FUSED]
    table["fusion"] = np.sum([each / each[: len(normal)].std() for each in logs], axis=0)
    return {name: float(roc_auc_score(labels, values)) for name, values in table.items()}


def print_curve(title: str, reference: ReferenceSet, normal: list[ClipEvidence], faulty: list[ClipEvidence]) -> None:
    """One line a size: AUCs with the means of groups, and the fusion's AUC with as many clips drawn at random."""
    n_all = len(reference.embedding_clips)
    print(f"{title}: {n_all} normal clips, tested on {len(normal)} normal and {len(faulty)} faulty ones")
    print(f"{'rows':>8}" + "".join(f"{name:>20}" for name in (*SCORES, "fusion", "fusion at random")))
    for n_rows in [*(2**power for power in range(4, 12) if 2**power < n_all), n_all]:
        found, drawn = (measure(keep(reference, n_rows, kind), normal, faulty) for kind in ("means", "random"))
        print(f"{n_rows:8}" + "".join(f"{value:20.3f}" for value in (*found.values(), drawn["fusion"])), flush=True)


def read_pumps(seeds: Iterable[int], n_clips: int, fault_part: float = 0.0) -> Iterator[FloatArray]:
    """`n_clips` clips of each pump; `fault_part` of a faulty one is mixed in."""
    for seed in seeds:
        healthy, faulty = Pump(seed), Pump(seed + 1_000_000, fault_from_s=0.0)
        for _ in range(n_clips):
            sound = healthy.read(CLIP_SAMPLES)
            yield sound if not fault_part else ((1 - fault_part) * sound + fault_part * faulty.read(CLIP_SAMPLES)).astype(np.float32)


def print_synthesised() -> None:
    """The curve on synthesised pumps, with the built-in bundle's network."""
    bundle = load_bundle(demo_bundle())
    session, reference = OrtSession(bundle, ["embedding"]), bundle.reference
    parts = ((range(N_PUMPS), CLIPS_PER_PUMP, 0.0), (range(5000, 5000 + N_TEST), 1, 0.0), (range(6000, 6000 + N_TEST), 1, FAULT_PART))
    normal, heldout, faulty = (embed(read_pumps(*part), bundle.record, reference, session) for part in parts)
    print_curve("synthesised pumps", fit(normal, reference.filterbank), heldout, faulty)


def print_recorded(run: Path, data: Path) -> None:
    """The curve on the test clips of `data`, with the run's network and the whole reference set that it was fitted with."""
    fields, training = load_fields(run), load_trained(run, torch.device("cpu"))
    session, reference = (
        TorchSession(training.generator, training.discriminator, torch.device("cpu"), ["embedding"]),
        ReferenceSet.load(run / REFERENCE, fields.spaces),
    )
    clips = find_clips(data, fields.machine_type, "test").clips
    normal, faulty = (
        embed(
            (read_recording(clip.path, fields.features.sample_rate_hz) for clip in clips if clip.is_anomaly is label),
            fields,
            reference,
            session,
        )
        for label in (False, True)
    )
    print_curve(str(data.name), reference, normal, faulty)


def print_cost() -> None:
    """Seconds and memory of choosing from many clips, and the time of a decision with few and with many clips recorded."""
    rng = np.random.default_rng(0)
    embeddings, bands = rng.normal(size=(N_LARGE, N_EMBEDDING)), rng.normal(size=(N_LARGE, 2, 128))
    near, baseline_near = np.eye(N_EMBEDDING), np.stack([np.eye(128)] * 2)
    given_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    for n_clips in (1000, N_LARGE):
        spaces = [embeddings[:n_clips], bands[:n_clips, 0], bands[:n_clips, 1]]
        began_s = time.perf_counter()
        groups = group_clips(spaces, [near, *baseline_near], N_ROWS)
        rows, row_bands = mean_of_groups(embeddings[:n_clips], groups), mean_of_groups(bands[:n_clips], groups)
        took_s, peak_mb = time.perf_counter() - began_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        reference = replace(
            load_bundle(demo_bundle()).reference,
            embedding_clips=rows,
            embedding_near=near,
            baseline_clips=row_bands,
            baseline_near=baseline_near,
        )
        outputs = SegmentOutputs(**{**empty_outputs(23), "embedding": rng.normal(size=(23, N_EMBEDDING)).astype(np.float32)})
        evidence = ClipEvidence(outputs, summarise(rng.normal(-40, 10, (256, 304)).astype(np.float32)))
        rounds = []
        for _ in range(200):
            began_s = time.perf_counter()
            for name in FUSED:
                SCORE_IDS[name].evaluate(evidence, reference, 23)
            rounds.append(time.perf_counter() - began_s)
        print(
            f"{n_clips} clips of {N_EMBEDDING} + 256 numbers: {N_ROWS} rows in {took_s:.1f} s, at most {peak_mb:.0f} MB in the process "
            f"({given_mb:.0f} MB before, with the clips); {' and '.join(FUSED)} take {np.median(rounds) * 1e3:.3f} ms a decision"
        )


def main() -> None:
    """Print everything."""
    print_cost()
    if len(sys.argv) > 2:
        print_recorded(Path(sys.argv[1]), Path(sys.argv[2]))
    print_synthesised()


if __name__ == "__main__":
    main()
