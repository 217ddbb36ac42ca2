"""Bundles with spaces, and bundles of the format before them."""

import json
import math
import re
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.baselines import make_baseline_filterbank
from aegan_monitor.detection.bundle import DIGEST_KEY, FORMAT, demo_bundle, digest_of, load_bundle, write_record
from aegan_monitor.detection.features import LogMel
from aegan_monitor.detection.fusion import score_names
from aegan_monitor.detection.golden import require_golden
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.detection.record import FusionTerm, Normalisation
from aegan_monitor.detection.scores import LASTING, SPACE_SCORES
from aegan_monitor.detection.spaces import Space
from aegan_monitor.detection.views import cut_pieces
from aegan_monitor.errors import BundleError
from aegan_monitor.inference.onnx_runtime import OrtSession
from aegan_train.calibration.lasting import fit_lasting
from aegan_train.calibration.spaces import fit_embedding_spaces, fit_spaces
from fakes import make_bands
from synthetic import copy_demo_as_format_2

BANDS = make_bands(6, 0)
N_EMBEDDING = load_bundle(demo_bundle()).record.network.n_embedding
EMBEDDINGS = np.random.default_rng(0).normal(size=(6, N_EMBEDDING))
FITTED = {
    **fit_embedding_spaces(EMBEDDINGS, np.ones(N_EMBEDDING), np.eye(N_EMBEDDING)),
    **fit_spaces(BANDS, 4),
    LASTING: fit_lasting(BANDS, np.arange(6)),
}


