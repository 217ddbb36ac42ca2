"""The fused score: several scores, each put on the scale of normal sound, as one; and which parts of the network a score needs."""

from collections.abc import Iterable, Mapping

from aegan_monitor.bundle import BundleFields
from aegan_monitor.scores import FUSION, SCORE_IDS, ScoreId
from aegan_monitor.session import GRAPHS, Graph


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
    """Mean over the bundle's fusion of each score's distance from normal, in standard deviations of held-out normal sound.

    Source: score normalisation as in T-norm (R. Auckenthaler et al., 2000), with normal clips in place of a cohort; the plain
    mean needs no weight that would have to be learned from faults.
    """
    normal = fields.normalisation
    return sum((scores[name] - normal[name].mean) / normal[name].std for name in fields.fusion) / len(fields.fusion)
