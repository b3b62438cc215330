"""Accuracy of a set against its bits per class: as it is stored, and with 8, 4 or 2 bits a value.

The two axes are those of arXiv 2507.17221, ICCV 2025. Bits per class are eight times the stored bytes, with
scales, offsets and soft labels, over the classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from suite.core.limits import at_least_one
from suite.core.networks.named import STANDARD, network
from suite.core.scores import SECONDS, Score
from suite.core.sets.packing import BITS, check_bits
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Examples, Scores, Task
from suite.core.training.recipes import recipe
from suite.core.training.retrain_together import retrain

STORED = 32
"""Bits of a value of a set as it is stored."""


@dataclass(frozen=True)
class Quantised:
    """Train fresh networks on a set as it is, in float32, and on the set at fewer bits a value.

    bits: of 8, 4 and 2, the ones to try. Copy k of all trainings has one seed. Trains
    (1 + number of bits) x copies networks, twenty by default.
    """

    recipe: str = "dsa-1000"
    network: str = STANDARD
    bits: tuple[int, ...] = BITS
    copies: int = 5

    title: ClassVar[str] = "At fewer bits per value"
    scores: ClassVar[tuple[Score, ...]] = (
        *(Score(f"accuracy/{bits}", f"{bits} bits") for bits in (STORED, *BITS)),
        *(
            Score(f"bits_per_class/{bits}", f"bits per class at {bits}", unit="number", better="lower")
            for bits in (STORED, *BITS)
        ),
        SECONDS,
    )
    smoke: ClassVar[Mapping[str, Any]] = {
        "recipe": "ncfm-40",
        "network": "convnet-d1-w8-in",
        "copies": 1,
    }

    def __post_init__(self) -> None:
        recipe(self.recipe)
        at_least_one(self, "copies")
        for each in self.bits:
            check_bits(each)
        if not self.bits or len(set(self.bits)) < len(self.bits):
            raise ValueError(f"bits {list(self.bits)} must not be empty or have duplicates")

    def check(self, train: Examples) -> None:
        """Refuse images too small for the network."""
        network(self.network, train.shape, train.classes)

    def evaluate(self, synthetic: SyntheticSet, task: Task, *, seed: int) -> Scores:
        """Return the test accuracies and the bits per class, each `/32`, `/8` and so on."""
        sets = {STORED: synthetic} | {bits: synthetic.quantised(bits) for bits in self.bits}
        how = recipe(self.recipe)
        trainings = {f"accuracy/{bits}": (each, how) for bits, each in sets.items()}
        scores = retrain(self.network, trainings, task, copies=self.copies, seed=seed)
        sizes = {
            f"bits_per_class/{bits}": (8 * each.stored_bytes / each.classes,) * self.copies
            for bits, each in sets.items()
        }
        return Scores({**scores.values, **sizes})


EVALUATOR = Quantised
