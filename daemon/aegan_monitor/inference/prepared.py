"""What `aegan-monitor prepare` has found on this computer.

The findings lie in one file in the daemon's state directory, each under a digest of the computer, its runtimes, the bundle, the score
and the number of threads. What was found for something else is not used.
"""

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as validated

from aegan_monitor.detection.bundle import Bundle
from aegan_monitor.files import make_folder, write_whole
from aegan_monitor.inference.box import describe_box
from aegan_monitor.inference.gate import GateFigures
from aegan_monitor.inference.providers import Choice, Precision, ProviderName

log = logging.getLogger(__name__)

FILE = "providers.json"
ENGINES = "engines"
N_KEPT = 64  # findings; the oldest go
PREPARE = "run aegan-monitor prepare"


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class Finding:
    """One choice that was tried.

    Attributes:
        problem: Why it is not used; empty if it has passed golden check and gate.
        golden: The largest deviation from the golden recording, as a part of its tolerance.
        gate: None for strict fp32, and for a bundle without a gate.
    """

    provider: ProviderName
    precision: Precision
    problem: str = ""
    segments_per_s: float = 0.0
    start_s: float = 0.0
    rss_bytes: int = 0
    golden: float = 0.0
    gate: GateFigures | None = None

    @property
    def choice(self) -> Choice:
        """Provider and precision."""
        return Choice(self.provider, self.precision)


_FILE = TypeAdapter(dict[str, list[Finding]])


class Prepared:
    """The file with the findings."""

    def __init__(self, folder: Path | None = None, box: Sequence[str] | None = None) -> None:
        """Read the file in the state directory `folder`; None has no findings. A damaged file is reported, and has none either.

        `box` describes a computer and its runtimes; None is this one.
        """
        self.folder, self._box = folder, describe_box() if box is None else box
        self._content = self._read()
        self._findings: dict[str, list[Finding]] = {}
        try:
            self._findings = _FILE.validate_json(self._content) if self._content else {}
        except ValidationError:
            log.warning("%s: is damaged, so nothing is known about the providers here; %s", self.path, PREPARE)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found for anything."""
        return not self._findings

    @property
    def path(self) -> Path:
        """The file; relative without a state directory."""
        return (self.folder or Path()) / FILE

    def is_current(self) -> bool:
        """Whether the file is still as it was read."""
        return self._read() == self._content

    def find(self, bundle: Bundle, score: str, n_threads: int) -> list[Finding]:
        """What was found for this score of this bundle here, the fastest that passed first; empty without a finding that fits."""
        return self._findings.get(self._digest(bundle, score, n_threads), [])

    def remember(self, bundle: Bundle, score: str, n_threads: int, findings: Sequence[Finding]) -> None:
        """Write what was found into the file, in place of what it had for the same.

        Raises:
            OSError: It cannot be written.
        """
        key = self._digest(bundle, score, n_threads)
        others = {name: found for name, found in self._findings.items() if name != key}
        kept = dict(list(others.items())[-N_KEPT + 1 :])
        ordered = sorted(findings, key=lambda each: (bool(each.problem), -each.segments_per_s))
        self._findings = {**kept, key: ordered}
        self.make_folder()
        self._content = _FILE.dump_json(self._findings, indent=1) + b"\n"
        write_whole(self.path, self._content)

    def make_folder(self) -> None:
        """Make the state directory, and find out whether it can be written.

        Raises:
            OSError: It cannot.
        """
        make_folder(self.path.parent, self.path.parent)
        with tempfile.TemporaryFile(dir=self.path.parent):
            pass

    def find_engines(self, bundle: Bundle, choice: Choice) -> Path | None:
        """The folder of the engines that are built for this choice; None without a state directory."""
        name = f"{choice.provider}-{choice.precision}"
        return self.folder / ENGINES / bundle.record.record_sha256 / name if self.folder else None

    def remove_engines(self, bundles: Iterable[Bundle]) -> None:
        """Remove the engines of all other bundles: each takes as much as its networks."""
        kept = {bundle.record.record_sha256 for bundle in bundles}
        for folder in (self.path.parent / ENGINES).glob("*"):
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)

    def _digest(self, bundle: Bundle, score: str, n_threads: int) -> str:
        """Hexadecimal digest of all that decides which choice is the fastest that passes."""
        lines = [*self._box, bundle.record.record_sha256, score, str(n_threads)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def _read(self) -> bytes:
        try:
            return self.path.read_bytes() if self.folder else b""
        except FileNotFoundError:
            return b""
        except OSError as error:
            log.warning("%s: cannot be read: %s; %s", self.path, error.strerror or error, PREPARE)
            return b""
