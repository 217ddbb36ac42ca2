"""Prepares recordings for training: chooses the length of a clip, and cuts or joins what is not yet as long as one."""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from aegan_monitor.audio.recording import Recording
from aegan_monitor.errors import CaptureError
from aegan_train.config import TrainConfig
from aegan_train.progress import follow, format_duration
from aegan_train.recordings.cutter import Cutter
from aegan_train.recordings.folder import Clip, Skipped
from aegan_train.recordings.sources import find_sources, natural_order

FOLDER = "clips.tmp"  # in the run, while it is trained: what was cut and joined
LEAST_CLIPS = 8  # six for a reference set with its neighbours, two to calibrate on
SHORT_ONES = 20  # one recording of so many may be shorter than the clip: a recording that was ended early must not shorten all clips
UNKNOWN_SAMPLES = 10**10  # of a file whose header does not say


@dataclass(frozen=True, slots=True)
class Prepared:
    """Clips to train on: those of the data set, and those in a temporary folder that were cut or joined.

    Attributes:
        clips: The clips, each of one recording.
        skipped: Files that are no clip here, with the reason.
        config: The settings, with the length of a clip that was chosen.
    """

    clips: list[Clip]
    skipped: list[Skipped]
    config: TrainConfig


@contextlib.contextmanager
def prepare(data: Sequence[Path], machine_type: str, config: TrainConfig, run: Path, channel: int | None = None) -> Iterator[Prepared]:
    """Clips of the normal recordings in `data` (`find_sources`), for the block; what is cut and joined lies in `run` until its end.

    A clip in DCASE layout is taken as it is. These are cut into clips (`Cutter`), whatever their rate: files outside such a layout,
    all files when a channel is chosen, and fewer than LEAST_CLIPS files. Files of one recording, of which one is shorter than a clip,
    are joined and cut.

    Raises:
        DataError: Nothing is found.
        WriteError: `run` cannot be written.
    """
    folder = run / FOLDER
    shutil.rmtree(folder, ignore_errors=True)  # of a training that was killed
    try:
        found, has_layout = find_sources(data, machine_type, config.sets)
        any_form = not has_layout or channel is not None or len(found.clips) < LEAST_CLIPS
        rate_hz, hop = config.features.sample_rate_hz, config.features.hop_samples
        n_samples = {clip: measure(clip.path, rate_hz, channel, any_rate=any_form) for clip in found.clips}
        recordings = group(found.clips)
        config = choose_clip(config, [1 + sum(n_samples[clip] for clip in files) // hop for files in recordings])
        clip_samples, least_samples = ((n - 1) * hop for n in (config.clip_frames, config.clip.segment_frames))
        is_cut = [any_form or (len(files) > 1 and min(n_samples[clip] for clip in files) < clip_samples) for files in recordings]
        if not any(is_cut):
            yield Prepared(found.clips, found.skipped, config)
            return
        cutter = Cutter(folder, rate_hz, clip_samples, least_samples, channel, any_form)
        what = f"cutting {sum(is_cut)} {'recording' if sum(is_cut) == 1 else 'recordings'} into clips of {describe_clip(config)}"
        cut_recording = follow(cutter.cut_recording, sum(is_cut), what)
        clips = [clip for files, cuts in zip(recordings, is_cut, strict=True) for clip in (cut_recording(files) if cuts else files)]
        if left_out_s := round(cutter.n_left_out / rate_hz):
            print(f"{format_duration(left_out_s)} left out: digital silence, and what is too short for a clip beside it", flush=True)
        yield Prepared(clips, [*found.skipped, *cutter.skipped], config)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(path: Path, sample_rate_hz: int, channel: int | None, *, any_rate: bool) -> int:
    """The length of a file in samples at `sample_rate_hz`, by its header; 0 for one that `Recording` refuses."""
    with contextlib.suppress(CaptureError), Recording(path, sample_rate_hz, channel, any_rate=any_rate) as recording:
        return UNKNOWN_SAMPLES if recording.n_samples is None else recording.n_samples
    return 0


def group(clips: Sequence[Clip]) -> list[list[Clip]]:
    """The files of each recording, in natural order of their names; a file whose recording is unknown is one of its own."""
    recordings: dict[str | Path, list[Clip]] = {}
    for clip in clips:
        recordings.setdefault(clip.recording or clip.path, []).append(clip)
    return [sorted(files, key=lambda clip: natural_order(clip.path)) for files in recordings.values()]


def choose_clip(config: TrainConfig, lengths: Sequence[int]) -> TrainConfig:
    """The settings with the longest `clip_frames` up to the present one that the recordings allow; says so when it is shorter.

    It is the length of the shortest recording that can be trained on, of SHORT_ONES all but one. Longer clips than those of which there
    are LEAST_CLIPS are of no use.

    Args:
        config: The settings. Without `shorten_clip` they are returned as they are.
        lengths: Frames of each recording.
    """
    lengths = sorted(n_frames for n_frames in lengths if n_frames >= config.clip.segment_frames)
    if not lengths or not config.shorten_clip:
        return config
    shortest = lengths[len(lengths) // SHORT_ONES]
    n_frames = max(config.clip.segment_frames, min(config.clip_frames, shortest, sum(lengths) // LEAST_CLIPS))
    if n_frames == config.clip_frames:
        return config
    chosen = config.model_copy(update={"clip_frames": n_frames})
    reason = f"of longer ones there are no {LEAST_CLIPS}"
    if n_frames == shortest:
        n_shorter = sum(length < shortest for length in lengths)
        reason = "no longer one fits into every recording" + (f" ({n_shorter} even shorter ones aside)" if n_shorter else "")
    print(f"the monitor will score clips of {describe_clip(chosen)} in place of {describe_clip(config)}: {reason}", flush=True)
    return chosen


def describe_clip(config: TrainConfig) -> str:
    """The length of a clip, as in `9.7 s`."""
    return f"{config.clip_frames * config.features.hop_s:.1f} s"
