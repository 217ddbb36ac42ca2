"""The key of a result: a digest of all that the scores depend on."""

import ast
import functools
import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import aegan_monitor
import aegan_train
from aegan_train.bench.backgrounds import find_classes, find_voice
from aegan_train.bench.synthesis import Synthesised
from aegan_train.bench.units import Bench, Unit
from aegan_train.recordings.folder import MANIFEST

DAEMON, TRAIN = Path(aegan_monitor.__file__).parent, Path(aegan_train.__file__).parent
READING = ("recording.py", "sound_file.py", "wav_header.py")  # of aegan_monitor.audio
WITHOUT_EFFECT = {"bench", "dcase", "cli.py", "summary.py", "progress.py"}  # of aegan_train, on any score
SYNTHESIS = ("sounds.py", "machines.py", "injected.py", "backgrounds.py", "synthesis.py")  # of aegan_train.bench

# What does not change trained weights: all folders of aegan_train, and these modules and names of modules. What is new counts.
NOT_UPDATES = {"artifacts.py", "cli.py", "evaluate.py", "progress.py", "run_folder.py", "summary.py", "torch_session.py"}
NOT_UPDATES |= {"FitRequest", "fit", "_fit", "choose_device"}  # fit.py
NOT_UPDATES |= {"FORMAT", "CHECKPOINT", "describe_kept", "load_trained", "round_weights", "load_checkpoint", "restore", "save_checkpoint"}
NOT_UPDATES |= {"group_by_recording", "split_held_out", "gather_recordings", "require_enough", "find_scaling"}  # dataset.py
NOT_UPDATES |= {"LEAST_BAND_STD_DB", "BAND_STDS", "LEAST_CLIPS", "LEAST_RUN_CLIPS", "N_HELD_OUT_RUNS"}
NOT_UPDATES |= {"PRESETS", "ROBUST", "RECIPES", "load_config", "choice", "fused"}  # config.py: their values are settings


def make_key(unit: Unit, seed: int, bench: Bench) -> str:
    """A digest of all that the scores depend on: seed, device, PyTorch, settings, data, and the code of detection and training."""
    digest = hashlib.sha256(f"{seed} {bench.device.type} {version('torch')} {bench.config.model_dump_json()}".encode())
    code = digest_own_code()
    digest.update(code.scoring.encode())
    if isinstance(unit.source, Synthesised):
        digest.update(code.synthesis.encode() + json.dumps(asdict(unit.source)).encode() + find_voice(unit.source.layers).encode())
        digest.update(f"{bench.n_further if unit.in_place else 0}".encode())
        root, patterns = bench.esc10, [f"*_{name}/*.wav" for name in find_classes(unit.source.layers)]
    else:
        root, patterns = unit.source, [MANIFEST, "**/*.wav"]
    for path in sorted(path for pattern in patterns for path in root.glob(pattern)):
        digest.update(f"{path.relative_to(root)} {path.stat().st_size}".encode() + path.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class CodeDigests:
    """Digests of the code that results depend on.

    Attributes:
        scoring: Of detection and training.
        synthesis: Of the synthesised sounds.
        updates: Of what changes the weights of the networks; a part of `scoring`.
    """

    scoring: str
    synthesis: str
    updates: str


@functools.cache
def digest_own_code() -> CodeDigests:
    """The digests of the code that runs here: taken once, because the files may change during a long run."""
    return digest_code(DAEMON, TRAIN)


def digest_code(daemon: Path, train: Path) -> CodeDigests:
    """The digests of the code in the folders of two packages. Comments, docstrings and layout do not count."""
    scoring = [*(daemon / "detection").glob("*.py"), *(daemon / "audio" / name for name in READING)]
    scoring += [path for path in train.rglob("*.py") if path.relative_to(train).parts[0] not in WITHOUT_EFFECT]
    updates = [daemon / "detection" / "segments.py", *(path for path in train.glob("*.py") if path.name not in NOT_UPDATES)]

    def digest(paths: Iterable[Path], left_out: Collection[str] = ()) -> str:
        trees = [Pruner(left_out).generic_visit(ast.parse(path.read_bytes())) for path in sorted(paths)]
        return hashlib.sha256("".join(map(ast.dump, trees)).encode()).hexdigest()

    return CodeDigests(digest(scoring), digest(train / "bench" / name for name in SYNTHESIS), digest(updates, NOT_UPDATES))


class Pruner(ast.NodeTransformer):
    """Removes docstrings and, with names to leave out, what defines these names, declarations of settings, and imports."""

    def __init__(self, left_out: Collection[str]) -> None:
        self._left_out = left_out

    def visit(self, node: ast.AST) -> ast.AST | None:
        """The node without what is removed; None when it is removed itself."""
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                return None
            case ast.AnnAssign(value=ast.Call(func=ast.Name(id="Field"))) | ast.Import() | ast.ImportFrom() if self._left_out:
                return None
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) if name in self._left_out:
                return None
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)) if name in self._left_out:
                return None
        return self.generic_visit(node)
