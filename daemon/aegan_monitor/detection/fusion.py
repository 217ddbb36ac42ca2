"""The fused scores, and the graphs for a score.

In both, a member counts as `(log score - centre) / scale`: 0 for normal sound. The logarithm bounds the influence of a member that grows
without limit.

Source: score normalisation as in T-norm (R. Auckenthaler et al., 2000).
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from aegan_monitor.detection.network import GRAPHS, Graph
from aegan_monitor.detection.record import BundleFields, FusionTerm
from aegan_monitor.detection.scores import SCORE_IDS, SPACE_VIEWS, ScoreId

LEAST_SCORE = 1e-12
TAIL_EXPONENT = 3


def score_names(fields: BundleFields) -> list[str]:
    """All scores of the bundle."""
    spaces = [name for name in fields.spaces if name in SPACE_VIEWS]
    return [*(name for name in SCORE_IDS if name not in SPACE_VIEWS), *spaces, *([fields.fused] if fields.fusion else [])]


def needed_ids(fields: BundleFields, names: Iterable[str]) -> list[ScoreId]:
    """The scores from which `names` are computed."""
    wanted = [member for name in names for member in (fields.fusion if name in FUSIONS else [name])]
    return [SCORE_IDS[name] for name in dict.fromkeys(wanted)]


def needed_graphs(fields: BundleFields, name: str) -> tuple[Graph, ...]:
    """The graphs for a score; none for baselines alone."""
    wanted = {score.graph for score in needed_ids(fields, [name])}
    return tuple(graph for graph in GRAPHS if graph in wanted)


def mean(terms: Sequence[float]) -> float:
    """Their mean. Units are the change of each member with the background, so the result is about 1 before another one."""
    return sum(terms) / len(terms)


def tail(terms: Sequence[float]) -> float:
    """A power mean of what exceeds -1: one strong member suffices, and one that sees nothing costs little.

    Units are standard deviations of normal sound. The exponent 3 lies between a mean (1), in which a blind member hides a fault, and the
    largest (infinity), in which the noisiest member decides.
    """
    powers = [max(0.0, term + 1) ** TAIL_EXPONENT for term in terms]
    return float(mean(powers) ** (1 / TAIL_EXPONENT))


FUSIONS: dict[str, Callable[[Sequence[float]], float]] = {"F_mean": mean, "F_tail": tail}


def fuse(scores: Mapping[str, float], fusion: Mapping[str, FusionTerm], fused: str) -> float:
    """The fused score `fused` (a key of FUSIONS) of the members in `fusion`."""
    return FUSIONS[fused]([(log_score(scores[name]) - term.centre) / term.scale for name, term in fusion.items()])


def log_score(score: float) -> float:
    """The natural logarithm of at least LEAST_SCORE: a clip of the reference set scores 0."""
    return math.log(max(score, LEAST_SCORE))
