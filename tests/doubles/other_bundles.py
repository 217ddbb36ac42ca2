"""Copies of the demo's bundle that differ from it and from each other."""

import shutil
from pathlib import Path

from aegan_monitor.detection.bundle import demo_bundle, load_bundle, write_record


def make_bundle(folder: Path, margin: float) -> str:
    """A copy whose alarm has this margin; returns its digest."""
    shutil.copytree(demo_bundle(), folder)
    record = load_bundle(folder).record
    calibration = {place: each.model_copy(update={"margin": margin}) for place, each in record.calibration.items()}
    write_record(folder, record.model_copy(update={"calibration": calibration}))
    return find_digest(folder)


def find_digest(folder: Path) -> str:
    """The digest of a whole bundle."""
    return load_bundle(folder).record.record_sha256


def write_small_config(folder: Path, bundle: Path) -> Path:
    """A configuration whose daemon does not run."""
    path = folder / "monitor.yaml"
    path.write_text(f"node: box\noutbox: {{path: outbox.sqlite}}\nmachines: [{{name: pump, bundle: {bundle}}}]\n")
    return path
