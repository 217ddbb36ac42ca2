"""The bundle: all data for scoring, verified when it is loaded."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, ValidationError
from pydantic.dataclasses import dataclass as validated

from aegan_monitor.detection.fusion import FUSIONS, score_names
from aegan_monitor.detection.network import GRAPHS, INT8
from aegan_monitor.detection.record import BundleFields, BundleRecord, FileRecord
from aegan_monitor.detection.reference import ReferenceSet
from aegan_monitor.detection.scores import EMBEDDING_SPACES, LASTING, SCORE_IDS, SPACE_SCORES, SPACE_VIEWS
from aegan_monitor.detection.views import N_GROUPS, N_PIECE_GROUPS, N_SCALE_BANDS, SCALES, WINDOW_FRAMES
from aegan_monitor.errors import BundleAccessError, BundleError
from aegan_monitor.files import write_whole

FORMAT = 3
READABLE = (2, FORMAT)
RECORD = "bundle.json"
DIGEST_KEY = "record_sha256"
NOT_DIGESTED = (DIGEST_KEY, "created")
LONGEST_PLACE = 100  # characters of a key in a message
WEIGHTS = "weights.bin"
REFERENCE = "reference.npz"
GOLDEN = "golden.npz"
VECTOR_SIZES = {  # of each view
    **dict.fromkeys(("linear", "mel", "flux"), N_SCALE_BANDS),
    **dict.fromkeys(("linear_spread", "mel_spread", "linear_peak"), 2 * N_SCALE_BANDS),
    "moments": N_GROUPS * WINDOW_FRAMES,
    "pieces": N_PIECE_GROUPS,
}
GATE = "gate.npz"
PAYLOAD = (*(f"{graph}.onnx" for graph in GRAPHS), WEIGHTS, REFERENCE, GOLDEN)
OPTIONAL = (GATE, *(f"{graph}.{INT8}.onnx" for graph in GRAPHS))


@validated(frozen=True, config=ConfigDict(arbitrary_types_allowed=True))
class Bundle:
    """A bundle whose files and arrays agree with its record."""

    folder: Path
    record: BundleRecord
    reference: ReferenceSet

    @property
    def golden_path(self) -> Path:
        """Path of the golden recording."""
        return self.folder / GOLDEN


def sha256_of(path: Path) -> str:
    """Hexadecimal digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(raw: Mapping[str, Any]) -> str:
    """Hexadecimal digest of the sorted, compact JSON of a record without its digest and its date."""
    rest = {key: value for key, value in raw.items() if key not in NOT_DIGESTED}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def write_record(folder: Path, fields: BundleFields, created: datetime | None = None) -> None:
    """Write `bundle.json` for the files in `folder`; `created` is the date of the bundle, in UTC."""
    names = [*PAYLOAD, *(name for name in OPTIONAL if (folder / name).is_file())]
    files = {name: {"sha256": sha256_of(folder / name), "n_bytes": (folder / name).stat().st_size} for name in names}
    raw = {**fields.model_dump(mode="json", include=set(BundleFields.model_fields)), "format": FORMAT, "files": files}
    if created is not None:
        raw["created"] = created.isoformat(timespec="seconds")
    text = json.dumps({**raw, DIGEST_KEY: digest_of(raw)}, indent=1, allow_nan=False)
    write_whole(folder / RECORD, (text + "\n").encode())


def demo_bundle() -> Path:
    """Folder of the built-in bundle, trained on the pump of `aegan-monitor demo`."""
    return Path(__file__).parents[1] / "demo" / "bundle"


def load_bundle(folder: Path) -> Bundle:
    """Read and check a bundle.

    Raises:
        BundleError: It is damaged or of another format.
        BundleAccessError: There is no such folder, or it cannot be read now.
    """
    with accessing(folder):
        record = _read_record(folder)
        for name in (*PAYLOAD, *(each for each in OPTIONAL if each in record.files)):
            _check_file(folder / name, record.files.get(name))
        reference = ReferenceSet.load(folder / REFERENCE, record.spaces)
    _check_shapes(folder, record, reference)
    return Bundle(folder, record, reference)


def require_streamable(bundle: Bundle) -> None:
    """Refuse features that depend on a whole clip.

    Raises:
        BundleError: The bundle was trained with `top_db`.
    """
    if bundle.record.features.top_db is not None:
        raise BundleError(
            f"{bundle.folder}: trained with top_db {bundle.record.features.top_db:g}, which needs whole clips and cannot be streamed; "
            "train with top_db: null, or use replay --clips"
        )


