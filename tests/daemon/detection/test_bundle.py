"""Damaged bundles: each kind of damage gives one line with file, expected and found."""

import json
import os
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.detection.bundle import DIGEST_KEY, PAYLOAD, accessing, digest_of, load_bundle, write_record
from aegan_monitor.detection.reference import ReferenceSet
from aegan_monitor.detection.scores import LASTING
from aegan_monitor.errors import EXIT_CONFIG, EXIT_FAILED, BundleAccessError, BundleError


@pytest.fixture
def copy(bundle_folder: Path, tmp_path: Path) -> Path:
    """A copy of the bundle that a test may damage."""
    return shutil.copytree(bundle_folder, tmp_path / "bundle")


def test_a_good_bundle_loads(bundle_folder: Path) -> None:
    """A good bundle loads with record and arrays."""
    bundle = load_bundle(bundle_folder)
    assert bundle.record.machine_type == "pump"
    assert bundle.reference.filterbank.shape == (128, 1025)


def test_the_date_of_a_bundle_is_no_part_of_its_digest(copy: Path) -> None:
    """Two exports of one run have the same digest; a date that no clock shows is refused."""
    record = load_bundle(copy).record
    dates = (datetime(2026, 1, 31, 8, 15, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    digests = set()
    for created in dates:
        write_record(copy, record, created)
        found = load_bundle(copy).record
        assert found.created == created
        digests.add(found.record_sha256)
    assert len(digests) == 1
    change(copy, lambda r: r.update(created="9999-12-31T23:59:59-23:59"))
    with pytest.raises(BundleError, match="bundle.json: created: input should be less than 2200.*; export the bundle again"):
        load_bundle(copy)


@pytest.mark.parametrize("name", PAYLOAD)
def test_one_changed_byte_is_found(copy: Path, name: str) -> None:
    """One changed byte in any file is found."""
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    digest = r"[0-9a-f]{12}\.\.\."
    expected = rf"{re.escape(name)}: expected sha256 {digest}, found {digest}: the file was changed; copy or export it again$"
    with pytest.raises(BundleError, match=expected):
        load_bundle(copy)


@pytest.mark.parametrize("name", PAYLOAD)
def test_a_missing_or_cut_file_is_found(copy: Path, name: str) -> None:
    """A truncated and a missing file are found."""
    size = (copy / name).stat().st_size
    (copy / name).write_bytes((copy / name).read_bytes()[:-1])
    with pytest.raises(BundleError, match=rf"expected {size} bytes, found {size - 1}; copy the whole folder again, or export it again$"):
        load_bundle(copy)
    (copy / name).unlink()
    with pytest.raises(BundleError, match=rf"{re.escape(name)}: file missing; copy the whole folder again, or export it again$"):
        load_bundle(copy)


def change(copy: Path, edit: Callable[[dict[str, object]], object]) -> None:
    """Edit the record of a bundle and give it a matching digest."""
    record = json.loads((copy / "bundle.json").read_text())
    edit(record)
    (copy / "bundle.json").write_text(json.dumps({**record, DIGEST_KEY: digest_of(record)}))


@pytest.mark.parametrize(
    ("edit", "line"),
    [
        (lambda r: r.update(format=4), "format: expected 3, found 4; update aegan-monitor"),
        (lambda r: r.update(format=1), "format: expected 3, found 1; it is of an older version; train again with aegan-train fit"),
        (lambda r: r.pop("format"), "format: expected 3, found None; export the bundle again"),
        (lambda r: r.update(fusion={"C_liner": {"centre": 0, "scale": 1}}), "fusion: 'C_liner' is none of D_maha, "),
        (lambda r: r.update(fusion={"D_near": {"centre": 0, "scale": 0}}), "fusion.D_near.scale: "),
        (lambda r: r["normalisation"].pop("F_joint"), "normalisation lacks F_joint"),
        (lambda r: r.update(score="F_mean"), "score: 'F_mean' is none of D_maha, "),
        (lambda r: r.update(score="D_mahal"), "score: 'D_mahal' is none of D_maha, "),
        (lambda r: r["features"].update(hop="x"), "features.hop: "),
        (lambda r: r["clip"].update(decision_hop_frames=33), "decision_hop_frames 33 is no multiple of segment_hop_frames 16"),
        (lambda r: r["calibration"]["recorded"]["quantiles"].pop("D_lof"), "calibration.recorded.quantiles lacks D_lof"),
        (lambda r: r["normalisation"]["D_maha"].update(std=0), "normalisation.D_maha.std: "),
        (lambda r: r["normalisation"]["D_maha"].update(mean=float("nan")), "normalisation.D_maha.mean: "),
        (lambda r: r["normalisation"]["D_maha"].update(std=1e-300), "normalisation.D_maha.std: "),
        (lambda r: r["calibration"]["recorded"]["quantiles"]["D_cos"].append(1e16), "calibration.recorded.quantiles.D_cos.103: "),
        (lambda r: r["scaling"].update(half_range_db=[0]), "half_range_db: expected over 0"),
        (lambda r: r["scaling"].update(centre_db=[1, 2, 3]), "centre_db: expected 1 number or 128, found 3"),
        (lambda r: r["features"].update(hop_samples=0), "hop_samples, n_bands: expected over 0"),
        (lambda r: r["clip"].update(decision_hop_frames=0), "decision_hop_frames 0 is not 1 or more"),
        (
            lambda r: r["calibration"]["recorded"]["probabilities"].pop(),
            "calibration.recorded.quantiles.D_maha: expected 102 that do not fall",
        ),
        (
            lambda r: r["calibration"]["recorded"]["quantiles"]["D_cos"].reverse(),
            "calibration.recorded.quantiles.D_cos: expected 103 that do not fall",
        ),
        (lambda r: r["network"].update(n_embedding=9), "embedding_mean: expected shape (9,), found (64,)"),
    ],
)
def test_a_wrong_record_is_reported(copy: Path, edit: Callable[[dict[str, object]], object], line: str) -> None:
    """Wrong formats, names, numbers and shapes in the record give one line with the key."""
    change(copy, edit)
    with pytest.raises(BundleError, match=re.escape(line)) as caught:
        load_bundle(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace('"half_range_db": [\n   ', '"half_range_db": [\n   9'),
        lambda text: text.replace('"D_maha"', '"D_knn"', 1),
        lambda text: text.replace("record_sha256", "record_sha265"),
    ],
)
def test_a_changed_number_in_the_record_is_found(copy: Path, edit: Callable[[str], str]) -> None:
    """A changed threshold or scale is found by the digest of the record."""
    path = copy / "bundle.json"
    path.write_text(edit(path.read_text()))
    with pytest.raises(BundleError, match=r"bundle\.json: was changed \(its sha256 differs\); copy"):
        load_bundle(copy)


def test_a_cut_archive_is_one_line(tmp_path: Path, bundle_folder: Path) -> None:
    """An archive truncated anywhere gives one line."""
    content = (bundle_folder / "reference.npz").read_bytes()
    for n_bytes in (0, 1, 100, len(content) // 2, len(content) - 1):
        (tmp_path / "cut.npz").write_bytes(content[:n_bytes])
        with pytest.raises(BundleError, match=r"cut\.npz: cannot be read as arrays \(.*\); export the bundle again$"):
            ReferenceSet.load(tmp_path / "cut.npz", [])
    (tmp_path / "text.npz").write_text("no arrays")
    with pytest.raises(BundleError, match=r"text\.npz: cannot be read as arrays"):
        ReferenceSet.load(tmp_path / "text.npz", [])


@pytest.mark.parametrize("dtype", ["int8", "complex128", "<U3", "datetime64[s]", "bool"])
def test_arrays_of_anything_but_numbers_with_a_point_are_refused(tmp_path: Path, bundle_folder: Path, dtype: str) -> None:
    """Arrays of any other type than floating point are refused."""
    with np.load(bundle_folder / "reference.npz") as arrays:
        held = {name: arrays[name] for name in arrays}
    np.savez(tmp_path / "odd.npz", **{**held, "embedding_std": np.zeros(held["embedding_std"].shape, dtype)})
    line = rf"odd\.npz: embedding_std: expected floating-point numbers, found {re.escape(str(np.dtype(dtype)))}; export the bundle again$"
    with pytest.raises(BundleError, match=line):
        ReferenceSet.load(tmp_path / "odd.npz", [])


@pytest.mark.parametrize(
    ("place", "byte", "reason"),
    [
        (8, 99, "NotImplementedError: That compression method is not supported"),
        (6, 1, "RuntimeError: File .* is encrypted, password required"),
    ],
)
def test_a_flipped_bit_in_the_archive_is_one_line(tmp_path: Path, bundle_folder: Path, place: int, byte: int, reason: str) -> None:
    """A flipped bit in the archive's directory gives one line; `place` counts from its last entry."""
    content = bytearray((bundle_folder / "reference.npz").read_bytes())
    content[content.rindex(b"PK\1\2") + 2 + place] = byte
    (tmp_path / "flipped.npz").write_bytes(content)
    with pytest.raises(BundleError, match=rf"flipped\.npz: cannot be read as arrays \({reason}.*\); export the bundle again$"):
        ReferenceSet.load(tmp_path / "flipped.npz", [LASTING])


def test_what_is_no_bundle_is_reported(tmp_path: Path) -> None:
    """An empty folder, a record that is no JSON and a record that is a pipe are no bundle."""
    with pytest.raises(BundleError, match=r"bundle\.json: file missing, so .* is no bundle"):
        load_bundle(tmp_path)
    for text in ("{", "[" * 100_000):
        (tmp_path / "bundle.json").write_text(text)
        with pytest.raises(BundleError, match=r"bundle\.json: cannot be read: .*; export the bundle again$") as caught:
            load_bundle(tmp_path)
        assert caught.value.exit_code == EXIT_CONFIG
    (tmp_path / "bundle.json").unlink()
    os.mkfifo(tmp_path / "bundle.json")
    with pytest.raises(BundleError, match=r"bundle\.json: is no file, so .* is no bundle; make one with: aegan-export RUN --out FOLDER$"):
        load_bundle(tmp_path)


def test_one_that_is_not_there_yet_may_come(tmp_path: Path) -> None:
    """A missing or failing disk ends with 1, on which the unit starts again."""
    remedy = f"mount its disk, correct the path, or make one with: aegan-export RUN --out {tmp_path}/none"
    with pytest.raises(BundleAccessError, match=f"^{re.escape(f'{tmp_path}/none: no such bundle folder; {remedy}')}$") as caught:
        load_bundle(tmp_path / "none")
    assert caught.value.exit_code == EXIT_FAILED
    (tmp_path / "bundle.json").symlink_to("/proc/self/mem")  # nothing is mapped where it begins
    with pytest.raises(BundleAccessError, match=f"^{re.escape(str(tmp_path))}: cannot be read now: Input/output error; try again$"):
        load_bundle(tmp_path)


@pytest.mark.parametrize(
    ("error", "reported"),
    [
        (
            PermissionError(13, "Permission denied", "/srv/pump"),
            (
                "/srv/pump: may not be read by this user; make it readable (chmod -R a+rX /srv/pump), "
                "and for a service keep it outside of /home and /root"
            ),
        ),
        (OSError(24, "Too many open files", "/srv/pump"), "/srv/pump: cannot be read now: Too many open files; try again"),
        (MemoryError(), "/srv/pump: cannot be read now: MemoryError; try again"),
    ],
)
def test_what_the_system_refuses_is_reported_with_a_remedy(error: Exception, reported: str) -> None:
    """Errors of the operating system give a remedy; injected, because tests may run as root."""
    with pytest.raises(BundleAccessError, match=f"^{re.escape(reported)}$"), accessing(Path("/srv/pump")):
        raise error
