"""The fused score: several scores on the scale of what a changed background does to each; and what of the network a score needs."""

import math
from collections.abc import Iterable, Mapping

from aegan_monitor.detection.network import GRAPHS, Graph
from aegan_monitor.detection.record import BundleFields
from aegan_monitor.detection.scores import FUSION, SCORE_IDS, ScoreId

LEAST_SCORE = 1e-12


def score_names(fields: BundleFields) -> list[str]:
    """Every score that the bundle can give."""
    return [*SCORE_IDS, *([FUSION] if fields.fusion else [])]


def needed_ids(fields: BundleFields, names: Iterable[str]) -> list[ScoreId]:
    """The rows of the table that `names` stand on."""
    wanted = [member for name in names for member in (fields.fusion if name == FUSION else [name])]
    return [SCORE_IDS[name] for name in dict.fromkeys(wanted)]


def needed_graphs(fields: BundleFields, name: str) -> tuple[Graph, ...]:
    """The graphs that a score needs; none where controls alone decide."""
    wanted = {score.graph for score in needed_ids(fields, [name])}
    return tuple(graph for graph in GRAPHS if graph in wanted)


def fuse(scores: Mapping[str, float], fields: BundleFields) -> float:
    """Mean over the bundle's fusion of `(log score - centre) / scale`: 0 for normal sound, about 1 where a strange background stands.

    The logarithm keeps one member that grows without bound from drowning the others; the scale, what a changed background does
    to normal sound, keeps those down that cannot tell a background from a fault. No weight is learned, so no fault is needed.

    Source: score normalisation as in T-norm (R. Auckenthaler et al., 2000), with normal clips before other backgrounds as cohort.
    """
    terms = fields.fusion.items()
    return sum((log_score(scores[name]) - term.centre) / term.scale for name, term in terms) / len(terms)


def log_score(score: float) -> float:
    """The natural logarithm; of 0 that of LEAST_SCORE (a clip that is itself in the reference set)."""
    return math.log(max(score, LEAST_SCORE))
