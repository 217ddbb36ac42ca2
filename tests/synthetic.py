"""Data sets and recordings that the tests make for themselves."""

from pathlib import Path

import numpy as np
import soundfile

from aegan_monitor.demo.pump import Pump

RATE_HZ = 16_000


def write_wav(path: Path, samples: np.ndarray, rate_hz: int = RATE_HZ, subtype: str = "PCM_16") -> Path:
    """A recording at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate_hz, subtype=subtype)
    return path


def write_dataset(
    folder: Path, *, n_train: int = 12, n_normal: int = 4, n_anomaly: int = 4, clip_s: float = 10.0, machine_type: str = "pump"
) -> Path:
    """A DCASE 2020 folder of synthesised pumps with a manifest of two clips a recording."""
    base = folder / "dev_data" / machine_type
    lines = ["path,label,condition,flight"]

    def write(split: str, label: str, number: int, seed: int, fault_from_s: float | None) -> None:
        path = base / split / f"{label}_id_00_{number:08d}.wav"
        write_wav(path, Pump(seed, RATE_HZ, fault_from_s).read(round(clip_s * RATE_HZ)))
        lines.append(f"{path.relative_to(folder).as_posix()},{label},none,{split}_{label}_{number // 2}")

    for number in range(n_train):
        write("train", "normal", number, 100 + number, None)
    for number in range(n_normal):
        write("test", "normal", number, 200 + number, None)
    for number in range(n_anomaly):
        write("test", "anomaly", number, 300 + number, -1.0)
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder
