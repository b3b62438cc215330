"""MDC: its choice of a prefix by hand, its losses, and what it freezes."""

from typing import Any

import pytest
import torch

from suite.core.distilling.matching import class_gradients
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Examples
from suite.plugins.methods.idc import IDC, distance
from suite.plugins.methods.mdc import MDC, Prefixes, shares
from suite.plugins.registry import published
from tests.support.small_data import few_digits

QUICK: dict[str, Any] = {
    "steps": 6,
    "network_steps": 2,
    "real_batch": 4,
    "network_images": 16,
    "network": "convnet-d1-w4-in",
}


def train() -> Examples:
    return few_digits(12)


def started(ipc: int = 3, **changes: Any) -> Any:
    return MDC(**{**QUICK, **changes}).start(train(), Budget(ipc), seed=0)


def test_the_prefix_whose_distance_changed_most_is_chosen_and_the_one_before_is_frozen() -> None:
    prefixes = Prefixes(5, torch.zeros(()))
    told = []
    for distances in (
        [9.0, 5.0, 4.0, 1.0],  # the first choice is size 1, whatever the distances are
        [8.0, 2.0, 4.0, 1.0],  # 2 changed by 3: 1 is frozen
        [8.0, 2.0, 4.0, 3.0],  # 4 by 2: 2 is frozen
        [8.0, 2.0, 4.5, 3.0],  # 3 by .5, smaller than 4: 2 stays frozen, 4 waits
        [8.0, 2.0, 4.9, 3.0],  # 3 again
        [9.0, 2.0, 4.9, 3.0],  # 1, by moving away: nothing is smaller
        [9.0, 2.0, 4.9, 3.1],  # 4: of 1, 2 and 3, all left, 3 is the largest
    ):
        prefixes.choose(torch.tensor(distances))
        told.append((int(prefixes.chosen), int(prefixes.frozen())))
    assert told == [(1, 0), (2, 1), (4, 2), (3, 2), (3, 2), (1, 0), (4, 3)]


def test_shares_are_the_mean_of_a_prefix() -> None:
    positions = torch.tensor([[0, 0, 1, 1, 2, 2], [2, 1, 2, 1, 2, 2]])
    assert shares(positions, torch.tensor(2)).tolist() == [[0.25] * 4 + [0, 0], [0, 0.5, 0, 0.5, 0, 0]]
    assert not shares(positions, torch.tensor(1))[1].any()  # none of it was drawn
    assert shares(positions, torch.tensor([1, 2])[:, None, None]).shape == (2, 2, 6)


def test_until_the_first_choice_it_is_idc() -> None:
    ours, theirs = started(factor=2), IDC(**QUICK, factor=2).start(train(), Budget(3), seed=0)
    losses = [[float(run.step()["outer_loss"]) for _ in range(3)] for run in (ours, theirs)]
    assert losses[0][:2] == losses[1][:2] and losses[0][2] > losses[1][2]


@pytest.mark.parametrize("factor", [1, 2])
def test_the_loss_adds_that_of_the_chosen_prefix(factor: int) -> None:
    run = started(augment="none", factor=factor)
    for _ in range(2):
        run.step()
    run.prefixes.chosen = torch.tensor(2)
    run.keep_in_range()
    images, match = run.synthetic().images, run.draw_match()
    net, parameters = run.network, run.state[0]
    target = class_gradients(net, parameters, run.real.images[match.real])
    parts = [images, images[:, : 2 * factor**2]]
    expected = sum(
        float(distance(net, class_gradients(net, parameters, part), target, "mse")) for part in parts
    )
    assert float(run.update(match, parameters)) == pytest.approx(expected / 10, rel=1e-4)


def test_distances_are_those_of_the_mean_features_of_each_prefix() -> None:
    run = started(ipc=4, augment="none", factor=2)
    match, parameters = run.draw_match(), run.state[0]
    found = run._distances(match, run._positions(match), parameters)
    real = run.real.images[match.real]
    for place, size in enumerate((1, 2, 3)):
        gaps = [
            run.network.features(parameters, ours[: 4 * size]).mean(0)
            - run.network.features(parameters, theirs).mean(0)
            for ours, theirs in zip(run.synthetic().images, real, strict=True)
        ]
        assert float(found[place]) == pytest.approx(
            sum(float(gap.square().sum()) for gap in gaps) / 10, rel=1e-4
        )


def test_choices_are_made_after_the_first_network_and_every_few() -> None:
    run = started(steps=14, choose_every=3)
    chosen = []
    for _ in range(14):
        run.step()
        chosen.append(run.prefixes.choices)
    assert chosen == [0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3]
    assert not run.added.any()


def test_distances_are_means_over_a_networks_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    run, seen = started(choose_every=2), [torch.tensor([float(at), 2.0 * at]) for at in range(4)]
    values = iter(seen)
    monkeypatch.setattr(run, "_distances", lambda *given: next(values))
    for _ in range(4):
        run.step()
    assert torch.equal(run.prefixes.distances, (seen[2] + seen[3]) / 2)


def test_a_frozen_prefix_stays_where_it_is() -> None:
    run = started(image_momentum=0.0)
    for _ in range(2):
        run.step()
    run.prefixes.choose(torch.tensor([1.0, 9.0]) + run.prefixes.distances)
    assert (int(run.prefixes.chosen), int(run.prefixes.frozen())) == (2, 1)
    run.keep_in_range()
    before: SyntheticSet = run.synthetic()
    run.step()
    after: SyntheticSet = run.synthetic()
    assert torch.equal(before.prefix(1).images, after.prefix(1).images)
    assert not torch.equal(before.images[:, 4:8], after.images[:, 4:8])


def test_the_authors_settings() -> None:
    method = MDC()
    assert (method.choose_every, method.factor, method.metric, method.network_images) == (100, 2, "mse", 2000)
    assert published(MDC, "svhn", 10) == {"network_images": 500} and not published(MDC, "cifar10", 10)


def test_a_single_image_has_no_prefix() -> None:
    with pytest.raises(ValueError, match="ipc 1: this set has no smaller prefix; use idc, or raise ipc"):
        MDC(**QUICK).check(train(), Budget(1))
    with pytest.raises(ValueError, match="choose_every 0"):
        MDC(choose_every=0)
