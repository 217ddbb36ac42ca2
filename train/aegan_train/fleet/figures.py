"""What a step has found, for the table and the report: proof, AUC, digest of the bundle."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from sklearn.metrics import roc_auc_score

from aegan_monitor.decision.budget_policy import BudgetPolicy
from aegan_monitor.decision.proof import find_proof
from aegan_monitor.detection.bundle import DIGEST_KEY
from aegan_train.calibration.normal_blocks import make_default_policy
from aegan_train.evaluate import load_fields
from aegan_train.fleet.tasks import Step

Figures = dict[str, float | str]


def find_figures(step: Step, result: Path, run: Path) -> Figures:
    """The figures of a step by its result, and by the run that it belongs to.

    Raises:
        AeganError: The result is damaged.
        OSError: It cannot be read.
    """
    return FINDERS[step](result, run)


def find_proof_figures(_result: Path, run: Path) -> Figures:
    """Normal sound of a run, and the false alarms a week that it proves."""
    fields = load_fields(run)
    policy = make_default_policy(fields)
    found: Figures = {"n_clips": fields.provenance.n_training_clips + fields.provenance.n_held_out_clips}
    if isinstance(policy, BudgetPolicy):
        proof = find_proof(policy)
        found |= {"hours": round(proof.hours, 4), "proved_per_week": round(proof.most_per_week(), 4)}
    return found


def find_auc(result: Path, run: Path) -> Figures:
    """AUC of the deciding score between the labelled clips; empty where one of the two kinds is missing."""
    clips = [json.loads(line) for line in result.read_text(encoding="utf-8").splitlines()]
    labelled = [clip for clip in clips if clip["label"]]
    if len({clip["label"] for clip in labelled}) < 2:
        return {}
    name = load_fields(run).score
    scores = [clip["scores"][name] for clip in labelled]
    return {"auc": round(float(roc_auc_score([clip["label"] == "anomaly" for clip in labelled], scores)), 4), "score": name}


def find_bundle(result: Path, _run: Path) -> Figures:
    """Digest and size of a bundle."""
    record: Mapping[str, str] = json.loads(result.read_text(encoding="utf-8"))
    n_bytes = sum(path.stat().st_size for path in result.parent.iterdir())
    return {"bundle_digest": record[DIGEST_KEY], "megabytes": round(n_bytes / 1e6, 1)}


def find_alarms(result: Path, _run: Path) -> Figures:
    """Alarms of a backtest."""
    facts = json.loads(result.read_text(encoding="utf-8"))
    most = facts["false_alarms_per_week_at_most"]
    found: Figures = {
        "alarms": facts["n_alarms"],
        "false_alarms": facts["n_false_alarms"],
        "backtest_h": round(facts["scored_s"] / 3600, 2),
    }
    return found if most is None else {**found, "false_per_week_at_most": round(most, 4)}


FINDERS: Mapping[Step, Callable[[Path, Path], Figures]] = {
    "network": find_proof_figures,
    "train": find_proof_figures,
    "evaluate": find_auc,
    "export": find_bundle,
    "backtest": find_alarms,
}
