"""Reads each recording once, in several processes: gives its spectrogram, or the reason to skip it. Imports no PyTorch."""

import functools
import hashlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from threadpoolctl import threadpool_limits

from aegan_monitor.audio.level import measure_level
from aegan_monitor.audio.recording import read_recording
from aegan_monitor.detection.baselines import make_baseline_filterbank
from aegan_monitor.detection.features import FeatureParameters, LogMel, limit_range, make_filterbank
from aegan_monitor.detection.segments import ClipParameters
from aegan_monitor.detection.views import BandSummary, summarise
from aegan_monitor.errors import CaptureError
from aegan_monitor.files import show_path
from aegan_monitor.types import FloatArray
from aegan_train.recordings.windows import find_windows

BYTES_PER_PROCESS = 40_000_000  # 20 min of recordings: a process needs as long to start as to read these
PICTURES_AHEAD = 16  # finished pictures that wait to be stored, for each process: a slow disk must not fill the memory


@dataclass(frozen=True, slots=True)
class Picture:
    """The data of one recording that training needs.

    Attributes:
        frames: Spectrogram in dB, float32 `[n_frames, n_bands]`.
        n_frames: The number of frames.
        windows: The frames of each window (`find_windows`).
        bands: The summary of the linear and mel bands of each window.
        level_dbfs: RMS of the samples.
        sha256: SHA-256 of the samples.
    """

    frames: FloatArray
    n_frames: int
    windows: Sequence[slice]
    bands: Sequence[BandSummary]
    level_dbfs: float
    sha256: str


@functools.lru_cache(maxsize=1)
def make_logmel(features: FeatureParameters) -> LogMel:
    """The log-mel transform, with the bands of the baseline scores."""
    return LogMel(features, make_filterbank(features), make_baseline_filterbank(features))


def look_at(path: Path, features: FeatureParameters, clip: ClipParameters) -> Picture | str:
    """The picture of a recording, or one line with the reason why it cannot be trained on."""
    try:
        samples = read_recording(path, features.sample_rate_hz)
    except CaptureError as error:
        return str(error).removeprefix(f"{show_path(path)}: ")
    if samples.min() == samples.max():
        return f"expected sound, found {len(samples)} samples that all are {samples[0]:g}; check the microphone, and remove it"
    frames = make_logmel(features).transform_clip(samples)
    n_frames = frames.db.shape[1]
    if n_frames < clip.segment_frames:
        least_s, found_s = (clip.segment_frames - 1) * features.hop_s, len(samples) / features.sample_rate_hz
        return f"expected at least {least_s:.2f} s, found {found_s:.2f} s; record longer clips or remove it"
    db = limit_range(frames.db, features.top_db).T.copy()  # a copy, so that the baseline frames are freed
    windows = find_windows(n_frames, clip.clip_frames)
    bands = [summarise(frames.baseline_db[:, window]) for window in windows]
    return Picture(db, n_frames, windows, bands, measure_level(samples).rms_dbfs, hashlib.sha256(samples.data).hexdigest())


def survey(
    paths: Sequence[Path], features: FeatureParameters, clip: ClipParameters, n_processes: int | None = None
) -> Iterator[Picture | str]:
    """Call `look_at` for each path, in order, in `n_processes` processes; None chooses by the amount of data and the cores."""
    look = functools.partial(look_at, features=features, clip=clip)
    if n_processes is None:
        n_processes = min(len(os.sched_getaffinity(0)), sum(map(find_size, paths)) // BYTES_PER_PROCESS)
    if n_processes < 2:
        yield from map(look, paths)
        return
    context = multiprocessing.get_context("spawn")  # fork is unsafe with PyTorch's threads
    with ProcessPoolExecutor(n_processes, context, begin_process) as pool:
        n_ahead = PICTURES_AHEAD * n_processes
        for start in range(0, len(paths), n_ahead):
            yield from pool.map(look, paths[start : start + n_ahead], chunksize=4)


def find_size(path: Path) -> int:
    """The size of a file in bytes; 0 for a missing file, which `look_at` reports."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def begin_process() -> None:
    """Set up a process of the pool: one thread, ignores Ctrl-C, ends when the parent ends or is killed."""
    threadpool_limits(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent:
            parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
