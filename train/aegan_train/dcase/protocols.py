"""The evaluation protocols of DCASE 2020 and 2022, task 2: which AUCs are computed, and their mean.

Sources: Y. Koizumi et al., Description and Discussion on DCASE2020 Challenge Task 2, 2020; K. Dohi et al., Description and
Discussion on DCASE 2022 Challenge Task 2, 2022, which 2023 and later follow.
"""

import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score

from aegan_monitor.errors import DataError
from aegan_monitor.types import DoubleArray
from aegan_train.recordings.folder import Clip, Naming

MAX_FALSE_POSITIVE_RATE = 0.1  # of pAUC


def harmonic_mean(values: Sequence[float]) -> float:
    """The harmonic mean with `sys.float_info.epsilon` as the least value, as in the challenge."""
    return float(len(values) / np.sum(1 / np.maximum(values, sys.float_info.epsilon)))


@dataclass(frozen=True, slots=True)
class Protocol:
    """The evaluation rules of one year.

    Attributes:
        name: The value of `--protocol`.
        unit: The word for a row of the table, as in file names.
        domains: Domains with one AUC each, from their normal clips and the section's anomalies of all domains. Without domains one
            AUC covers all clips of the row. The pAUC always covers all clips.
        mean, mean_name: The mean over all AUCs and pAUCs.
        has_decisions: Whether the challenge also evaluates a decision for each clip.
    """

    name: Naming
    unit: str
    domains: tuple[str, ...]
    mean: Callable[[Sequence[float]], float]
    mean_name: str
    has_decisions: bool


PROTOCOLS: dict[Naming, Protocol] = {
    "dcase2020": Protocol("dcase2020", "id", (), statistics.fmean, "mean", has_decisions=False),
    "dcase2022": Protocol("dcase2022", "section", ("source", "target"), harmonic_mean, "hmean", has_decisions=True),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One AUC of the table: row, column, indices of its clips, their labels (True is anomalous), and the limit of a partial AUC."""

    row: str
    column: str
    places: list[int]
    labels: list[bool]
    max_fpr: float | None = None


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics of one score: values by row and column, and the protocol's mean of the AUCs, of the pAUCs, and of both."""

    rows: dict[str, dict[str, float]]
    auc: float
    pauc: float
    figure: float


def find_protocol(clips: Sequence[Clip], wanted: Naming | None) -> Protocol:
    """The protocol `wanted`, or (None) the protocol of the file names.

    Raises:
        DataError: The names follow both schemes, or lack the domains that the protocol needs.
    """
    found = {clip.naming for clip in clips}
    if wanted is None and len(found) > 1:
        raise DataError("the test clips are named by both schemes (..._id_00_... and section_00_...); choose one by --protocol")
    protocol = PROTOCOLS[wanted or found.pop()]
    odd = next((clip for clip in clips if clip.is_anomaly is not None and protocol.domains and not clip.domain), None)
    if odd:
        raise DataError(f"{odd.path}: --protocol {protocol.name}: expected a name with source or target in it, found {odd.path.name}")
    return protocol


def lay_out(protocol: Protocol, clips: Sequence[Clip]) -> tuple[list[Cell], list[str]]:
    """(cells of the table, reasons for rows without cells); clips without a label are in no cell."""
    cells, left_out = [], []
    for row in sorted({clip.section for clip in clips if clip.is_anomaly is not None}):
        there = [(place, clip) for place, clip in enumerate(clips) if clip.section == row and clip.is_anomaly is not None]
        anomalies = [place for place, clip in there if clip.is_anomaly]
        domains: dict[str, list[int]] = {
            domain: [place for place, clip in there if not clip.is_anomaly and domain in ("", clip.domain)]
            for domain in protocol.domains or ("",)
        }
        lacking = [f"normal {domain}".strip() for domain, normal in domains.items() if not normal] + ["anomalous"] * (not anomalies)
        if lacking:
            left_out.append(f"{protocol.unit} {row}: no {' and no '.join(lacking)} test clip, so it has no AUC")
            continue
        all_normal = [place for place, clip in there if not clip.is_anomaly]
        for column, normal, max_fpr in (
            *((f"AUC {domain}".strip(), normal, None) for domain, normal in domains.items()),
            ("pAUC", all_normal, MAX_FALSE_POSITIVE_RATE),
        ):
            cells.append(Cell(row, column, [*normal, *anomalies], [False] * len(normal) + [True] * len(anomalies), max_fpr))
    return cells, left_out


def measure(protocol: Protocol, cells: Sequence[Cell], values: DoubleArray) -> Metrics:
    """The metrics of one score, `values` `[n_clips]`; the pAUC is standardised (D. McClish, 1989)."""
    rows: dict[str, dict[str, float]] = {}
    for cell in cells:
        rows.setdefault(cell.row, {})[cell.column] = float(roc_auc_score(cell.labels, values[cell.places], max_fpr=cell.max_fpr))
    cells_by_column = [(column, value) for row in rows.values() for column, value in row.items()]
    return Metrics(
        rows,
        protocol.mean([value for column, value in cells_by_column if column != "pAUC"]),
        protocol.mean([value for column, value in cells_by_column if column == "pAUC"]),
        protocol.mean([value for _, value in cells_by_column]),
    )


def measure_all(protocol: Protocol, cells: Sequence[Cell], scores: Sequence[Mapping[str, float]]) -> dict[str, Metrics]:
    """The metrics of every score of the clips."""
    return {name: measure(protocol, cells, np.array([clip[name] for clip in scores])) for name in scores[0]}
