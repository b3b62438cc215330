"""Audit of a set: worst class, calibration, adversarial images, membership in train, copies of real images.

Attacks after BEARD, arXiv 2411.09265; membership by loss as in Yeom et al., arXiv 1709.01604; calibration as
in Guo et al., arXiv 1706.04599.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Any, ClassVar

from torch import Tensor
from torch.nn.functional import cross_entropy

from suite.core.auditing.attacks import Logits, attacked_accuracy
from suite.core.auditing.copies import copies
from suite.core.auditing.measures import auc, calibration_error, worst_class
from suite.core.limits import at_least_one
from suite.core.networks.named import STANDARD, Network, network
from suite.core.scores import SECONDS, Score
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Examples, Preprocessing, Scores, Task
from suite.core.training.fit import copy_seeds, map_batches
from suite.core.training.recipes import recipe
from suite.core.training.retrain_together import fitted

_AUC = "(AUC, chance 0.5)"


@dataclass(frozen=True)
class Audit:
    """What networks trained on the set get wrong, and what the set and they give away of train.

    **Worst class**: the accuracy of the class with the lowest one. **Calibration error**: the mean gap of
    confidence and accuracy over `bins` bins of equal width in confidence.

    **Attacks** on `attacked` random test images, the same for all sets: FGSM, and PGD in `steps` steps of a
    quarter of the strength, without a random start, as BEARD has them at strength 8. `strengths` are the
    largest changes of a pixel, in 255ths of its range. Pixels stay in [0, 1], and are preprocessed after each
    step. The networks see images without augmentation, so that none hides their gradients. Whitened images
    have lost their brightness and contrast; they are first stretched to [0, 1].

    **Membership by loss**: AUC of telling train images from test images by the loss of the networks trained
    on the set; all test images, and as many random train images. Each train image counts as a member, since
    nobody knows which of them a learned set was made of.

    **Copies by distance**: AUC of telling the train images that are nearest to the set, as many as it has
    images, from the same share of test images, by their distance to the set in pixels. A set of copies of
    train gives 1; one that is as near to test as to train 0.5, with a standard error of about
    0.5 / sqrt(these test images).

    **Copies of train images**: share of the set's images that are at most as far from a train image as that
    one is from its nearest other train image. **Copies of test images**: share that are nearer to a test
    image than that one is to all of train. **Test images covered**: share of test images that are at most as
    far from the set as the median train image is from its nearest other. **Distance to train images**: the
    mean distance of the set's images to their nearest train images, as root mean square of the differences of
    pixels in [0, 1].
    `ratbench picture SET --nearest` shows these.
    """

    recipe: str = "dsa-1000"
    network: str = STANDARD
    copies: int = 3
    bins: int = 15
    strengths: tuple[int, ...] = (2, 8)
    steps: int = 10
    attacked: int = 1000

    title: ClassVar[str] = "Audit: worst class, calibration, attacks, membership, copies of real images"
    scores: ClassVar[tuple[Score, ...]] = (
        Score("accuracy", "accuracy", ranks=True),
        Score("worst", "worst class"),
        Score("calibration", "calibration error", better="lower"),
        Score("fgsm/*", "under FGSM {}/255"),
        Score("pgd/*", "under PGD {}/255"),
        Score("members", f"membership by loss {_AUC}", unit="fraction", better="lower"),
        Score("copies", f"copies by distance {_AUC}", unit="fraction", better="lower"),
        Score("copied/train", "copies of train images", better="lower"),
        Score("copied/test", "copies of test images", better="lower"),
        Score("covered", "test images covered"),
        Score("distance", "distance to train images", unit="fraction"),
        SECONDS,
    )
    smoke: ClassVar[Mapping[str, Any]] = {
        "recipe": "ncfm-40",
        "network": "convnet-d1-w8-in",
        "copies": 1,
        "attacked": 50,
    }

    def __post_init__(self) -> None:
        recipe(self.recipe)
        at_least_one(self, "copies", "bins", "steps", "attacked")
        if not self.strengths or len(set(self.strengths)) < len(self.strengths):
            raise ValueError(f"strengths {list(self.strengths)} must not be empty or have duplicates")
        if wrong := [strength for strength in self.strengths if not 1 <= strength <= 255]:
            raise ValueError(
                f"strengths {wrong} must lie between 1 and 255: they are 255ths of a pixel's range"
            )

    def check(self, train: Examples) -> None:
        """Refuse images too small for the network, and a train of one image, which has no neighbour."""
        network(self.network, train.shape, train.classes)
        if len(train) < 2:
            raise ValueError("the training split has only one image; an audit needs at least two")

    def evaluate(self, synthetic: SyntheticSet, task: Task, *, seed: int) -> Scores:
        """Return one value per copy, AUCs and shares in [0, 1], and the `seconds` of all trainings.

        What networks have no part in is the same for all copies.
        """
        net, started = network(self.network, task.train.shape, task.train.classes), perf_counter()
        how, seeds = recipe(self.recipe), copy_seeds(seed, self.copies)
        trained = list(fitted(self.network, synthetic, how, task.train, seeds=seeds))
        seconds = perf_counter() - started
        test = task.test  # the only read, after the last training step
        invert = task.preprocessing.invert
        found = copies(synthetic.flat()[0], task.train.images, test.images, invert)
        drawn = test.take(test.sample_rows(self.attacked, generator(0, "attacked")))
        attacked = replace(drawn, images=invert(drawn.images))
        each = [
            self._predicted(partial(net.logits, parameters), task.train, test)
            | self._attacks(partial(_on_pixels, net, parameters, task.preprocessing), attacked)
            for parameters in trained
        ]
        values = {name: tuple(copy[name] for copy in each) for name in each[0]}
        alone = {
            "copies": found.told,
            "copied/train": found.of_train,
            "copied/test": found.of_test,
            "covered": found.covered,
            "distance": float(found.train.distances.mean()),
        }
        same = {name: (value,) * self.copies for name, value in alone.items()}
        return Scores({**values, **same, "seconds": (seconds,)})

    def _predicted(self, logits: Logits, train: Examples, test: Examples) -> dict[str, float]:
        """Return the scores of a network's predictions."""
        drawn = train.take(train.sample_rows(len(test), generator(0, "members")))
        # A network that diverged has no logits: it knows nothing.
        seen, known = (map_batches(logits, each.images).double().nan_to_num() for each in (test, drawn))
        right = seen.argmax(1) == test.labels
        return {
            "accuracy": float(right.double().mean()),
            "worst": worst_class(right, test.labels, test.classes),
            "calibration": calibration_error(seen.softmax(1), test.labels, self.bins),
            "members": auc(-_losses(known, drawn.labels), -_losses(seen, test.labels)),
        }

    def _attacks(self, logits: Logits, attacked: Examples) -> dict[str, float]:
        """Return a network's accuracies on attacked images, given as pixels."""
        scores = {}
        for strength in self.strengths:
            epsilon = strength / 255
            for name, steps, step in (("fgsm", 1, epsilon), ("pgd", self.steps, epsilon / 4)):
                scores[f"{name}/{strength}"] = attacked_accuracy(
                    logits, attacked.images, attacked.labels, epsilon=epsilon, step=step, steps=steps
                )
        return scores


def _losses(logits: Tensor, labels: Tensor) -> Tensor:
    return cross_entropy(logits, labels, reduction="none")


def _on_pixels(net: Network, parameters: Tensor, preprocessing: Preprocessing, pixels: Tensor) -> Tensor:
    """Return the logits of pixels in [0, 1]."""
    return net.logits(parameters, preprocessing.apply(pixels))


EVALUATOR = Audit
