"""The budget of false alarms: how many are accepted, divided over machines and between the two ways to an alarm."""

import math
from dataclasses import dataclass

WEEK_S = 7 * 86_400.0
LEAST_CONFIDENCE = 0.8
LEAST_DOUBT = 1e-9  # a confidence of 1 would make every p-value 1
GROSS_SHARE = 0.1  # of a machine's budget, for changes so gross that they need not wait for evidence


@dataclass(frozen=True, slots=True)
class Budget:
    """False alarms that one machine may raise.

    Attributes:
        per_week: In a week of heard normal sound.
    """

    per_week: float

    @property
    def confidence(self) -> float:
        """Of a p-value: in so many of all calibrations the true one is no larger. It grows where false alarms are rarer than one a week.

        One calibration serves for ever. A machine that was quiet by chance while it was recorded alarms at a rate that the budget hardly
        changes, so such machines must be the rarer, the fewer false alarms are accepted.
        """
        return 1 - max(LEAST_DOUBT, (1 - LEAST_CONFIDENCE) * math.sqrt(min(1.0, self.per_week)))

    def blocks(self, block_s: float) -> float:
        """Mean number of blocks from one false alarm to the next that the evidence may bring."""
        return WEEK_S / block_s / (self.per_week * (1 - GROSS_SHARE))

    def gross_p_value(self, hop_s: float, n_in_a_row: float) -> float:
        """The p-value that each of so many independent clips in a row must have to be a gross change, where one ends every `hop_s`."""
        each = min(1.0, self.per_week * GROSS_SHARE * hop_s / WEEK_S)
        return float(each ** (1 / n_in_a_row))


ONE_A_WEEK = Budget(per_week=1.0)


def share_budget(per_week: float, own: dict[str, float | None]) -> dict[str, Budget]:
    """The budget of each machine: its own, or an equal part of what the others leave of the node's `per_week`.

    Machines with a budget of their own do not use up the node's.
    """
    n_sharing = sum(value is None for value in own.values())
    return {name: Budget(per_week / n_sharing if value is None else value) for name, value in own.items()}