@contextmanager
def accessing(folder: Path) -> Iterator[None]:
    """Context for reading from a bundle.

    Raises:
        BundleAccessError: A file cannot be read now: permissions, input or output, memory.
    """
    try:
        yield
    except PermissionError as error:
        raise BundleAccessError(
            f"{error.filename or folder}: may not be read by this user; make it readable (chmod -R a+rX {folder}), "
            "and for a service keep it outside of /home and /root"
        ) from error
    except (OSError, MemoryError) as error:
        reason = (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
        raise BundleAccessError(f"{folder}: cannot be read now: {reason}; try again") from error


def _read_record(folder: Path) -> BundleRecord:
    path = folder / RECORD
    if not folder.is_dir():
        raise BundleAccessError(
            f"{folder}: no such bundle folder; mount its disk, correct the path, or make one with: aegan-export RUN --out {folder}"
        )
    if not path.is_file():  # a pipe would block
        what = "is no file" if path.exists() else "file missing"
        raise BundleError(f"{path}: {what}, so {folder} is no bundle; make one with: aegan-export RUN --out FOLDER")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: cannot be read: {error}; export the bundle again") from error
    found = raw.get("format") if isinstance(raw, dict) else None
    if found not in READABLE:
        remedy = "update aegan-monitor" if isinstance(found, int) else "export the bundle again"
        if isinstance(found, int) and found < READABLE[0]:  # it lacks statistics that training computes
            remedy = f"it is of an older version; train again with aegan-train fit ... --out RUN, then aegan-export RUN --out {folder}"
        raise BundleError(f"{path}: format: expected {FORMAT}, found {found}; {remedy}")
    if raw.get(DIGEST_KEY) != digest_of(raw):
        raise BundleError(f"{path}: was changed (its sha256 differs); copy or export it again")
    try:
        record = BundleRecord.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])[:LONGEST_PLACE]
        raise BundleError(f"{path}: {where}: {first['msg'].lower()}; export the bundle again") from error
    problems = [
        *record.features.problems(),
        *record.scaling.problems(record.features.n_bands),
        *record.clip.problems(),
        *_find_score_problems(record),
    ]
    if problems:
        raise BundleError(f"{path}: {problems[0]}; export the bundle again")
    return record


def _find_score_problems(record: BundleRecord) -> list[str]:
    for key, named, known in (
        ("fusion", record.fusion, SCORE_IDS),
        ("spaces", record.spaces, (*SPACE_SCORES, LASTING)),
        ("fused", [record.fused], FUSIONS),
    ):
        if unknown := [name for name in named if name not in known]:
            return [f"{key}: {unknown[0]!r} is none of {', '.join(known)}"]
    if record.spaces and record.clip.segment_frames < WINDOW_FRAMES:
        return [f"clip.segment_frames: expected at least {WINDOW_FRAMES} for spaces, found {record.clip.segment_frames}"]
    names = score_names(record)
    if lacking := [name for name in record.fusion if name not in names]:
        return [f"fusion: {lacking[0]} has no space"]
    if record.score not in names:
        return [f"score: {record.score!r} is none of {', '.join(names)}"]
    found = [f"normalisation lacks {name}" for name in names if name not in record.normalisation]
    for place, calibration in record.calibration.items():
        key, probabilities, quantiles = f"calibration.{place}", calibration.probabilities, calibration.quantiles
        found += [f"{key}.quantiles lacks {name}" for name in names if name not in quantiles]
        if len(probabilities) < 2 or probabilities != sorted(set(probabilities)):
            found.append(f"{key}.probabilities: expected two and more that rise")
        for name, values in quantiles.items():
            if len(values) != len(probabilities) or values != sorted(values):
                found.append(f"{key}.quantiles.{name}: expected {len(probabilities)} that do not fall, found {len(values)}")
    return found


def _check_file(path: Path, expected: FileRecord | None) -> None:
    if expected is None:
        raise BundleError(f"{path.parent / RECORD}: files: expected an entry for {path.name}, found none; export the bundle again")
    if not path.is_file():
        raise BundleError(f"{path}: file missing; copy the whole folder again, or export it again")
    n_bytes = path.stat().st_size
    if n_bytes != expected.n_bytes:
        raise BundleError(f"{path}: expected {expected.n_bytes} bytes, found {n_bytes}; copy the whole folder again, or export it again")
    digest = sha256_of(path)
    if digest != expected.sha256:
        raise BundleError(
            f"{path}: expected sha256 {expected.sha256[:12]}..., found {digest[:12]}...: the file was changed; copy or export it again"
        )


def _check_shapes(folder: Path, record: BundleRecord, reference: ReferenceSet) -> None:
    n_embedding, n_clips = record.network.n_embedding, record.reference.n_clips
    expected = {
        "filterbank": (record.features.n_bands, record.features.n_fft // 2 + 1),
        "mean_spectrogram": (record.features.n_bands, record.clip.clip_frames),
        "embedding_mean": (n_embedding,),
        "embedding_precision": (n_embedding, n_embedding),
        "embedding_clips": (n_clips, n_embedding),
        "embedding_std": (n_embedding,),
        "embedding_near": (n_embedding, n_embedding),
        "lof_distance": (n_clips,),
        "lof_density": (n_clips,),
        "baseline_clips": (n_clips, SCALES, N_SCALE_BANDS),
        "baseline_std": (SCALES, N_SCALE_BANDS),
        "baseline_near": (SCALES, N_SCALE_BANDS, N_SCALE_BANDS),
    }
    for name, shape in expected.items():
        found = getattr(reference, name).shape
        if found != shape:
            raise BundleError(f"{folder / REFERENCE}: {name}: expected shape {shape}, found {found}; export the bundle again")
    for name, space in reference.spaces.items():
        n = n_embedding if name in EMBEDDING_SPACES else VECTOR_SIZES[SPACE_VIEWS.get(name, "pieces")]
        n_rows, k = max(1, space.density.size), space.transform.shape[1:]
        shapes = {"centre": (n,), "transform": (n, *k), "rows": (n_rows, *(k or (n,))), "density": (n_rows,), "residual": (n,)}
        for part, shape in shapes.items():
            if (found := getattr(space, part).shape) != shape:
                raise BundleError(f"{folder / REFERENCE}: {name}.{part}: expected shape {shape}, found {found}; export the bundle again")
