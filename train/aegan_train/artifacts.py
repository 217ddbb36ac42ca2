"""Writes every file of a run except its checkpoint, so that export needs no audio and no data set."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from aegan_monitor import __version__
from aegan_monitor.detection.baselines import make_baseline_filterbank
from aegan_monitor.detection.bundle import GOLDEN, REFERENCE
from aegan_monitor.detection.features import LogMel, limit_range, make_filterbank
from aegan_monitor.detection.fusion import fuse, needed_graphs
from aegan_monitor.detection.golden import compute_stages, golden_samples, write_golden
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.detection.record import BundleFields, FusionTerm, NetworkRecord, NormalState, Provenance, ReferenceRecord
from aegan_monitor.detection.reference import ReferenceSet
from aegan_monitor.detection.scores import LASTING, SCORE_IDS, SPACE_SCORES
from aegan_monitor.detection.segments import ClipParameters, cut_segments
from aegan_monitor.detection.views import summarise
from aegan_monitor.types import DoubleArray, FloatArray
from aegan_train.calibration.background_augmentation import CALIBRATED, FITTED, add_ambient_noise, change_background
from aegan_train.calibration.cross_fit import align, cross_fit, scale_joint
from aegan_train.calibration.gate_clips import write_gate_clips
from aegan_train.calibration.lasting import fit_lasting
from aegan_train.calibration.normal_blocks import add_blocks, find_clip_states
from aegan_train.calibration.sensitivity import Noticed, try_pseudo_faults
from aegan_train.calibration.statistics import COVARIANCE, ClipStatistics, calibrate, fit_reference, mean_of_clips, normalise, scale_fusion
from aegan_train.calibration.usual_bands import fit_usual_bands
from aegan_train.checkpoint import Training, round_weights
from aegan_train.config import TrainConfig
from aegan_train.dataset import number_recordings
from aegan_train.findings.rhythm import find_rhythm
from aegan_train.progress import follow
from aegan_train.recordings.spectrograms import Spectrograms
from aegan_train.recordings.windows import join_samples, read_windows
from aegan_train.run_folder import write_atomically
from aegan_train.torch_session import TorchSession

RUN_RECORD = "run.json"
SEGMENTS = "segments.npz"
HELD_OUT = "held_out.jsonl"
N_PARITY_SEGMENTS = 32
MAX_FITTED, MAX_SCORED = 4096, 512  # windows for the reference set and for the calibration, so that a day of sound takes minutes
N_MOVED = 64  # held-out windows that get copies with other backgrounds
LEAST_RHYTHM = 0.5  # part of the windows; a machine that beats less often is steady most of the time
LEAST_COPIES = 128  # of held-out clips with other backgrounds: the highest scores of fewer copies vary too much
N_VARIED = 256  # windows that get copies with other backgrounds; with four copies each they outnumber the embedding's dimensions


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The result of calibration.

    Attributes:
        fields: The content of run.json.
        normal: The deciding score of each held-out window.
        noticed: How well the deciding score separates each pseudo-fault.
    """

    fields: BundleFields
    normal: list[float]
    noticed: dict[str, Noticed]


