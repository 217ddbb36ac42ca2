"""Exports a run as a bundle: writes it to a temporary folder, checks it, and renames it."""

import shutil
import tempfile
from pathlib import Path

import torch

from aegan_export.graph import make_modules, write_graphs
from aegan_export.int8 import write_int8_graphs
from aegan_export.parity import OutputParity, check_parity
from aegan_monitor.clock import now
from aegan_monitor.detection.arrays import load_arrays
from aegan_monitor.detection.bundle import GATE, GOLDEN, RECORD, REFERENCE, load_bundle, write_record
from aegan_monitor.detection.golden import StageCheck, require_golden
from aegan_monitor.detection.record import BundleFields
from aegan_monitor.errors import DataError
from aegan_monitor.files import sync_folder, write_whole
from aegan_monitor.inference.onnx_runtime import OrtSession
from aegan_monitor.types import FloatArray
from aegan_train.artifacts import SEGMENTS
from aegan_train.checkpoint import load_trained
from aegan_train.evaluate import load_fields
from aegan_train.run_folder import DISK_FULL


def export_bundle(run: Path, out: Path, *, int8: bool = False) -> tuple[list[OutputParity], list[StageCheck], BundleFields]:
    """Write the bundle `out`, whose fields come last; a failure leaves the previous content of `out`.

    `int8`: also write graphs in 8-bit integers.

    Raises:
        DataError: `run` is no finished run, `out` exists and is no bundle, or `out` cannot be written.
        ParityError: A graph does not compute what PyTorch computes.
        BundleError: The golden check fails on the written bundle.
    """
    fields = load_fields(run)
    training = load_trained(run, torch.device("cpu"))
    if out.exists() and not (out / RECORD).exists() and not (out.is_dir() and not any(out.iterdir())):
        raise DataError(f"{out}: exists and is no bundle; remove it, or choose another --out")
    segments = load_segments(run / SEGMENTS)
    optional = [GATE] if (run / GATE).exists() else []  # a run of an older version has none
    arrays = {name: read_file(run / name) for name in (REFERENCE, GOLDEN, *optional)}
    modules = make_modules(training.generator, training.discriminator)
    target = out.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        try:
            partial.chmod(0o755)
            write_graphs(modules, partial, segments.shape[1:], fields.precision)
            if int8:
                write_int8_graphs(training.generator, training.discriminator, partial, segments)
            parity = check_parity(modules, partial, segments)
            for name, content in arrays.items():
                write_whole(partial / name, content)
            write_record(partial, fields, now())
            bundle = load_bundle(partial)
            checks = require_golden(bundle, OrtSession(bundle))
            put_in_place(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        remedy = "make its folder writable"
        if error.errno in DISK_FULL:
            n_parameters = sum(
                weights.numel() for network in (training.generator, training.discriminator) for weights in network.parameters()
            )
            n_bytes = n_parameters * (2 if fields.precision == "fp16" else 4) + sum(map(len, arrays.values()))
            remedy = f"a bundle of this run takes {n_bytes / 1e6:.0f} MB: free as much there"
        raise DataError(f"{out}: cannot be written: {error.strerror or error}; {remedy}, or choose another --out") from error
    return parity, checks, fields


def load_segments(path: Path) -> FloatArray:
    """The real segments of a run, float32 `[n, 1, n_bands, segment_frames]`, for the parity check.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        segments: FloatArray = load_arrays(path, ["segments"])["segments"]
    except (OSError, ValueError) as error:
        raise DataError(f"{error}; train again") from error
    return segments


def read_file(path: Path) -> bytes:
    """The content of a file of the run.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; train again") from error


def put_in_place(partial: Path, out: Path) -> None:
    """Rename the finished folder to `out`; an older bundle is moved away first and removed last."""
    old = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    is_there = out.exists()
    try:
        if is_there:
            out.replace(old)
        try:
            partial.rename(out)
        except OSError:
            if is_there:
                old.replace(out)
            raise
        sync_folder(out.parent)
    finally:
        shutil.rmtree(old, ignore_errors=True)
