"""T-BPTT: the window is the end of the unroll. Its outer steps are compared in test_rat_bptt."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.spec import Budget
from suite.experiments import grid
from suite.records.cells import Trial
from tests.support.plain_meta_learning import NAME, double

METHOD = import_module("suite.plugins.methods.t_bptt").METHOD
RAT_BPTT = import_module("suite.plugins.methods.rat_bptt").METHOD
QUICK: dict[str, Any] = {"steps": 3, "unroll": 4, "window": 2, "real_batch": 16, "network": NAME}


def test_it_is_rat_bptt_with_a_fixed_window() -> None:
    sets = []
    for method in (METHOD(**QUICK), RAT_BPTT(**QUICK, truncation="fixed")):
        run = method.start(double(), Budget(2), seed=0)
        for _ in range(3):
            run.step()
        sets.append(run.synthetic().images)
    assert torch.equal(*sets)


def test_the_outer_loss_is_that_of_a_fresh_network_trained_for_the_whole_unroll() -> None:
    # The real batch is larger than the data: all 30 images.
    settings = {"unroll": 3, "window": 1, "inner_lr": 0.05, "augment": "none", "real_batch": 5000}
    run = METHOD(**QUICK | settings).start(double(), Budget(2), seed=0)
    images, data, net = run.synthetic().images.flatten(0, 1), double(), network(NAME, (1, 4, 4), 3)
    leaf = net.initialise(generator(0, "networks")).double().requires_grad_()
    optimiser = torch.optim.Adam([leaf], lr=0.05)
    for _ in range(3):
        optimiser.zero_grad()
        cross_entropy(net.logits(leaf, images), torch.arange(6) // 2).backward()
        optimiser.step()
    expected = cross_entropy(net.logits(leaf, data.images), data.labels)
    assert float(run.step()["outer_loss"]) == pytest.approx(float(expected.detach()), rel=1e-9)


def test_a_window_longer_than_the_unroll_is_refused() -> None:
    with pytest.raises(ValueError, match="window 5 is longer than the unroll 4"):
        METHOD(**QUICK | {"window": 5})


def test_a_grid_may_have_both_windows_where_the_authors_command_has_a_fixed_one(tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    tasks = '["cifar100-zca", "cifar100"]'
    rows = "[method.rat_bptt]\n[method.t_bptt]\n"
    path.write_text(f'title = "x"\ntasks = {tasks}\nipc = [1, 10]\nseeds = [0]\n{rows}')
    cells = [job.cell for job in grid.jobs(grid.load(path))]
    assert len({cell.id for cell in cells}) == 8
    found = {
        cell.hyperparameters["window"]
        for cell in cells
        if isinstance(cell, Trial) and (cell.method, cell.ipc) == ("t_bptt", 1)
    }
    assert found == {90}
