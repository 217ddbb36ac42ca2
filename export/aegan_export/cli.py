"""Exports a run of aegan-train as a bundle for aegan-monitor."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from aegan_monitor import __version__
from aegan_monitor.program import run_with_extra
from aegan_train.cli import PACKAGES


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="aegan-export",
        description=__doc__,
        epilog="example:\n  aegan-export runs/pump --out bundles/pump",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a finished aegan-train fit")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="BUNDLE", help="folder for the bundle; an older bundle there is replaced"
    )
    parser.add_argument(
        "--archive", type=Path, metavar="FILE", help="write the bundle as one tar file, too, for aegan-monitor bundle install"
    )
    parser.add_argument(
        "--int8",
        action="store_true",
        help="write the networks in 8-bit integers, too: about three times as fast on a processor with VNNI; the scores differ slightly",
    )
    return parser


def run_export(run: Path, out: Path, archive: Path | None = None, *, int8: bool = False) -> int:
    """Export, and print the deviation from PyTorch, what is proved about false alarms, the size, and the next command."""
    from aegan_export.bundle import export_bundle  # noqa: PLC0415 - torch takes seconds to import; --help must not
    from aegan_monitor.decision.proof import commission  # noqa: PLC0415
    from aegan_monitor.detection.threshold import choose_place  # noqa: PLC0415
    from aegan_monitor.tools.bundles.archive import write_archive  # noqa: PLC0415
    from aegan_train.calibration.normal_blocks import make_default_policy  # noqa: PLC0415

    parity, checks, fields = export_bundle(run, out, int8=int8)
    for each in parity:
        print(f"{each.file}: {each.output} differs from PyTorch by {each.deviation:.1e}")
    worst = max(checks, key=lambda check: check.deviation / check.tolerance)
    print(f"golden check passed (nearest to its bound: {worst.stage}, {worst.deviation:.1e} of {worst.tolerance:g})")
    if fields.calibration[choose_place(fields.calibration)].blocks is not None:
        for line in commission(make_default_policy(fields)).describe():
            print(line)
    n_bytes = sum(path.stat().st_size for path in out.iterdir())
    if archive:
        write_archive(out, archive)
        print(f"{archive}: archive written; on the box: aegan-monitor bundle install {shlex.quote(archive.name)} --config FILE")
    print(f"{out}: bundle written, {n_bytes / 1e6:.1f} MB; next: aegan-monitor check {shlex.quote(str(out))}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    arguments = make_parser().parse_args(argv)
    packages = (*PACKAGES, "onnx", "onnxscript")
    return run_with_extra(
        "aegan-export", "export", packages, lambda: run_export(arguments.run, arguments.out, arguments.archive, int8=arguments.int8)
    )


if __name__ == "__main__":
    sys.exit(main())
