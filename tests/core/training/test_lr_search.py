"""Learning rates chosen with random subsets: the choice, what it may depend on, and what it costs."""

import dataclasses
from collections.abc import Iterator, Sequence

import pytest
import torch

from suite.core.networks.named import Network
from suite.core.seeding import generator
from suite.core.spec import TestSplit
from suite.core.training import lr_search
from suite.core.training.fit import fit_each
from suite.core.training.jobs import TrainingJob
from suite.core.training.lr_search import Search, chosen_rates, random_set
from suite.core.training.recipes import RECIPES
from suite.plugins.smoke import smoke_data
from tests.support.small_data import smoke_task

SEARCH = Search((0.01, 1.0, 3.0), 2)
RECIPE = dataclasses.replace(RECIPES["dc-300"], epochs=40)
NAMES = ("mlp-w16", "mlp-w8")


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The learning rates of all trainings, in turn."""
    seen: list[float] = []

    def watched(net: Network, jobs: Sequence[TrainingJob]) -> Iterator[torch.Tensor]:
        seen.extend(job.recipe.lr for job in jobs)
        return fit_each(net, jobs)

    monkeypatch.setattr(lr_search, "fit_each", watched)
    return seen


def test_the_best_mean_over_draws_wins_and_the_recipes_own_rate_a_tie() -> None:
    search = Search((0.1, 1.0, 10.0), 2)
    assert search.best(torch.tensor([[0.5, 0.7], [0.9, 0.2], [0.4, 0.4]])) == 0.1  # .6, .55, .4
    assert search.best(torch.tensor([[0.5, 0.7], [0.7, 0.5], [0.6, 0.6]])) == 1.0


def test_a_rate_is_chosen_once_for_each_network(trainings: list[float]) -> None:
    on = smoke_task()
    opened = TestSplit.total_reads
    first = chosen_rates(on, NAMES, RECIPE, 2, SEARCH)
    assert set(first) == set(NAMES) and all(
        rate in (0.01, 0.03) for rate in first.values()
    )  # .0001 learns nothing
    assert trainings == pytest.approx(
        [0.0001, 0.0001, 0.01, 0.01, 0.03, 0.03] * 2
    )  # networks x factors x draws
    torch.manual_seed(1)
    assert chosen_rates(on, NAMES, RECIPE, 2, SEARCH) == first
    assert len(trainings) == 12  # read from the data folder
    assert on.split.reads == 0 and TestSplit.total_reads == opened
    chosen_rates(on, NAMES[:1], RECIPE, 1, SEARCH)
    assert len(trainings) == 18  # another size is another choice


def test_a_network_is_judged_alike_whatever_stands_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suite.core.data.cache.usable_folder", lambda data: None)
    on = smoke_task()
    both, one = (chosen_rates(on, names, RECIPE, 2, SEARCH) for names in (NAMES, NAMES[1:]))
    assert one == {NAMES[1]: both[NAMES[1]]}


def test_one_factor_needs_no_training(trainings: list[float]) -> None:
    assert chosen_rates(smoke_task(), NAMES, RECIPE, 2, Search((3.0,), 2)) == dict.fromkeys(NAMES, 0.03)
    assert trainings == []


def test_a_random_set_is_of_real_images_with_their_labels() -> None:
    train = smoke_data()
    made = random_set(train, 3, generator(0))
    assert made.images.shape == (10, 3, 1, 8, 8) and made.hard
    for label, images in enumerate(made.images):
        own = train.images[train.by_class()[label]]
        assert all(any(torch.equal(image, real) for real in own) for image in images)
    assert not torch.equal(made.images, random_set(train, 3, generator(1)).images)
    with pytest.raises(ValueError, match=r"ipc 31 is larger than the smallest class \(30 images"):
        random_set(train, 31, generator(0))


def test_what_is_no_search_is_refused() -> None:
    for factors in ((), (1.0, 1.0), (0.0,)):
        with pytest.raises(ValueError, match="must be one or more different numbers above 0"):
            Search(factors, 1)
    with pytest.raises(ValueError, match="draws 0 must be at least 1"):
        Search((1.0,), 0)
