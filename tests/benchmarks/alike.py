"""One network for twelve alike machines against a network each: AUC, sound of the other machines, training time, bundles for a box.

.venv/bin/python tests/benchmarks/alike.py KIND OUT [N_MACHINES] [TIMES]

KIND is pump, rotor, motor, press or compressor; OUT keeps what is done. Machines of one kind differ in speed, resonances and spectrum, as
synthesised machines with other seeds do. Each has six days of 8 clips, and the faults of the rows `_place` of the quality bench. A shared
network has the updates of one training (`shared`), or TIMES as many. Each machine has a reference set and a calibration of its own.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from aegan_export.bundle import export_bundle
from aegan_train.bench.measure import ScoredClip, score
from aegan_train.bench.rows import PLACE
from aegan_train.bench.sound.synthesis import Synthesised, write_row
from aegan_train.checkpoint import load_trained
from aegan_train.config import load_config
from aegan_train.evaluate import load_fields, score_clips
from aegan_train.fit import FitRequest, fit
from aegan_train.recordings.folder import find_clips
from aegan_train.shared_network import SharedNetwork

N_MACHINES, LONG, FIRST_SEED = 12, 3, 700
N_OTHERS = 4  # test clips of each other machine
SCORES = ("F_joint", "F_without_network", "F_network_alone")
CPU = torch.device("cpu")


def find_auc(clips: list[ScoredClip], name: str) -> float:
    """AUC of a score between normal and faulty clips; NaN where the machine's score has no such part."""
    if name not in clips[0].scores:
        return float("nan")
    return float(roc_auc_score([bool(clip.fault) for clip in clips], [clip.scores[name] for clip in clips]))


def find_other_auc(run: Path, kind: str, own: Path, others: list[Path]) -> float:
    """AUC of the deciding score between normal test clips of the machine and those of the other ones."""
    training, name = load_trained(run, CPU), load_fields(run).score
    mine = [clip for clip in find_clips(own, kind, "test").clips if not clip.is_anomaly]
    theirs = [clip for other in others for clip in find_clips(other, kind, "test").clips if not clip.is_anomaly][:: 40 // N_OTHERS]
    found = [[each[name] for each in score_clips(run, training, clips, CPU)[1]] for clips in (mine, theirs)]
    return float(roc_auc_score([0] * len(found[0]) + [1] * len(found[1]), np.concatenate(found)))


class Bench:
    """Trainings of one kind of machine, each of which is kept in OUT."""

    def __init__(self, kind: str, out: Path, n_machines: int) -> None:
        self.kind, self.out = kind, out
        self.data = [out / "data" / f"{kind}_{number}" for number in range(n_machines)]
        for number, folder in enumerate(self.data):
            if not (folder / "manifest.csv").exists():
                write_row(Synthesised(kind, FIRST_SEED + number, 6, 8, (PLACE,), in_place=True, injected=True), folder, out)

    def train(self, name: str, data: list[Path], n_epochs: int, network: Path | None = None) -> float:
        """Fit the run `name`, unless it is there; its duration in seconds of processor time."""
        run, done = self.out / "runs" / self.kind / name, self.out / "runs" / self.kind / f"{name}.json"
        if not done.exists():
            began_s = time.process_time()
            config = load_config("edge", None, "robust", n_epochs=n_epochs, max_minutes=None, patience=None)
            request = FitRequest(data[0], self.kind, "edge", config, run, "cpu", 0, resume=True, more_data=data[1:])
            fit(request, SharedNetwork(network) if network else None)
            done.write_text(json.dumps(time.process_time() - began_s))
        return float(json.loads(done.read_text()))

    def measure(self, name: str, number: int) -> dict[str, float]:
        """The figures of a run on the test clips of machine `number`."""
        run, done = self.out / "runs" / self.kind / name, self.out / "runs" / self.kind / f"{name}.auc.json"
        if not done.exists():
            clips = score(run, self.data[number], CPU)
            found = {each: find_auc(clips, each) for each in SCORES}
            found["others"] = find_other_auc(run, self.kind, self.data[number], [each for each in self.data if each != self.data[number]])
            found["pseudo-faults"] = statistics.fmean(load_fields(run).sensitivity.values())
            export_bundle(run, self.out / "bundles" / self.kind / name)
            done.write_text(json.dumps(found))
        figures: dict[str, float] = json.loads(done.read_text())
        return figures


def main() -> None:
    """Train, and print the table."""
    torch.set_num_threads(1)
    bench = Bench(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else N_MACHINES)
    n_epochs, long = load_config("edge", None, "robust").n_epochs, int(sys.argv[4]) if len(sys.argv) > 4 else LONG
    folders = [folder / "dev_data" / bench.kind / "train" for folder in bench.data]
    table: dict[str, list[dict[str, float]]] = {}
    seconds: dict[str, float] = {}
    for contender, factor in (("shared", 1), (f"shared_{long}x", long), ("own", 0)):
        network = bench.out / "runs" / bench.kind / contender if factor else None
        seconds[contender] = bench.train(contender, folders, factor * n_epochs) if factor else 0.0
        table[contender] = []
        for number, folder in enumerate(bench.data):
            name = f"{contender}_{number}"
            seconds[contender] += bench.train(name, [folder], n_epochs, network)
            table[contender].append(bench.measure(name, number))
            print(contender, number, table[contender][-1], flush=True)
    print(f"{bench.kind}, {len(bench.data)} machines: mean AUC (worst); processor time of all trainings and calibrations")
    for contender, rows in table.items():
        figures = {name: [row[name] for row in rows] for name in rows[0]}
        text = ", ".join(f"{name} {np.nanmean(values):.3f} ({np.nanmin(values):.3f})" for name, values in figures.items())
        print(f"{contender:12} {text}; {seconds[contender] / 60:.1f} min")


if __name__ == "__main__":
    main()
