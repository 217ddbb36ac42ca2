"""Each recording looked at once: its picture, or why it is left out. Processes that do so need no PyTorch."""

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

from aegan_monitor.audio.recording import read_recording
from aegan_monitor.detection.baselines import make_control_filterbank, mean_bands
from aegan_monitor.detection.features import FeatureParameters, LogMel, limit_range, make_filterbank
from aegan_monitor.errors import CaptureError
from aegan_monitor.files import show_path
from aegan_monitor.types import DoubleArray, FloatArray

BYTES_PER_PROCESS = 40_000_000  # of recordings, 20 min: a process takes as long to start as to look at these
PICTURES_AHEAD = 16  # that each process may be ahead of who takes them, so that a slow disk does not fill the memory


@dataclass(frozen=True, slots=True)
class Picture:
    """What a recording looks like.

    Attributes:
        frames: dB, float32 `[n_frames, n_bands]`, a frame's bands side by side.
        control_bands: Mean linear and mel bands, float64 `[2, 128]`.
        sha256: Of the samples.
    """

    frames: FloatArray
    control_bands: DoubleArray
    sha256: str


@functools.lru_cache(maxsize=1)
def make_logmel(features: FeatureParameters) -> LogMel:
    """With the controls' bands."""
    return LogMel(features, make_filterbank(features), make_control_filterbank(features))


def look_at(path: Path, features: FeatureParameters, least_frames: int) -> Picture | str:
    """The picture of a recording, or in one line why it is not fit for training."""
    try:
        samples = read_recording(path, features.sample_rate_hz)
    except CaptureError as error:
        return str(error).removeprefix(f"{show_path(path)}: ")
    if samples.min() == samples.max():
        return f"expected sound, found {len(samples)} samples that all are {samples[0]:g}; check the microphone, and remove it"
    frames = make_logmel(features).transform_clip(samples)
    if frames.db.shape[1] < least_frames:
        least_s, found_s = (least_frames - 1) * features.hop_s, len(samples) / features.sample_rate_hz
        return f"expected at least {least_s:.2f} s, found {found_s:.2f} s; record longer clips or remove it"
    db = limit_range(frames.db, features.top_db).T.copy()  # lets go of the controls' frames
    return Picture(db, mean_bands(frames.control_db), hashlib.sha256(samples.data).hexdigest())


def survey(
    paths: Sequence[Path], features: FeatureParameters, least_frames: int, n_processes: int | None = None
) -> Iterator[Picture | str]:
    """`look_at` each, in order, in `n_processes`, or (None) in as many as pay and the machine has cores for."""
    look = functools.partial(look_at, features=features, least_frames=least_frames)
    if n_processes is None:
        n_processes = min(len(os.sched_getaffinity(0)), sum(map(find_size, paths)) // BYTES_PER_PROCESS)
    if n_processes < 2:
        yield from map(look, paths)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy PyTorch's threads in whatever state they are
    with ProcessPoolExecutor(n_processes, context, begin_process) as pool:
        n_ahead = PICTURES_AHEAD * n_processes
        for start in range(0, len(paths), n_ahead):
            yield from pool.map(look, paths[start : start + n_ahead], chunksize=4)


def find_size(path: Path) -> int:
    """Bytes in the file; 0 for one that is not there, which `look_at` tells."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def begin_process() -> None:
    """One thread, no say in Ctrl-C, and the end when whoever asked has ended, killed or not."""
    threadpool_limits(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent:
            parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
