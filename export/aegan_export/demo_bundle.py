"""Makes the built-in demo bundle from synthesised pumps and a tiny network; reproducible on one machine."""

import sys
import tempfile
from pathlib import Path

import soundfile
import torch

from aegan_export.bundle import export_bundle
from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle
from aegan_monitor.program import run_command
from aegan_train.config import load_config
from aegan_train.fit import FitRequest, fit

N_PUMPS = 12
RECORDING_S = 120
FIRST_SEED = 1000  # far from the seeds that the demo and its tests use
SAMPLE_RATE_HZ = 16_000


def write_recordings(data: Path) -> None:
    """Write one recording of normal sound for each pump."""
    data.mkdir()
    for number in range(N_PUMPS):
        sound = Pump(FIRST_SEED + number, SAMPLE_RATE_HZ).read(RECORDING_S * SAMPLE_RATE_HZ)
        soundfile.write(data / f"pump_{number:02}.wav", sound, SAMPLE_RATE_HZ, subtype="PCM_16")


def make_demo_bundle(out: Path) -> None:
    """Synthesise recordings, train, and export."""
    torch.set_num_threads(1)  # the order of sums changes the result
    with tempfile.TemporaryDirectory() as name:
        data, run = Path(name) / "data", Path(name) / "run"
        write_recordings(data)
        config = load_config("tiny", None, "robust", precision="fp16", held_out=0.25, ndf=4, n_epochs=8, n_redraws=0, max_minutes=None)
        fit(FitRequest(data, "pump", "tiny", config, run, device="cpu", seed=0, commit=None))
        export_bundle(run, out)
    print(f"{out}: {sum(path.stat().st_size for path in out.iterdir()) / 1e6:.1f} MB")


def main() -> int:
    """Entry point; the optional argument is the output folder."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else demo_bundle()

    def make() -> int:
        make_demo_bundle(out)
        return 0

    return run_command("demo-bundle", make)


if __name__ == "__main__":
    sys.exit(main())
