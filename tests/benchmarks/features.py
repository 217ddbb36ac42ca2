"""Features on one core, from recordings on disk to the file that training reads, beside librosa: `python tests/benchmarks/features.py`.

Ours reads, checks and hashes each recording, computes the picture's 128 bands and the controls' 256, and stores them; librosa loads it with
soundfile, computes 128 mel bands in dB, and NumPy stores them. Both run on one thread; rounds alternate, medians are printed: of the
time on the clock, and of the processor's (a machine that others use gives this process only some of the clock's).
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import librosa
import numpy as np
import soundfile
from threadpoolctl import threadpool_limits

from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.features import FeatureParameters
from aegan_monitor.detection.segments import ClipParameters
from aegan_train.recordings.folder import Clip
from aegan_train.recordings.spectrograms import compute_spectrograms

RATE_HZ = 16_000
CLIP_S = 10


def run_ours(paths: Sequence[Path], folder: Path) -> None:
    """As `fit` does."""
    folder.mkdir()
    clips = [Clip(path, "train", "00", False, number) for number, path in enumerate(paths)]
    compute_spectrograms(clips, FeatureParameters(), ClipParameters(), folder)


def run_librosa(paths: Sequence[Path], folder: Path) -> None:
    """The same picture, less the controls and the checks."""
    folder.mkdir()
    for path in paths:
        samples, _ = librosa.load(path, sr=None)
        power = librosa.feature.melspectrogram(y=samples, sr=RATE_HZ, n_fft=2048, hop_length=512, n_mels=128, pad_mode="constant")
        np.save(folder / path.stem, librosa.power_to_db(power, top_db=None))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=96, help="of 10 s")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    threadpool_limits(1)
    ways = {"aegan-train, file to file": run_ours, "librosa, file to file": run_librosa}
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as place:
        paths = [Path(place) / f"{seed}.wav" for seed in range(arguments.clips)]
        for seed, path in enumerate(paths):
            soundfile.write(path, Pump(seed).read(CLIP_S * RATE_HZ), RATE_HZ)
        for round_number in range(arguments.rounds + 1):
            for name, way in ways.items():
                folder = Path(place) / "out"
                began_s, began_cpu_s = time.perf_counter(), time.process_time()
                way(paths, folder)
                if round_number:  # the first warms up, librosa's compiler too
                    took[name].append((time.perf_counter() - began_s, time.process_time() - began_cpu_s))
                shutil.rmtree(folder, ignore_errors=True)
    sound_s = arguments.clips * CLIP_S
    medians = {name: [statistics.median(kind) for kind in zip(*each, strict=True)] for name, each in took.items()}
    print(f"{sound_s} s of sound in {arguments.clips} recordings, one core, median of {arguments.rounds} rounds")
    print(f"{'times real time, and times librosa':<36}{'clock':>16}{'processor':>16}")
    for name, each in medians.items():
        columns = [f"{sound_s / one:10.0f}{other / one:6.2f}" for one, other in zip(each, medians["librosa, file to file"], strict=True)]
        print(f"{name:<36}{''.join(columns)}")


if __name__ == "__main__":
    main()
