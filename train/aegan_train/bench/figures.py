"""From the scores of test clips to the figures of a row: AUC, pAUC, regret, an interval over recordings, and their summary."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score

from aegan_monitor.detection.record import Place
from aegan_monitor.detection.threshold import choose_place
from aegan_monitor.errors import DataError
from aegan_monitor.types import DoubleArray
from aegan_train.bench.disturbances import compare
from aegan_train.bench.measure import Measured
from aegan_train.dcase.protocols import MAX_FALSE_POSITIVE_RATE

N_BOOTSTRAPS = 2000
INTERVAL = (0.025, 0.975)
BASELINE, FUSION = "C_", "F_"  # first letters of scores without a network, and of joined scores


@dataclass(frozen=True, slots=True)
class Figure:
    """AUC and pAUC of a score."""

    score: str
    auc: float
    pauc: float

    def __str__(self) -> str:
        """Both."""
        return f"{self.auc:.3f} / {self.pauc:.3f}"


@dataclass(frozen=True, slots=True)
class SeedFigures:
    """The figures of a row with one seed.

    Attributes:
        label_free: Of the score that decides.
        interval: 95 % interval of its AUC over recordings.
        by_fault: Its AUC with the clips of one fault alone.
        place: Of the monitor that the row stands for.
        over: Shares of normal and of faulty clips over the threshold of an alarm in that place.
        baseline, oracle: Of the best baseline and of the best score, both by the labels.
        fusions: Of other joined scores, by name.
        by_disturbance: AUC of the lasting share between faults and each short sound, and between faults and all of them (`all`).
        fit_s, n_clips: Duration of the training and number of its clips, of all data sets of the row.
        over_by_fault: The share of the clips of each fault over the threshold.
        n_further, n_further_over: Further normal clips, and how many of them are over the threshold.
    """

    seed: int
    label_free: Figure
    interval: tuple[float, float]
    by_fault: dict[str, float]
    place: Place
    over: tuple[float, float]
    baseline: Figure
    oracle: Figure
    fusions: dict[str, Figure]
    by_disturbance: dict[str, float]
    fit_s: float
    n_clips: int
    over_by_fault: dict[str, float]
    n_further: int
    n_further_over: int

    @property
    def regret(self) -> float:
        """AUC that labels would add."""
        return self.oracle.auc - self.label_free.auc


@dataclass(frozen=True, slots=True)
class Pooled:
    """The test clips of all data sets of a row, `[n_clips]` each; each score is standardised by the normal clips of its data set."""

    faults: list[str]
    recordings: list[str]
    decided: DoubleArray
    over: DoubleArray
    scores: dict[str, DoubleArray]

    @property
    def is_faulty(self) -> DoubleArray:
        """1 for a clip with a fault, otherwise 0."""
        return np.array([float(bool(fault)) for fault in self.faults])


def pool(units: Sequence[Measured], wanted: Sequence[str], place: Place) -> Pooled:
    """Join the normal clips and those with one of the faults `wanted` (all when empty)."""
    faults: list[str] = []
    recordings: list[str] = []
    over: list[bool] = []
    parts: dict[str, list[DoubleArray]] = {}
    for unit in units:
        clips = [clip for clip in unit.clips if not clip.fault or not wanted or clip.fault in wanted]
        normal = np.array([not clip.fault for clip in clips])
        faults += [clip.fault for clip in clips]
        recordings += [clip.recording for clip in clips]
        threshold = unit.thresholds[choose_place(unit.thresholds, place)]
        over += [clip.scores[unit.score] > threshold for clip in clips]
        for name in ("", *clips[0].scores):
            values = np.array([clip.scores[name or unit.score] for clip in clips])
            parts.setdefault(name, []).append((values - values[normal].mean()) / (values[normal].std() or 1.0))
    scores = {name: np.concatenate(values) for name, values in parts.items()}
    return Pooled(faults, recordings, scores.pop(""), np.array(over, dtype=float), scores)


def find_figures(units: Sequence[Measured], wanted: Sequence[str] = (), place: Place = "recorded") -> SeedFigures:
    """The figures of a row from the trainings of its data sets with one seed.

    Raises:
        DataError: There are no normal or no faulty test clips.
    """
    pooled = pool(units, wanted, place)
    labels = pooled.is_faulty
    if labels.min() == labels.max():
        kind, named = ("normal", "") if labels.all() else ("faulty", f" ({', '.join(wanted)})" if wanted else "")
        raise DataError(f"{', '.join(unit.unit for unit in units)}: no {kind} test clips{named}")

    def figure(name: str, values: DoubleArray) -> Figure:
        return Figure(name, *(float(roc_auc_score(labels, values, max_fpr=max_fpr)) for max_fpr in (None, MAX_FALSE_POSITIVE_RATE)))

    def best(names: str = "") -> Figure:
        return max((each for name, each in figures.items() if name.startswith(names)), key=lambda each: each.auc)

    figures = {name: figure(name, values) for name, values in pooled.scores.items()}
    of_fault = {fault: np.array([each == fault for each in pooled.faults]) for fault in dict.fromkeys(filter(None, pooled.faults))}
    deciding = list(dict.fromkeys(unit.score for unit in units))
    return SeedFigures(
        seed=units[0].seed,
        label_free=figure(" or ".join(deciding), pooled.decided),
        interval=bootstrap(pooled),
        by_fault={
            fault: float(roc_auc_score(labels[kept], pooled.decided[kept]))
            for fault, faulty in of_fault.items()
            for kept in [faulty | (labels == 0)]
        },
        place=place,
        over=(float(pooled.over[labels == 0].mean()), float(pooled.over[labels == 1].mean())),
        over_by_fault={fault: float(pooled.over[faulty].mean()) for fault, faulty in of_fault.items()},
        n_further=sum(len(unit.further) for unit in units),
        n_further_over=sum(score > unit.thresholds[choose_place(unit.thresholds, place)] for unit in units for score in unit.further),
        baseline=best(BASELINE),
        oracle=best(),
        fusions={name: each for name, each in figures.items() if name.startswith(FUSION) and name not in deciding},
        by_disturbance=compare([unit.lasting for unit in units], wanted),
        fit_s=sum(unit.fit_s for unit in units),
        n_clips=sum(unit.n_clips for unit in units),
    )


def bootstrap(pooled: Pooled, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the AUC of the deciding score when recordings are drawn again, with replacement, of each kind as many as there are.

    Source: B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile interval), clusters as units.
    """
    rng, labels = np.random.default_rng(seed), pooled.is_faulty
    names = np.array([f"{fault}/{recording}" for fault, recording in zip(pooled.faults, pooled.recordings, strict=True)])
    draws, members = [], []
    for label in (0, 1):
        found, places = np.unique(names[labels == label], return_inverse=True)
        members.append(np.eye(len(found))[places])
        draws.append(rng.multinomial(len(found), np.full(len(found), 1 / len(found)), N_BOOTSTRAPS).astype(float))
    normal, faulty = (pooled.decided[labels == label] for label in (0, 1))
    wins = (faulty > normal[:, None]) + 0.5 * (faulty == normal[:, None])
    won, pairs = (members[0].T @ each @ members[1] for each in (wins, np.ones_like(wins)))
    aucs = np.sum(draws[0] @ won * draws[1], axis=1) / np.sum(draws[0] @ pairs * draws[1], axis=1)
    low, high = np.quantile(aucs, INTERVAL)
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Summary:
    """Of several rows or of several seeds: mean, worst, and spread (largest less least) over the seeds."""

    auc: float
    pauc: float
    worst_auc: float
    worst_pauc: float
    regret: float
    spread_auc: float
    spread_pauc: float


def summarise(rows: Mapping[str, Sequence[SeedFigures]]) -> Summary:
    """Mean and worst over rows, each the mean of its seeds; the spread is that of the mean over rows."""
    seeds = sorted({each.seed for row in rows.values() for each in row})

    def mean_rows(what: str) -> list[float]:
        return [statistics.fmean(getattr(each.label_free, what) for each in row) for row in rows.values()]

    def spread(what: str) -> float:
        means = [statistics.fmean(getattr(each.label_free, what) for row in rows.values() for each in row if each.seed == s) for s in seeds]
        return max(means) - min(means)

    aucs, paucs = mean_rows("auc"), mean_rows("pauc")
    regret = statistics.fmean(statistics.fmean(each.regret for each in row) for row in rows.values())
    return Summary(statistics.fmean(aucs), statistics.fmean(paucs), min(aucs), min(paucs), regret, spread("auc"), spread("pauc"))
