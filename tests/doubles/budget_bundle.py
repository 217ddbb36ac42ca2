"""The demo's bundle with blocks of normal sound, so that a budget decides."""

import shutil
from pathlib import Path

import numpy as np

from aegan_monitor.detection.bundle import demo_bundle, load_bundle, write_record
from aegan_monitor.detection.record import NormalBlocks


def copy_demo(folder: Path, n_blocks: int = 200) -> Path:
    """Write it as `folder`; its pump scores from 8 to 14."""
    bundle = shutil.copytree(demo_bundle(), folder)
    record = load_bundle(bundle).record
    blocks = NormalBlocks(n_clips=1, stretches=[np.linspace(8, 14, n_blocks).tolist()])
    calibration = {place: known.model_copy(update={"blocks": blocks}) for place, known in record.calibration.items()}
    write_record(bundle, record.model_copy(update={"calibration": calibration}))
    return bundle
