"""All that `fit` says about its normal sound, as lines and as a file of the run."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from aegan_monitor.decision.proof import Commissioning, commission
from aegan_train.artifacts import Calibrated
from aegan_train.calibration.normal_blocks import make_default_policy
from aegan_train.config import TrainConfig
from aegan_train.dataset import group_by_recording
from aegan_train.findings.amount import Amount, measure_amount
from aegan_train.findings.network_worth import NetworkWorth, find_network_worth
from aegan_train.findings.normal_sound import take_windows
from aegan_train.findings.outliers import Outlier, describe_outliers, find_outliers
from aegan_train.findings.rhythm import Rhythm, describe_rhythm, find_rhythm
from aegan_train.findings.states import State, describe_states, find_states
from aegan_train.recordings.spectrograms import Spectrograms
from aegan_train.run_folder import write_atomically

FINDINGS = "findings.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Findings:
    """The findings of a training; `n_recordings` counts runs of consecutive files where the recording of a file is not known."""

    amount: Amount
    commissioning: Commissioning
    n_recordings: int
    states: Sequence[State]
    rhythm: Rhythm | None
    outliers: Sequence[Outlier]
    network: NetworkWorth | None
    members: Sequence[str]

    def describe(self) -> list[str]:
        """The lines that `fit` prints."""
        return [
            *self.amount.describe(),
            *self.commissioning.describe(),
            *describe_states(self.states, self.n_recordings),
            *describe_rhythm(self.rhythm, self.members),
            *describe_outliers(self.outliers),
            *(self.network.describe() if self.network else ()),
        ]


def find_all(found: Spectrograms, fitted: Spectrograms, held_out: Spectrograms, config: TrainConfig, calibrated: Calibrated) -> Findings:
    """The findings about the recordings `found`, of which `fitted` were trained on and `held_out` were not."""
    fields, hop_s = calibrated.fields, config.features.hop_s
    groups = group_by_recording(found.clips, round(config.held_out * len(found.clips)))
    sound = take_windows(found, groups, hop_s)
    fitted_s, held_out_s = (sum(each.n_frames) * hop_s for each in (fitted, held_out))
    return Findings(
        amount=measure_amount(fitted.clips, fitted_s, held_out.clips, held_out_s),
        commissioning=commission(make_default_policy(fields)),
        n_recordings=sound.n_recordings,
        states=find_states(sound),
        rhythm=find_rhythm(sound.bands, hop_s),
        outliers=find_outliers(sound),
        network=find_network_worth(calibrated.noticed),
        members=list(fields.fusion),
    )


def write_findings(findings: Findings, out: Path) -> None:
    """Write the findings to the run `out`.

    Raises:
        WriteError: `out` cannot be written, or its disk is full.
    """
    text = json.dumps({"format": FORMAT, **asdict(findings)}, indent=1, default=str, allow_nan=False)
    write_atomically(out / FINDINGS, lambda path: path.write_text(text + "\n", encoding="utf-8"))
