"""What every decision policy is: from the score of a clip to whether an alarm begins, goes on or ends."""

from dataclasses import dataclass
from typing import Protocol

from aegan_monitor.decision.budget import Budget
from aegan_monitor.detection.record import Place
from aegan_monitor.types import ClipScore

DESCRIPTIONS: dict[Place, str] = {"recorded": "in the recorded place", "any": "in any place"}


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision about one score.

    Attributes:
        normalised: The score in standard deviations from the mean of held-out normal sound.
        threshold: The one that applied.
        exceeded: The score speaks for an alarm; without it the alarm that is pending or active comes to its end.
        evidence: From 0 to 1, at which the alarm is raised; None for a policy without evidence.
        is_gross: The score is so far from normal sound that the alarm did not wait for evidence.
    """

    score: float
    normalised: float
    threshold: float
    exceeded: bool
    evidence: float | None = None
    is_gross: bool = False


class Policy(Protocol):
    """Decides about the clips of one machine, in order.

    Attributes:
        budget: False alarms that are accepted; of no use to a policy of thresholds.
        memory: All that the next decision needs of those before, to be stored and set again after a restart.
    """

    budget: Budget
    memory: tuple[float, ...]

    def decide(self, clip: ClipScore, is_active: bool, new_samples: int, *, in_grace: bool = False, state: int | None = None) -> Decision:
        """The decision about the next clip.

        Args:
            clip: Its scores.
            is_active: An alarm is active, or clearing.
            new_samples: Samples of the clip that no clip before had: one decision hop, or after a gap the whole clip.
            in_grace: The machine has just started, or changed its load.
            state: The calibrated operating state of the whole clip, as its place in `normal_sound`; None if it is in none, or unknown.
        """

    def has_elapsed(self, is_active: bool, delay_samples: int) -> bool:
        """Whether an alarm that has been clearing (`is_active`) or else pending for so many heard samples now ends or is raised."""

    def describe(self) -> str:
        """One line about what raises the alarm."""
