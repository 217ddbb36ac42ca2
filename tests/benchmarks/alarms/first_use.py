"""What a bundle says in the first weeks beside one machine: a stream of normal clips in which faults and other things happen.

.venv/bin/python tests/benchmarks/alarms/first_use.py BUNDLE CLIPS [--first NAME] [--machines FOLDER] [--esc10 FOLDER]
    [--scene normal first-use long-faults short-sounds lasting-sounds] [--seed N ...] [--fault-s 60] [--lasts-s 60] [--close]

CLIPS is a folder with normal WAV clips that the training did not hear; they are the base, one after another and over and over. Seed 0 takes
pitches, levels and patterns of the sounds as they were when a monitor was first tried; each other seed draws others.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from simulation.episodes import PAUSE_S, Base, Episode, play
from simulation.first_use import LASTS_S, make_first_use, make_lasting_sounds, make_long_faults, make_short_sounds
from simulation.verdicts import Listener, describe

MINUTE_S = 60.0
SHORT_PAUSE_S = (55.0, 55.0)  # a short sound a minute
NORMAL_S = (600.0, 600.0)
SCENES = ("normal", "first-use", "long-faults", "short-sounds", "lasting-sounds")


def make_scene(name: str, seed: int, arguments: argparse.Namespace) -> tuple[Sequence[Episode], tuple[float, float]]:
    """The episodes of a scene and the pauses between them."""
    makers: dict[str, Callable[[], tuple[Sequence[Episode], tuple[float, float]]]] = {
        "normal": lambda: ([], NORMAL_S),
        "first-use": lambda: (make_first_use(seed, arguments.machines, arguments.fault_s), PAUSE_S),
        "long-faults": lambda: (make_long_faults(seed), PAUSE_S),
        "short-sounds": lambda: (make_short_sounds(arguments.esc10), SHORT_PAUSE_S),
        "lasting-sounds": lambda: (make_lasting_sounds(arguments.esc10, arguments.lasts_s), PAUSE_S),
    }
    return makers[name]()


def main() -> None:
    """Print a table for each scene and seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--first", default="", help="name of the first clip of the base")
    parser.add_argument("--machines", type=Path, help="recordings of second machines (DCASE 2023); without, synthesised ones")
    parser.add_argument("--esc10", type=Path, help="ESC-10, for short-sounds and lasting-sounds")
    parser.add_argument("--scene", nargs="+", choices=SCENES, default=["normal", "first-use"])
    parser.add_argument("--seed", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--fault-s", type=float, default=LASTS_S, help="seconds of each fault of first-use")
    parser.add_argument("--lasts-s", type=float, default=LASTS_S, help="seconds of each sound of lasting-sounds")
    parser.add_argument(
        "--close", action="store_true", help="close the alarm that is active when something begins, so that it hides nothing"
    )
    arguments = parser.parse_args()
    for scene in arguments.scene:
        if arguments.esc10 is None and scene.endswith("-sounds"):
            parser.error(f"--scene {scene}: needs --esc10 FOLDER")
        for seed in arguments.seed:
            began_s = time.monotonic()
            episodes, pause_s = make_scene(scene, seed, arguments)
            listener = Listener(arguments.bundle, closes=arguments.close)
            verdicts = listener.hear(play(Base.load(arguments.clips, arguments.first), episodes, seed, pause_s))
            print(f"\n{scene}, seed {seed}: {listener.heard_s / MINUTE_S:.0f} min of sound in {time.monotonic() - began_s:.0f} s")
            print("\n".join(describe(verdicts)), flush=True)


if __name__ == "__main__":
    main()
