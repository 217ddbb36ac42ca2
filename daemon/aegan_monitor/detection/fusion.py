"""The fused score, each member in units of its change with the background, and the graphs for a score."""

import math
from collections.abc import Iterable, Mapping

from aegan_monitor.detection.network import GRAPHS, Graph
from aegan_monitor.detection.record import BundleFields
from aegan_monitor.detection.scores import FUSION, SCORE_IDS, ScoreId

LEAST_SCORE = 1e-12


def score_names(fields: BundleFields) -> list[str]:
    """All scores of the bundle."""
    return [*SCORE_IDS, *([FUSION] if fields.fusion else [])]


def needed_ids(fields: BundleFields, names: Iterable[str]) -> list[ScoreId]:
    """The scores from which `names` are computed."""
    wanted = [member for name in names for member in (fields.fusion if name == FUSION else [name])]
    return [SCORE_IDS[name] for name in dict.fromkeys(wanted)]


def needed_graphs(fields: BundleFields, name: str) -> tuple[Graph, ...]:
    """The graphs for a score; none for baselines alone."""
    wanted = {score.graph for score in needed_ids(fields, [name])}
    return tuple(graph for graph in GRAPHS if graph in wanted)


def fuse(scores: Mapping[str, float], fields: BundleFields) -> float:
    """Mean over the bundle's fusion of `(log score - centre) / scale`: 0 for normal sound, about 1 with another background.

    The logarithm bounds the influence of a member that grows without limit. The scale is the change of the member with the background.

    Source: score normalisation as in T-norm (R. Auckenthaler et al., 2000), with normal clips before other backgrounds as cohort.
    """
    terms = fields.fusion.items()
    return sum((log_score(scores[name]) - term.centre) / term.scale for name, term in terms) / len(terms)


def log_score(score: float) -> float:
    """The natural logarithm of at least LEAST_SCORE: a clip of the reference set scores 0."""
    return math.log(max(score, LEAST_SCORE))
