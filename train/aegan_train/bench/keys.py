"""The key of a result: a digest of all that the scores depend on."""

import ast
import functools
import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import aegan_monitor
import aegan_train
from aegan_train.bench.disturbances import find_makers
from aegan_train.bench.sound.backgrounds import find_classes, find_voice
from aegan_train.bench.sound.synthesis import Synthesised
from aegan_train.bench.units import Bench, Unit
from aegan_train.recordings.folder import MANIFEST

DAEMON, TRAIN = Path(aegan_monitor.__file__).parent, Path(aegan_train.__file__).parent
READING = ("recording.py", "resampling.py", "sound_file.py", "wav_header.py")  # of aegan_monitor.audio
WITHOUT_EFFECT = {"bench", "dcase", "cli.py", "summary.py", "progress.py"}  # of aegan_train, on any score

UPDATES = ("networks/*.py", "budget.py", "checkpoint.py", "epochs.py", "sampler.py")  # of aegan_train, on the weights


def make_key(unit: Unit, seed: int, bench: Bench) -> str:
    """A digest of all that the scores depend on: seed, device, PyTorch, settings, data, and the code of detection and training."""
    digest = hashlib.sha256(f"{seed} {bench.device.type} {version('torch')} {bench.config.model_dump_json()}".encode())
    code = digest_own_code()
    digest.update(f"{code.scoring} {code.synthesis} {sorted(find_makers(bench.esc10))}".encode())
    if isinstance(unit.source, Synthesised):
        digest.update(json.dumps(asdict(unit.source)).encode() + find_voice(unit.source.layers).encode())
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
    updates = [daemon / "detection" / "segments.py", *(path for pattern in UPDATES for path in train.glob(pattern))]
    return CodeDigests(*map(digest, (scoring, [*(train / "bench" / "sound").glob("*.py"), train / "bench" / "disturbances.py"], updates)))


def digest(paths: Iterable[Path]) -> str:
    """The digest of what some modules do."""
    trees = [ast.parse(path.read_bytes()) for path in sorted(paths)]
    for node in (node for tree in trees for node in ast.walk(tree) if isinstance(getattr(node, "body", None), list)):
        node.body = [each for each in node.body if not is_docstring(each)]  # type: ignore[attr-defined]
    return hashlib.sha256("".join(map(ast.dump, trees)).encode()).hexdigest()


def is_docstring(node: ast.AST) -> bool:
    """Whether a statement is only a string."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
