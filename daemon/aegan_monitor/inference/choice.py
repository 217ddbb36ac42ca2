"""The session that a configuration wants: the fastest that was found right on this computer, or the CPU in fp32."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, Protocol, cast

from aegan_monitor.detection.bundle import Bundle
from aegan_monitor.detection.fusion import needed_graphs
from aegan_monitor.detection.golden import require_golden
from aegan_monitor.detection.network import GRAPHS, Graph
from aegan_monitor.errors import BundleError, InferenceError
from aegan_monitor.inference.gate import find_rounding
from aegan_monitor.inference.open import offered, open_session
from aegan_monitor.inference.prepared import PREPARE, Prepared
from aegan_monitor.inference.providers import STRICT, Choice, Precision, ProviderName
from aegan_monitor.inference.session import GraphSession

log = logging.getLogger(__name__)
Report = Callable[[str], object]

AUTO = "auto"


class Opening(Protocol):
    """As `open_session`."""

    def __call__(self, bundle: Bundle, graphs: tuple[Graph, ...], choice: Choice, *, n_threads: int, cache: Path | None) -> GraphSession:
        """A session on `graphs` of the bundle."""


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


def open_wanted(
    bundle: Bundle, wanted: Wanted, prepared: Prepared, score: str | None = None, advise: Report = log.info, opening: Opening = open_session
) -> GraphSession:
    """The session that the configuration wants, which has passed the golden check; of the graphs of `score`, or of all.

    With the policy `prefer` a choice that cannot be used is reported, and the next one is tried; the last is STRICT. `advise` takes a line
    where `aegan-monitor prepare` may find a faster one. `opening` may give a session that is already open.

    Raises:
        InferenceError: No choice can be used, or the policy is `require` and its first cannot.
        BundleError: The golden check fails on the last one.
    """
    graphs = GRAPHS if score is None else needed_graphs(bundle.record, score)
    choices = list_choices(bundle, wanted, prepared, score or bundle.record.score, graphs, advise)
    session = _open_first(bundle, wanted, prepared, score, graphs, choices, opening)
    session.requested = tuple(wanted.providers)
    return session


def _open_first(
    bundle: Bundle,
    wanted: Wanted,
    prepared: Prepared,
    score: str | None,
    graphs: tuple[Graph, ...],
    choices: list[Choice],
    opening: Opening,
) -> GraphSession:
    for choice, following in zip(choices, [*choices[1:], None], strict=True):
        try:
            cache = prepared.find_engines(bundle, choice)
            session = opening(bundle, graphs, choice, n_threads=wanted.n_threads, cache=cache)
            require_golden(bundle, session, score, rounding=find_rounding(bundle, session.precision))
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
        elif wanted.precision in (AUTO, "fp32") and prepared.is_empty and offered(bundle, graphs) == [STRICT]:
            choices.append(STRICT)  # there is nothing to find out
        else:
            why = "was tried before a runtime, the bundle, its score or the number of threads changed"
            if passed or prepared.is_empty:
                why = "has not passed golden check and gate" if passed else "was not tried yet"
            _report_unknown(bundle, wanted, name, why, advise)
        if wanted.policy == "require":
            return choices
    return list(dict.fromkeys([*choices, STRICT]))


def _report_unknown(bundle: Bundle, wanted: Wanted, name: str, why: str, advise: Report) -> None:
    what = f"{name} in {wanted.precision}" if wanted.precision != AUTO else name
    line = f"{bundle.folder}: inference.providers: {what} {why} on this computer; {PREPARE}"
    if wanted.policy == "require":
        raise InferenceError(f"{line}, or set inference.policy: prefer")
    advise(line)
