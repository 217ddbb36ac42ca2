"""The key of a result: a digest of all that the scores depend on."""

import ast
import functools
import hashlib
import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import aegan_monitor
import aegan_train
from aegan_train.bench.backgrounds import find_classes
from aegan_train.bench.synthesis import Synthesised
from aegan_train.bench.units import Bench, Unit
from aegan_train.recordings.folder import MANIFEST

DAEMON, TRAIN = Path(aegan_monitor.__file__).parent, Path(aegan_train.__file__).parent
READING = ("recording.py", "resampling.py", "sound_file.py", "wav_header.py")  # of aegan_monitor.audio
WITHOUT_EFFECT = {"bench", "dcase", "cli.py", "summary.py", "progress.py"}  # of aegan_train, on any score
SYNTHESIS = ("sounds.py", "machines.py", "injected.py", "backgrounds.py", "synthesis.py")  # of aegan_train.bench


def make_key(unit: Unit, seed: int, bench: Bench) -> str:
    """A digest of all that the scores depend on: seed, device, PyTorch, settings, data, and the code of detection and training."""
    digest = hashlib.sha256(f"{seed} {bench.device.type} {version('torch')} {bench.config.model_dump_json()}".encode())
    scoring, synthesis = digest_own_code()
    digest.update(scoring.encode())
    if isinstance(unit.source, Synthesised):
        digest.update(synthesis.encode() + json.dumps(asdict(unit.source)).encode())
        root, patterns = bench.esc10, [f"*_{name}/*.wav" for name in find_classes(unit.source.layers)]
    else:
        root, patterns = unit.source, [MANIFEST, "**/*.wav"]
    for path in sorted(path for pattern in patterns for path in root.glob(pattern)):
        digest.update(f"{path.relative_to(root)} {path.stat().st_size}".encode() + path.read_bytes())
    return digest.hexdigest()


@functools.cache
def digest_own_code() -> tuple[str, str]:
    """The digests of the code that runs here: taken once, because the files may change during a long run."""
    return digest_code(DAEMON, TRAIN)


def digest_code(daemon: Path, train: Path) -> tuple[str, str]:
    """Digests of the code in the folders of two packages that scores depend on: of detection and training, and of synthesised sounds.

    Comments and layout of the code do not count.
    """
    scoring = [*(daemon / "detection").glob("*.py"), *(daemon / "audio" / name for name in READING)]
    scoring += [path for path in train.rglob("*.py") if path.relative_to(train).parts[0] not in WITHOUT_EFFECT]

    def digest(paths: list[Path]) -> str:
        return hashlib.sha256("".join(ast.dump(ast.parse(path.read_bytes())) for path in sorted(paths)).encode()).hexdigest()

    return digest(scoring), digest([train / "bench" / name for name in SYNTHESIS])
