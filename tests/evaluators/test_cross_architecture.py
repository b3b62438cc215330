"""The same set on several networks: which scores, at which rates, from which networks."""

from statistics import mean

import pytest
import torch

from suite.core.networks.named import network
from suite.core.seeding import derive
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Examples, Task
from suite.core.training.fit import accuracy, fit
from suite.core.training.lr_search import chosen_rates
from suite.core.training.recipes import recipe
from suite.plugins.evaluators.cross_architecture import CrossArchitecture
from suite.plugins.smoke import smoke_data
from tests.support.small_data import smoke_task

QUICK = CrossArchitecture("ncfm-40", "convnet-d1-w8-in", ("mlp-w16", "convnet-d1-w8-ln"), 2, (1.0, 3.0), 1)


def made(on: Task, first: int = 0) -> SyntheticSet:
    rows = torch.stack([indices[first : first + 2] for indices in on.train.by_class()])
    return SyntheticSet(on.train.images[rows], one_hot(10, 2))


def test_every_network_is_trained_at_its_own_rate() -> None:
    on = smoke_task()
    found = QUICK.evaluate(made(on), on, seed=3).values
    assert on.split.reads == 1
    test = on.test
    for name, key in (("convnet-d1-w8-in", "accuracy"), ("mlp-w16", "accuracy/mlp-w16")):
        (rate,) = found[f"rate/{name}"]
        assert rate in (0.001, 0.003)
        net, tried = network(name, (1, 8, 8), 10), recipe("ncfm-40").for_data(on.train).with_lr(rate)
        expected = [accuracy(net, fit(net, made(on), tried, seed=derive(3, "copy", i)), test) for i in (0, 1)]
        assert list(found[key]) == expected
    for copy in (0, 1):
        others = mean(found[f"accuracy/{name}"][copy] for name in QUICK.networks)
        assert found["mean"][copy] == pytest.approx(others)
        assert found["drop"][copy] == pytest.approx(found["accuracy"][copy] - others)


def test_neither_the_set_nor_the_seed_chooses_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def watched(*given: object) -> dict[str, float]:
        asked.append(given[1:])
        return chosen_rates(*given)  # type: ignore[arg-type]

    monkeypatch.setattr("suite.plugins.evaluators.cross_architecture.chosen_rates", watched)
    for first, seed in ((0, 3), (5, 4)):
        on = smoke_task()
        QUICK.evaluate(made(on, first), on, seed=seed)
    assert asked[0] == asked[1]
    assert not any(isinstance(each, torch.Tensor | SyntheticSet) for each in asked[0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"networks": ()}, "must not be empty or have duplicates"),
        ({"networks": ("mlp-w8", "mlp-w8")}, "must not be empty or have duplicates"),
        ({"network": "mlp-w128"}, "networks contains the home network 'mlp-w128'; leave it out"),
        ({"copies": 0}, "copies 0 must be at least 1"),
        ({"factors": (-1.0,)}, "factors .* above 0"),
        ({"recipe": "dsa2"}, "unknown recipe 'dsa2'; did you mean 'dsa-1000'"),
    ],
)
def test_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CrossArchitecture(**settings)  # type: ignore[arg-type]


def test_networks_are_refused_before_anything_is_trained() -> None:
    digits, colour = smoke_data(), Examples(torch.zeros(1, 3, 32, 32), torch.zeros(1, dtype=torch.int64), 10)
    CrossArchitecture().check(colour)
    with pytest.raises(ValueError, match="vgg11-w64-in: 8x8 images are too small"):
        CrossArchitecture(network="convnet-d1-w8-in", networks=("vgg11-w64-in",)).check(digits)
    with pytest.raises(ValueError, match="unknown network 'resnet'"):
        CrossArchitecture(networks=("resnet",)).check(colour)