@pytest.fixture(scope="module")
def spaced_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo bundle with spaces, fitted on noise, and F_joint of two of them."""
    folder = shutil.copytree(demo_bundle(), tmp_path_factory.mktemp("spaced") / "bundle")
    bundle = load_bundle(folder)
    record, calibration = bundle.record, bundle.record.calibration["recorded"]
    replace(bundle.reference, spaces=FITTED).save(folder / "reference.npz")
    added, rising = [*SPACE_SCORES, "F_joint"], np.arange(float(len(calibration.probabilities))).tolist()
    quantiles = {**calibration.quantiles, **dict.fromkeys(added, rising)}
    terms = {"D_near": FusionTerm(centre=1, scale=1), "C_flux": FusionTerm(centre=1, scale=1, correlations={"D_near": 0.5})}
    update = {
        "spaces": [*SPACE_SCORES, LASTING],
        "fusion": terms,
        "fused": "F_joint",
        "score": "F_joint",
        "normalisation": {**record.normalisation, **dict.fromkeys(added, Normalisation(mean=0, std=1))},
        "calibration": {"recorded": calibration.model_copy(update={"quantiles": quantiles})},
    }
    write_record(folder, record.model_copy(update=update))
    return folder


def test_a_bundle_of_format_2_offers_what_it_had(tmp_path: Path) -> None:
    """It has the scores of its time alone, and passes the golden check."""
    bundle = load_bundle(copy_demo_as_format_2(tmp_path / "older"))
    record = bundle.record
    require_golden(bundle, OrtSession(bundle))
    assert (record.format, record.spaces, record.fused) == (2, [], "F_mean")
    names = score_names(record)
    assert len(names) == 27
    assert set(names) == set(record.normalisation) == set(record.calibration["recorded"].quantiles)
    assert "F_mean" in score_names(record.model_copy(update={"fusion": {"D_near": FusionTerm(centre=0, scale=1)}}))


def test_a_bundle_of_format_2_knows_no_lasting_share(tmp_path: Path) -> None:
    """Its scores come without one, live and from a recording; no band is computed for it."""
    bundle = load_bundle(copy_demo_as_format_2(tmp_path / "older"))
    pipeline = Pipeline(bundle.record, bundle.reference, OrtSession(bundle), ["D_maha"])
    sound = Pump(0).read(160_000)
    scores, share = pipeline.examine_clip(sound)
    assert (list(scores), share) == (["D_maha"], None)
    pipeline.reset()
    assert [clip.lasting_share for clip in pipeline.push(sound)] == [None]


def test_any_score_comes_with_the_share_of_its_clip(spaced_folder: Path) -> None:
    """A score of the network alone, live and from a recording, has the share of the pieces in the clip's own bands."""
    bundle = load_bundle(spaced_folder)
    pipeline = Pipeline(bundle.record, bundle.reference, OrtSession(bundle), ["D_near"])
    sound = Pump(0).read(160_000)
    _, db = pipeline.cut_clip(sound)
    assert pipeline.examine_clip(sound)[1] == bundle.reference.spaces[LASTING].lasting_share(cut_pieces(db))
    pipeline.reset()
    (clip,) = pipeline.push(sound)
    live = cut_pieces(
        LogMel(bundle.record.features, bundle.reference.filterbank, make_baseline_filterbank(bundle.record.features))
        .push(sound)
        .baseline_db
    )
    assert clip.lasting_share == bundle.reference.spaces[LASTING].lasting_share(live[: bundle.record.clip.covered_frames // 2])


def test_a_bundle_keeps_its_spaces(spaced_folder: Path) -> None:
    """A bundle of format 3 has the scores of its spaces and its fused score, and gives them."""
    bundle = load_bundle(spaced_folder)
    assert bundle.record.format == FORMAT == 3
    assert score_names(bundle.record)[27:] == [*SPACE_SCORES, "F_joint"]
    for name, space in FITTED.items():
        for part in fields(Space):
            np.testing.assert_array_equal(getattr(bundle.reference.spaces[name], part.name), getattr(space, part.name))
    found = Pipeline(bundle.record, bundle.reference, OrtSession(bundle)).score_clip(Pump(0).read(160_000))
    members = [math.log(found[name]) - 1 for name in ("D_near", "C_flux")]
    over = [max(0, member) for member in members]
    assert found["F_joint"] == pytest.approx(math.sqrt((over[0] ** 2 + over[1] ** 2 - over[0] * over[1]) / 0.75 / 2))


@pytest.mark.parametrize(
    ("edit", "line"),
    [
        (lambda r: r["spaces"].append("C_linear_near"), "spaces: 'C_linear_near' is none of D_density, "),
        (lambda r: r["spaces"].append("long"), "spaces: 'long' is none of D_density, "),
        (lambda r: r["spaces"].remove("C_flux"), "fusion: C_flux has no space"),
        (lambda r: r.update(fused="F_max"), "fused: 'F_max' is none of F_mean, F_joint"),
        (lambda r: r.update(fused="F_mean"), "score: 'F_joint' is none of D_maha, "),
        (lambda r: r["fusion"]["C_flux"].update(scale=1e-16), "fusion.C_flux.scale: "),
        (lambda r: r["fusion"]["C_flux"].update(centre=-1e16), "fusion.C_flux.centre: "),
        (lambda r: r["clip"].update(segment_frames=63), "clip.segment_frames: expected at least 64 for spaces, found 63"),
        (lambda r: r["calibration"]["recorded"]["quantiles"].pop("C_moments"), "calibration.recorded.quantiles lacks C_moments"),
        (lambda r: r["calibration"].clear(), "calibration: value should have at least 1 item"),
        (lambda r: r["calibration"].update(hall=None), "calibration.hall.[key]: input should be 'recorded' or 'any'"),
    ],
)
def test_a_wrong_record_of_spaces_is_reported(
    spaced_folder: Path, tmp_path: Path, edit: Callable[[dict[str, object]], object], line: str
) -> None:
    """Wrong names and numbers of spaces and of the fused score give one line with the key."""
    copy = shutil.copytree(spaced_folder, tmp_path / "bundle")
    record = json.loads((copy / "bundle.json").read_text())
    edit(record)
    (copy / "bundle.json").write_text(json.dumps({**record, DIGEST_KEY: digest_of(record)}))
    with pytest.raises(BundleError, match=re.escape(line)) as caught:
        load_bundle(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("part", "array", "line"),
    [
        ("rows", np.zeros(()), "rows: expected shape (4, 128), found ()"),
        ("rows", np.zeros((4, 127)), "rows: expected shape (4, 128), found (4, 127)"),
        ("rows", np.zeros((5, 128)), "rows: expected shape (4, 128), found (5, 128)"),
        ("density", np.zeros(0), "rows: expected shape (1, 128), found (4, 128)"),
        ("density", np.ones(()), "rows: expected shape (1, 128), found (4, 128)"),
        ("centre", np.zeros((128, 1)), "centre: expected shape (128,), found (128, 1)"),
        ("transform", np.zeros(()), "transform: expected shape (128,), found ()"),
        ("transform", np.zeros((64, 128)), "transform: expected shape (128, 128), found (64, 128)"),
        ("residual", np.zeros(64), "residual: expected shape (128,), found (64,)"),
        ("residual", np.zeros(128, "int8"), "residual: expected floating-point numbers, found int8"),
        ("residual", None, "array missing: C_flux.residual"),
    ],
)
def test_a_damaged_space_is_reported(spaced_folder: Path, tmp_path: Path, part: str, array: np.ndarray | None, line: str) -> None:
    """An array of a space that is missing, or of another shape or type, gives one line."""
    copy = shutil.copytree(spaced_folder, tmp_path / "bundle")
    with np.load(copy / "reference.npz") as arrays:
        held: dict[str, Any] = {name: arrays[name] for name in arrays if name != f"C_flux.{part}"}
    if array is not None:
        held[f"C_flux.{part}"] = array
    np.savez(copy / "reference.npz", **held)
    record = load_bundle(spaced_folder).record
    write_record(copy, record)
    with pytest.raises(BundleError, match=re.escape(line)) as caught:
        load_bundle(copy)
    assert str(caught.value).startswith(f"{copy / 'reference.npz'}: ")
    assert str(caught.value).endswith("; export the bundle again")
    assert "\n" not in str(caught.value)
