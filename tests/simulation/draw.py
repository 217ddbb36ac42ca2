"""Parameters of sounds: seed 0 takes those of the recipe, each other seed draws others around them."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
LEVEL_SPREAD_DB = 2.0


class Draw:
    """Draws for one sound.

    Attributes:
        rng: For noise and all else that has no value in the recipe.
    """

    def __init__(self, seed: int, name: str) -> None:
        """Begin; sounds of other names have other randomness."""
        self.rng = np.random.default_rng([seed, *name.encode()])
        self._is_recipe = seed == 0

    def near(self, value: float, factor: float) -> float:
        """A value between `value / factor` and `value * factor`, uniform in its logarithm."""
        return value if self._is_recipe else value * float(factor ** self.rng.uniform(-1, 1))

    def level_db(self, value: float) -> float:
        """A level within LEVEL_SPREAD_DB of `value`."""
        return value if self._is_recipe else value + float(self.rng.uniform(-LEVEL_SPREAD_DB, LEVEL_SPREAD_DB))

    def order(self, values: Sequence[T]) -> list[T]:
        """The values in a random order; the recipe keeps theirs."""
        return list(values) if self._is_recipe else [values[place] for place in self.rng.permutation(len(values))]
