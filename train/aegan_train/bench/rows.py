"""The table of the bench: each row is a data set, synthesised or from folders of recordings.

The parameters of the synthesised rows were committed before the first detector was measured on them. They do not change.
"""

from dataclasses import dataclass

from aegan_monitor.detection.record import Place
from aegan_train.bench.sound.backgrounds import Layer
from aegan_train.bench.sound.synthesis import Synthesised

HALL = Layer("hall", (-22, -14))
QUIET_HALL = Layer("hall", (-28, -20))
PLACE = Layer("hall", (-14, -14))
LOUD_PLACE = Layer("hall", (0, 0))

SYNTHESISED: dict[str, Synthesised] = {
    "pump_halls": Synthesised("pump", 101, 9, 8, (HALL, Layer("neighbour", (-26, -18), 0.6))),
    "rotor_halls": Synthesised("rotor", 102, 6, 7, (HALL, Layer("rain", (-24, -16), 0.3), Layer("engines", (-26, -18), 0.3))),
    "motor_halls": Synthesised("motor", 103, 12, 8, (HALL, Layer("bangs", (0, 12), 0.2))),
    "press_halls": Synthesised("press", 104, 8, 8, (QUIET_HALL, Layer("dogs", (-20, -12), 0.2), Layer("speech", (-18, -10), 0.2))),
    "compressor_halls": Synthesised("compressor", 105, 9, 10, (QUIET_HALL, Layer("neighbour", (-34, -26), 0.6))),
    "pump_place": Synthesised("pump", 207, 9, 8, (LOUD_PLACE,), in_place=True, injected=True),
    "rotor_place": Synthesised("rotor", 202, 6, 7, (PLACE,), in_place=True, injected=True),
    "motor_place": Synthesised("motor", 203, 12, 8, (PLACE,), in_place=True, injected=True),
    "press_place": Synthesised("press", 204, 8, 8, (PLACE,), in_place=True, injected=True),
    "compressor_place": Synthesised("compressor", 205, 9, 10, (PLACE,), in_place=True, injected=True),
    "press_rhythm": Synthesised("press", 304, 10, 8, (PLACE,), in_place=True),
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """A row of recordings.

    Attributes:
        folders: Below the data folder, each in DCASE layout with a manifest; each is trained on alone, and their test clips are pooled.
        machine: The machine type.
        faults: Conditions in the manifest that count as fault; empty takes all.
        counts: The row enters mean and worst.
        in_place: Training and test have the same backgrounds.
    """

    folders: tuple[str, ...]
    machine: str
    faults: tuple[str, ...] = ()
    counts: bool = True
    in_place: bool = True


RECORDED: dict[str, Recorded] = {
    "quadcopter_mixed": Recorded(("quadcopter_mixed",), "quadcopter", in_place=False),
    "fan_blade": Recorded(("fan_mixed/fold0", "fan_mixed/fold1"), "fan", ("blade_fault",)),
    "fan_tapping": Recorded(("fan_mixed/fold0", "fan_mixed/fold1"), "fan", ("tapping",), counts=False),
}

ROWS: dict[str, Recorded | Synthesised] = {**RECORDED, **SYNTHESISED}
PLACES: dict[str, Place] = {name: "recorded" if row.in_place else "any" for name, row in ROWS.items()}  # of the monitor
GROUPS: dict[str, list[str]] = {  # rows with a mean of their own
    "recorded": [name for name, row in RECORDED.items() if row.counts],
    "synthesised": list(SYNTHESISED),
    "does not count": [name for name, row in RECORDED.items() if not row.counts],
}