def finish(
    training: Training,
    fitted: Spectrograms,
    held_out: Spectrograms,
    out: Path,
    device: torch.device,
    commit: str | None,
    normal_sound: Sequence[NormalState] = (),
) -> Calibrated:
    """Fit the reference set on windows of `fitted`, calibrate on those of `held_out`, and write all files but the checkpoint to `out`.

    `normal_sound` are the operating states.

    Raises:
        WriteError: `out` cannot be written, or its disk is full.
    """
    config = training.config
    n_fitted, n_held_out = len(fitted.clips), len(held_out.clips)
    fitted, held_out = fitted.thin(MAX_FITTED), held_out.thin(MAX_SCORED)
    round_weights(training)
    networks = training.generator, training.discriminator, device
    statistics = gather_statistics(training, TorchSession(*networks, ["embedding"]), fitted)
    rhythm = find_rhythm(statistics.bands, config.features.hop_s) if config.rhythm_fusion else None
    if has_rhythm := rhythm is not None and rhythm.share > LEAST_RHYTHM:
        config = config.model_copy(update={"fusion": config.rhythm_fusion})
    mean_spectrogram = mean_of_clips(fitted.cut(), config.clip.clip_frames)
    reference, shrinkage = fit_reference(statistics, make_filterbank(config.features), mean_spectrogram, config.max_reference_rows)
    groups = np.repeat(number_recordings(fitted.clips, config.held_out), [len(windows) for windows in fitted.bands])
    reference = replace(reference, spaces={**reference.spaces, LASTING: fit_lasting(statistics.bands, groups)})
    session = TorchSession(*networks)
    scores, varied, segments = score_held_out(training, reference, session, held_out)
    files = [clip.path.name for clip, bands in zip(held_out.clips, held_out.bands, strict=True) for _ in bands]
    fusion, crossed = scale_fusion(config.fusion, scores, varied), dict[int, dict[str, float]]()
    if config.fusion and config.fused == "F_joint":
        fusion, crossed = fit_joint(config, statistics, groups, scores)
    fields = BundleFields(
        machine_type=training.machine_type,
        features=config.features,
        scaling=training.scaling,
        clip=config.clip,
        network=NetworkRecord(preset=training.preset, ndf=config.ndf, nz=config.nz, n_embedding=config.network.n_embedding),
        score=config.score,
        spaces=list(reference.spaces),
        fusion=fusion,
        fused=config.fused,
        choice=config.choice + ("; these members because normal sound has a rhythm" if has_rhythm else ""),
        usual_bands=fit_usual_bands(statistics.bands, groups, [window for windows in held_out.bands for window in windows]),
        sensitivity={},
        precision=config.precision,
        reference=ReferenceRecord(
            n_clips=len(reference.embedding_clips), n_backgrounds=config.n_backgrounds, covariance=COVARIANCE, shrinkage=shrinkage
        ),
        normalisation=normalise(scores),
        calibration=calibrate(scores, varied, list(crossed.values())),
        normal_sound=list(normal_sound),
        provenance=Provenance(
            version=__version__,
            commit=commit,
            seed=training.seed,
            n_epochs=len(training.history),
            training_data_sha256=training.training_data_sha256,
            n_training_clips=n_fitted,
            n_held_out_clips=n_held_out,
        ),
    )
    if config.fusion:
        scores, varied = ([{**clip, fields.fused: fuse(clip, fields.fusion, fields.fused)} for clip in each] for each in (scores, varied))
        calibration = calibrate(scores, varied, list(crossed.values()))
        fields = fields.model_copy(update={"normalisation": normalise(scores), "calibration": calibration})
    left_out = np.repeat(number_recordings(held_out.clips, config.held_out), [len(windows) for windows in held_out.bands])
    spans = [each.find_spans(config.features.hop_s) for each in (held_out, fitted)]
    normal = [(spans[0], left_out.tolist(), dict(enumerate(scores))), (spans[1], groups.tolist(), crossed)]
    copied = [place * min(len(scores), N_MOVED) // len(varied) for place in range(len(varied))]
    copies = [(place, 0, 0) for place in copied], copied, dict(enumerate(varied))
    states = [find_clip_states(each, normal_sound, config.features.hop_s) for each in (held_out, fitted)]
    fields = fields.model_copy(update={"calibration": add_blocks(fields.calibration, fields.score, normal, copies, states)})
    noticed = try_pseudo_faults(fields, reference, TorchSession(*networks, needed_graphs(fields, fields.score)), held_out, training.seed)
    fields = fields.model_copy(update={"sensitivity": {name: each.auc for name, each in noticed.items()}})
    samples = join_samples(held_out.clips, config.features.sample_rate_hz, golden_samples(fields))
    stages = compute_stages(fields, reference, session, samples)
    lines = [json.dumps({"file": file, "scores": each}, allow_nan=False) for file, each in zip(files, scores, strict=True)]
    write_atomically(out / REFERENCE, reference.save)
    write_atomically(out / GOLDEN, lambda path: write_golden(path, samples, stages))
    write_gate_clips(out, fields, reference, held_out, training.seed)
    write_atomically(out / SEGMENTS, lambda path: save_segments(path, segments))
    write_atomically(out / HELD_OUT, lambda path: path.write_text("\n".join(lines) + "\n", encoding="utf-8"))
    write_atomically(out / RUN_RECORD, lambda path: path.write_text(fields.model_dump_json(indent=1) + "\n", encoding="utf-8"))
    return Calibrated(fields, [each[fields.score] for each in scores], noticed)


def fit_joint(
    config: TrainConfig, statistics: ClipStatistics, groups: NDArray[np.intp], scores: Sequence[Mapping[str, float]]
) -> tuple[dict[str, FusionTerm], dict[int, dict[str, float]]]:
    """The members of `F_joint`, and the scores of each clip that was cross-fitted, by its place.

    `groups` are the recordings of the clips, `scores` those of held-out windows.
    """
    print("measuring how normal recordings differ from each other", flush=True)
    names = [name for name, score in SCORE_IDS.items() if score.graph != "generator"]
    crossed = cross_fit(statistics, groups, names, make_filterbank(config.features), config.max_reference_rows)
    terms, values = scale_joint(config.fusion, list(crossed.values()), scores), align(list(crossed.values()), scores)
    return terms, {place: {**clip, "F_joint": fuse(clip, terms, "F_joint")} for place, clip in zip(crossed, values, strict=True)}


def embed(session: TorchSession, scaled: FloatArray, clip: ClipParameters) -> DoubleArray:
    """The mean embedding `[n_embedding]` of a scaled spectrogram."""
    found: DoubleArray = session.infer(cut_segments(scaled, clip)).embedding.mean(0, dtype=np.float64)
    return found


def gather_statistics(training: Training, session: TorchSession, fitted: Spectrograms) -> ClipStatistics:
    """Embeddings and baseline bands of all windows, and how other backgrounds change at most N_VARIED of them."""
    config = training.config
    n_windows = fitted.n_windows
    chosen = np.linspace(0, n_windows - 1, min(n_windows, N_VARIED)).astype(int).tolist() if config.n_backgrounds else []
    n_copies = len(chosen) * config.n_backgrounds
    embed_next = follow(embed, n_windows + n_copies, f"embedding {n_windows} clips{describe_copies(n_copies)}")
    embeddings = np.stack([embed_next(session, training.scaling.apply(db), config.clip) for db in fitted.cut()])
    bands = [window for each in fitted.bands for window in each]
    rng = np.random.default_rng([training.seed, FITTED])
    logmel = LogMel(config.features, make_filterbank(config.features), make_baseline_filterbank(config.features))
    embedding_changes, band_changes = [np.zeros((0, config.network.n_embedding))], [np.zeros((0, *bands[0].mean.shape))]
    first = 0
    for clip, own in zip(fitted.clips, fitted.windows, strict=True):
        places = [place for place in chosen if first <= place < first + len(own)]
        varied = read_windows(clip.path, config.features, [own[place - first] for place in places]) if places else []
        for place, samples in zip(places, varied, strict=True):
            copies = [logmel.transform_clip(change_background(samples, rng)) for _ in range(config.n_backgrounds)]
            scaled = [training.scaling.apply(limit_range(copy.db, config.top_db)) for copy in copies]
            embedding_changes.append(np.stack([embed_next(session, each, config.clip) for each in scaled]) - embeddings[place])
            band_changes.append(np.stack([summarise(copy.baseline_db).mean for copy in copies]) - bands[place].mean)
        first += len(own)
    return ClipStatistics(embeddings, bands, np.concatenate(embedding_changes), np.concatenate(band_changes))


def score_held_out(
    training: Training, reference: ReferenceSet, session: TorchSession, held_out: Spectrograms
) -> tuple[list[dict[str, float]], list[dict[str, float]], FloatArray]:
    """(scores of each held-out window, scores of its copies with other backgrounds, the first segments for the parity check)."""
    config = training.config
    unfinished = BundleFields.model_construct(
        features=config.features, scaling=training.scaling, clip=config.clip, fusion={}, spaces=list(SPACE_SCORES)
    )
    probe = Pipeline(unfinished, reference, session)
    rng = np.random.default_rng([training.seed, CALIBRATED])
    n_windows = held_out.n_windows
    moved = set(np.linspace(0, n_windows - 1, min(n_windows, N_MOVED)).astype(int).tolist())
    n_copies = max(config.n_backgrounds, -(-LEAST_COPIES // len(moved))) if config.n_backgrounds else 0
    n_all = len(moved) * n_copies
    score = follow(probe.score_clip, n_windows + n_all, f"scoring {n_windows} held-out clips{describe_copies(n_all)}")
    scores, varied = list[dict[str, float]](), list[dict[str, float]]()
    segments = np.zeros((0, 1, config.features.n_bands, config.clip.segment_frames), np.float32)
    for clip, windows in zip(held_out.clips, held_out.windows, strict=True):
        for samples in read_windows(clip.path, config.features, windows):
            if len(scores) in moved:
                varied += [score(add_ambient_noise(samples, rng)) for _ in range(n_copies)]
            scores.append(score(samples))
            if len(segments) < N_PARITY_SEGMENTS:
                segments = np.concatenate([segments, probe.cut_clip(samples)[0]])[:N_PARITY_SEGMENTS]
    return scores, varied, segments


def describe_copies(n_copies: int) -> str:
    """The part of a progress line that counts the copies; empty without copies."""
    return f" and {n_copies} copies with other backgrounds" if n_copies else ""


def save_segments(path: Path, segments: FloatArray) -> None:
    """Write the segments for the parity check."""
    with path.open("wb") as file:
        np.savez_compressed(file, segments=segments)
