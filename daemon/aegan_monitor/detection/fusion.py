"""The fused scores, and the graphs for a score.

In both, a member counts as `(log score - centre) / scale`: 0 for normal sound. The logarithm bounds the influence of a member that grows
without limit.

Source: score normalisation as in T-norm (R. Auckenthaler et al., 2000).
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from aegan_monitor.detection.network import GRAPHS, Graph
from aegan_monitor.detection.record import BundleFields, FusionTerm
from aegan_monitor.detection.scores import SCORE_IDS, SPACE_SCORES, ScoreId
from aegan_monitor.types import DoubleArray

LEAST_SCORE = 1e-12


def score_names(fields: BundleFields) -> list[str]:
    """All scores of the bundle."""
    spaces = [name for name in fields.spaces if name in SPACE_SCORES]
    return [*(name for name in SCORE_IDS if name not in SPACE_SCORES), *spaces, *([fields.fused] if fields.fusion else [])]


def needed_ids(fields: BundleFields, names: Iterable[str]) -> list[ScoreId]:
    """The scores from which `names` are computed."""
    wanted = [member for name in names for member in (fields.fusion if name in FUSIONS else [name])]
    return [SCORE_IDS[name] for name in dict.fromkeys(wanted)]


def needed_graphs(fields: BundleFields, name: str) -> tuple[Graph, ...]:
    """The graphs for a score; none for baselines alone."""
    wanted = {score.graph for score in needed_ids(fields, [name])}
    return tuple(graph for graph in GRAPHS if graph in wanted)


def mean(terms: Sequence[float], _: Mapping[str, FusionTerm]) -> float:
    """Their mean. Units are the change of each member with the background, so the result is about 1 before another one."""
    return sum(terms) / len(terms)


def joint(terms: Sequence[float], members: Mapping[str, FusionTerm]) -> float:
    """The Mahalanobis distance of what exceeds normal sound, over the root of the number of members; 0 where no member exceeds it.

    Units are spreads of normal sound. Members that rise and fall together on normal sound count as little more than one of them, so
    a member that stands alone keeps its share; a rise of one member without its companions counts most.
    """
    over = np.maximum(terms, 0)
    return float(np.sqrt(over @ np.linalg.solve(correlations(members), over) / len(over)))


def correlations(members: Mapping[str, FusionTerm]) -> DoubleArray:
    """The correlation matrix of the members, `[n, n]`."""
    lower = np.array([[term.correlations.get(name, 0.0) for name in members] for term in members.values()])
    found: DoubleArray = lower + lower.T + np.eye(len(members))
    return found


FUSIONS: dict[str, Callable[[Sequence[float], Mapping[str, FusionTerm]], float]] = {"F_mean": mean, "F_joint": joint}


def fuse(scores: Mapping[str, float], fusion: Mapping[str, FusionTerm], fused: str) -> float:
    """The fused score `fused` (a key of FUSIONS) of the members in `fusion`."""
    return FUSIONS[fused](list(standardise(scores, fusion).values()), fusion)


def standardise(scores: Mapping[str, float], fusion: Mapping[str, FusionTerm]) -> dict[str, float]:
    """What each member of `fusion` counts: 0 for normal sound."""
    return {name: (log_score(scores[name]) - term.centre) / term.scale for name, term in fusion.items()}


def log_score(score: float) -> float:
    """The natural logarithm of at least LEAST_SCORE: a clip of the reference set scores 0."""
    return math.log(max(score, LEAST_SCORE))
