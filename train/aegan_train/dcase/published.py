"""Published results for DCASE 2020 and 2022: figures, their scores, and the configuration file of each row."""

from dataclasses import dataclass
from pathlib import Path

from aegan_monitor.errors import DataError
from aegan_train.recordings.folder import Naming

ROW_FOLDERS = (Path(__file__).parent / "rows", Path(__file__).parents[3] / "configs" / "train")  # of a wheel, of a checkout


@dataclass(frozen=True, slots=True)
class Published:
    """One cell of the results tables; its epoch and score were chosen by the labelled test clips of dev_data.

    Attributes:
        figure: In per cent: the mean of AUC and pAUC (2020), or the harmonic mean (2022).
        score: The score in the table's spelling; its `mean` is our `sum`, which ranks the same.
        autoencoder: The baseline of the challenge, where the table has it.
    """

    figure: float
    score: str
    autoencoder: float | None = None

    @property
    def score_id(self) -> str:
        """The score id of this project."""
        return self.score.removesuffix("mean") + "sum" if self.score.endswith("_mean") else self.score


# Source: the README of the method's authors; the autoencoder figures are from the DCASE 2020 challenge, task 2.
PUBLISHED: dict[Naming, dict[str, Published]] = {
    "dcase2020": {
        "fan": Published(77.01, "D_lof", 58.9),
        "pump": Published(81.26, "D_lof", 66.3),
        "slider": Published(86.50, "G_x_2_mean", 76.0),
        "ToyCar": Published(86.62, "D_knn", 73.7),
        "ToyConveyor": Published(73.27, "G_z_2_min", 66.7),
        "valve": Published(77.60, "G_z_cos_mean", 58.5),
    },
    "dcase2022": {
        "bearing": Published(76.03, "G_z_1_sum"),
        "fan": Published(65.83, "G_z_cos_min"),
        "gearbox": Published(75.27, "G_z_cos_min"),
        "slider": Published(74.06, "D_lof"),
        "ToyCar": Published(78.46, "G_z_1_sum"),
    },
}


def find_published(naming: Naming, machine_type: str) -> Published:
    """The published result of a machine type.

    Raises:
        DataError: There is no such row.
    """
    if machine_type not in PUBLISHED[naming]:
        raise DataError(f"{naming} {machine_type}: no published result; expected one of {', '.join(PUBLISHED[naming])}")
    return PUBLISHED[naming][machine_type]


def find_row_config(naming: Naming, machine_type: str) -> Path:
    """The configuration file of a row.

    Raises:
        DataError: This installation lacks it.
    """
    name = f"{naming}_{machine_type}.yaml"
    found = next((folder / name for folder in ROW_FOLDERS if (folder / name).is_file()), None)
    if found is None:
        raise DataError(f"{ROW_FOLDERS[0] / name}: file missing; install aegan-monitor again, or run from a checkout")
    return found
