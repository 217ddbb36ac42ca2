"""The report of `evaluate`: the label-free score, then every score with the baselines, then the best score by labels."""

from collections.abc import Mapping

from aegan_monitor.detection.record import BundleFields
from aegan_monitor.detection.scores import BASELINE_IDS
from aegan_train.config import TrainConfig
from aegan_train.dcase.protocols import Metrics, Protocol


def label_free_score(fields: BundleFields, config: TrainConfig) -> str:
    """The score that decides without labels: the run's own, or the default where labels chose the run's score."""
    return str(TrainConfig.model_fields["score"].default) if config.score_by_labels else fields.score


def print_report(fields: BundleFields, config: TrainConfig, protocol: Protocol, metrics: Mapping[str, Metrics]) -> None:
    """Print the whole report."""

    def figures(name: str) -> str:
        return f"{name} AUC {metrics[name].auc:.4f} pAUC {metrics[name].pauc:.4f}"

    label_free = label_free_score(fields, config)
    if label_free == fields.score:
        print(f"label-free (the monitor decides by it): {figures(label_free)}")
    else:
        print(f"label-free (the monitor would decide by it without labels): {figures(label_free)}")
        print(f"decides by: {figures(fields.score)}")
    print(f"  {fields.choice}")
    print_rows(protocol, metrics[fields.score], fields.score)
    print(f"{'score':<20}{'AUC':>8}{'pAUC':>8}{protocol.mean_name:>8}")
    for name, each in metrics.items():
        note = "   baseline: no network, no training" if name in BASELINE_IDS else ""
        print(f"{name:<20}{each.auc:>8.4f}{each.pauc:>8.4f}{each.figure:>8.4f}{note}")
    best, baseline = find_oracle(metrics), find_oracle({name: metrics[name] for name in BASELINE_IDS if name in metrics})
    print(f"oracle (best by these labels, which a plant does not have): {figures(best)}; best baseline: {figures(baseline)}")


def print_rows(protocol: Protocol, metrics: Metrics, name: str) -> None:
    """Print one score by id or by section and domain, and the protocol's mean of each column."""
    columns = list(next(iter(metrics.rows.values())))
    print(f"{f'by {protocol.unit}, {name}':<28}" + "".join(f"{column:>12}" for column in columns))
    means = {column: protocol.mean([row[column] for row in metrics.rows.values()]) for column in columns}
    for label, row in [*((f"{protocol.unit} {row}", values) for row, values in metrics.rows.items()), (protocol.mean_name, means)]:
        print(f"{label:<28}" + "".join(f"{row[column]:>12.4f}" for column in columns))
    print(f"{f'{protocol.mean_name} of all':<28}{metrics.figure:>12.4f}   {protocol.name}'s figure")


def find_oracle(metrics: Mapping[str, Metrics]) -> str:
    """The score with the best figure."""
    return max(metrics, key=lambda name: metrics[name].figure)
