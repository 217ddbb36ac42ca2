"""What a run holds beside its checkpoint, so that export needs no audio and no data set."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from aegan_monitor import __version__
from aegan_monitor.audio.file import read_recording
from aegan_monitor.detection.baselines import make_control_filterbank, mean_bands
from aegan_monitor.detection.bundle import GOLDEN, REFERENCE
from aegan_monitor.detection.features import LogMel, limit_range, make_filterbank
from aegan_monitor.detection.fusion import fuse, needed_graphs
from aegan_monitor.detection.golden import compute_stages, golden_samples, write_golden
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.detection.record import BundleFields, NetworkRecord, Provenance, ReferenceRecord
from aegan_monitor.detection.reference import ReferenceSet
from aegan_monitor.detection.scores import FUSION
from aegan_monitor.detection.segments import ClipParameters, cut_segments
from aegan_monitor.types import DoubleArray, FloatArray
from aegan_train.calibration.background_augmentation import CALIBRATED, FITTED, change_background
from aegan_train.calibration.sensitivity import try_alterations
from aegan_train.calibration.statistics import COVARIANCE, ClipStatistics, calibrate, fit_reference, mean_of_clips, normalise, scale_fusion
from aegan_train.checkpoint import Training, round_weights, write_atomically
from aegan_train.dataset import Spectrograms
from aegan_train.progress import follow
from aegan_train.recordings.folder import Clip
from aegan_train.torch_session import TorchSession

RUN_RECORD = "run.json"
SEGMENTS = "segments.npz"
HELD_OUT = "held_out.jsonl"
N_PARITY_SEGMENTS = 32
LEAST_COPIES = 128  # of held-out clips before other backgrounds: the upper end of fewer is a matter of luck
N_VARIED = 256  # clips that get copies before other backgrounds; four of each outnumber the embedding's dimensions


def finish(
    training: Training,
    fit_clips: Sequence[Clip],
    held_out: Sequence[Clip],
    pictures: Spectrograms,
    out: Path,
    device: torch.device,
    commit: str | None,
) -> BundleFields:
    """Fit the reference set, calibrate on `held_out`, and write run.json, reference.npz, golden.npz, segments.npz, held_out.jsonl.

    Returns:
        What is in run.json.
    """
    config = training.config
    round_weights(training)
    networks = training.generator, training.discriminator, device
    statistics = gather_statistics(training, TorchSession(*networks, ["embedding"]), fit_clips, pictures)
    mean_spectrogram = mean_of_clips(pictures.db, config.clip.clip_frames)
    reference, shrinkage = fit_reference(statistics, make_filterbank(config.features), mean_spectrogram, config.max_reference_rows)
    session = TorchSession(*networks)
    scores, varied, segments = score_held_out(training, reference, session, held_out)
    fields = BundleFields(
        machine_type=training.machine_type,
        features=config.features,
        scaling=training.scaling,
        clip=config.clip,
        network=NetworkRecord(preset=training.preset, ndf=config.ndf, nz=config.nz, n_embedding=config.network.n_embedding),
        score=config.score,
        fusion=scale_fusion(config.fusion, scores, varied),
        choice=config.choice,
        sensitivity={},
        precision=config.precision,
        reference=ReferenceRecord(
            n_clips=len(reference.embedding_clips), n_backgrounds=config.n_backgrounds, covariance=COVARIANCE, shrinkage=shrinkage
        ),
        normalisation=normalise(scores),
        calibration=calibrate(scores, varied),
        provenance=Provenance(
            version=__version__,
            commit=commit,
            seed=training.seed,
            n_epochs=len(training.history),
            training_data_sha256=training.training_data_sha256,
            n_training_clips=len(fit_clips),
            n_held_out_clips=len(held_out),
        ),
    )
    if config.fusion:
        scores, varied = ([{**clip, FUSION: fuse(clip, fields)} for clip in each] for each in (scores, varied))
        fields = fields.model_copy(update={"normalisation": normalise(scores), "calibration": calibrate(scores, varied)})
    found = try_alterations(fields, reference, TorchSession(*networks, needed_graphs(fields, fields.score)), held_out, training.seed)
    fields = fields.model_copy(update={"sensitivity": found})
    samples = join_samples(held_out, config.features.sample_rate_hz, golden_samples(fields))
    stages = compute_stages(fields, reference, session, samples)
    lines = [json.dumps({"file": clip.path.name, "scores": each}, allow_nan=False) for clip, each in zip(held_out, scores, strict=True)]
    write_atomically(out / REFERENCE, reference.save)
    write_atomically(out / GOLDEN, lambda path: write_golden(path, samples, stages))
    write_atomically(out / SEGMENTS, lambda path: save_segments(path, segments))
    write_atomically(out / HELD_OUT, lambda path: path.write_text("\n".join(lines) + "\n", encoding="utf-8"))
    write_atomically(out / RUN_RECORD, lambda path: path.write_text(fields.model_dump_json(indent=1) + "\n", encoding="utf-8"))
    return fields


def embed(session: TorchSession, scaled: FloatArray, clip: ClipParameters) -> DoubleArray:
    """The mean embedding `[n_embedding]` of a scaled spectrogram."""
    found: DoubleArray = session.infer(cut_segments(scaled, clip)).embedding.mean(0, dtype=np.float64)
    return found


def gather_statistics(training: Training, session: TorchSession, clips: Sequence[Clip], pictures: Spectrograms) -> ClipStatistics:
    """Embeddings and control bands of the clips, and what other backgrounds change in at most N_VARIED of them."""
    config = training.config
    places = np.linspace(0, len(clips) - 1, min(len(clips), N_VARIED)).astype(int) if config.n_backgrounds else ()
    n_copies = len(places) * config.n_backgrounds
    what = f"embedding {len(clips)} clips{tell_copies(n_copies)}"
    embed_next = follow(embed, len(clips) + n_copies, what)
    embeddings = np.stack([embed_next(session, training.scaling.apply(db), config.clip) for db in pictures.db])
    rng = np.random.default_rng([training.seed, FITTED])
    logmel = LogMel(config.features, make_filterbank(config.features), make_control_filterbank(config.features))
    embedding_changes, band_changes = [np.zeros((0, config.network.n_embedding))], [np.zeros((0, *pictures.control_bands.shape[1:]))]
    for place in places:
        samples = read_recording(clips[place].path, config.features.sample_rate_hz)
        copies = [logmel.transform_clip(change_background(samples, rng)) for _ in range(config.n_backgrounds)]
        scaled = [training.scaling.apply(limit_range(copy.db, config.top_db)) for copy in copies]
        embedding_changes.append(np.stack([embed_next(session, each, config.clip) for each in scaled]) - embeddings[place])
        band_changes.append(np.stack([mean_bands(copy.control_db) for copy in copies]) - pictures.control_bands[place])
    return ClipStatistics(embeddings, pictures.control_bands, np.concatenate(embedding_changes), np.concatenate(band_changes))


def score_held_out(
    training: Training, reference: ReferenceSet, session: TorchSession, held_out: Sequence[Clip]
) -> tuple[list[dict[str, float]], list[dict[str, float]], FloatArray]:
    """The scores of each held-out clip, those of its copies before other backgrounds, and first segments for the parity gate."""
    config = training.config
    unfinished = BundleFields.model_construct(features=config.features, scaling=training.scaling, clip=config.clip, fusion={})
    probe = Pipeline(unfinished, reference, session)
    rng = np.random.default_rng([training.seed, CALIBRATED])
    n_copies = max(config.n_backgrounds, -(-LEAST_COPIES // len(held_out))) if config.n_backgrounds else 0
    n_all = len(held_out) * n_copies
    score = follow(probe.score_clip, len(held_out) + n_all, f"scoring {len(held_out)} held-out clips{tell_copies(n_all)}")
    scores, varied, segments = [], [], np.zeros((0, 1, config.features.n_bands, config.clip.segment_frames), np.float32)
    for clip in held_out:
        samples = read_recording(clip.path, config.features.sample_rate_hz)
        scores.append(score(samples))
        varied += [score(change_background(samples, rng)) for _ in range(n_copies)]
        if len(segments) < N_PARITY_SEGMENTS:
            segments = np.concatenate([segments, probe.clip_segments(samples)])[:N_PARITY_SEGMENTS]
    return scores, varied, segments


def tell_copies(n_copies: int) -> str:
    """What a line says of them."""
    return f" and {n_copies} copies before other backgrounds" if n_copies else ""


def join_samples(clips: Sequence[Clip], sample_rate_hz: int, n_samples: int) -> FloatArray:
    """The first `n_samples` of the recordings joined (begun again when they are not enough)."""
    joined = np.zeros(0, np.float32)
    while len(joined) < n_samples:
        for clip in clips:
            joined = np.concatenate([joined, read_recording(clip.path, sample_rate_hz)])
            if len(joined) >= n_samples:
                break
    return joined[:n_samples]


def save_segments(path: Path, segments: FloatArray) -> None:
    """Write the parity gate's segments."""
    with path.open("wb") as file:
        np.savez_compressed(file, segments=segments)
