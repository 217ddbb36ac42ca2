"""What `aegan-monitor prepare` has found on this computer, and the session that a configuration wants.

The findings lie in one file in the daemon's state directory, each under a digest of the computer, its runtimes, the bundle, the score
and the number of threads. What was found for something else is not used.
"""

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal, Protocol, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as validated

from aegan_monitor.detection.bundle import Bundle
from aegan_monitor.detection.fusion import needed_graphs
from aegan_monitor.detection.golden import require_golden
from aegan_monitor.detection.network import GRAPHS, Graph
from aegan_monitor.errors import BundleError, InferenceError
from aegan_monitor.files import make_folder, write_whole
from aegan_monitor.inference.box import describe_box
from aegan_monitor.inference.gate import GateFigures
from aegan_monitor.inference.open import offered, open_session
from aegan_monitor.inference.providers import STRICT, Choice, Precision, ProviderName
from aegan_monitor.inference.session import GraphSession

log = logging.getLogger(__name__)
Report = Callable[[str], object]

FILE = "providers.json"
ENGINES = "engines"
N_KEPT = 64  # findings; the oldest go
PREPARE = "run aegan-monitor prepare"
AUTO = "auto"


class Wanted(Protocol):
    """The section `inference` of a configuration."""

    @property
    def providers(self) -> Sequence[Literal["auto"] | ProviderName]:
        """Where the networks run, in order of preference."""

    @property
    def precision(self) -> Literal["auto"] | Precision:
        """In which precision."""

    @property
    def policy(self) -> Literal["prefer", "require"]:
        """What to do when the first is not available."""

    @property
    def n_threads(self) -> int:
        """CPU threads."""


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


def open_wanted(bundle: Bundle, wanted: Wanted, prepared: Prepared, score: str | None = None, advise: Report = log.info) -> GraphSession:
    """The session that the configuration wants, which has passed the golden check; of the graphs of `score`, or of all.

    With the policy `prefer` a choice that cannot be used is reported, and the next one is tried; the last is STRICT. `advise` takes a line
    where `aegan-monitor prepare` may find a faster one.

    Raises:
        InferenceError: No choice can be used, or the policy is `require` and its first cannot.
        BundleError: The golden check fails on the last one.
    """
    graphs = GRAPHS if score is None else needed_graphs(bundle.record, score)
    choices = list_choices(bundle, wanted, prepared, score or bundle.record.score, graphs, advise)
    session = _open_first(bundle, wanted, prepared, score, graphs, choices)
    session.requested = tuple(wanted.providers)
    return session


def _open_first(
    bundle: Bundle, wanted: Wanted, prepared: Prepared, score: str | None, graphs: tuple[Graph, ...], choices: list[Choice]
) -> GraphSession:
    for choice, following in zip(choices, [*choices[1:], None], strict=True):
        try:
            cache = prepared.find_engines(bundle, choice)
            session = open_session(bundle, graphs, choice, n_threads=wanted.n_threads, cache=cache)
            require_golden(bundle, session, score)
        except (InferenceError, BundleError) as error:
            if following is None:
                remedy = "" if choice == STRICT else "; or set inference.policy: prefer"
                raise type(error)(f"{'' if choice == STRICT else 'inference.providers: '}{error}{remedy}") from error
            log.warning("%s: inference.providers: %s; %s is used in its place", bundle.folder, error, following)
        else:
            return session
    raise AssertionError("there is one choice at least")


def list_choices(
    bundle: Bundle, wanted: Wanted, prepared: Prepared, score: str, graphs: tuple[Graph, ...], advise: Report = log.info
) -> list[Choice]:
    """The choices to try, in order; `advise` takes what needs `aegan-monitor prepare`.

    Raises:
        InferenceError: The policy is `require`, and the first provider has no choice that has passed.
    """
    if not graphs:
        return [STRICT]
    passed = [found.choice for found in prepared.find(bundle, score, wanted.n_threads) if not found.problem]
    choices: list[Choice] = []
    for name in wanted.providers:
        fits = [each for each in passed if name in (AUTO, each.provider) and wanted.precision in (AUTO, each.precision)]
        if fits:
            choices.append(fits[0])
        elif name != AUTO and wanted.precision in (AUTO, "fp32"):
            choices.append(Choice(cast("ProviderName", name)))  # the golden check alone proves fp32
        elif wanted.precision in (AUTO, "fp32") and offered(bundle, graphs) == [STRICT]:
            choices.append(STRICT)  # there is nothing to find out
        else:
            _report_unknown(bundle, wanted, name, advise, has_findings=bool(passed))
        if wanted.policy == "require":
            return choices
    return list(dict.fromkeys([*choices, STRICT]))


def _report_unknown(bundle: Bundle, wanted: Wanted, name: str, advise: Report, *, has_findings: bool) -> None:
    what = f"{name} in {wanted.precision}" if wanted.precision != AUTO else name
    why = "has not passed golden check and gate" if has_findings else "is not known to be right"
    line = f"inference.providers: {what} {why} on this computer with {bundle.folder}; {PREPARE}"
    if wanted.policy == "require":
        raise InferenceError(f"{line}, or set inference.policy: prefer")
    advise(line)
