"""Factorised sets from a grid to the board; methods that store too much, or decode to something else."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from suite.board import files
from suite.core.distilling.base import BaseDistiller, BaseMethod
from suite.core.limits import check_stored_bytes
from suite.core.sets.parametrisations import Linear
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Distiller, Examples
from suite.experiments import grid
from suite.experiments.resources import Resources
from suite.plugins import conformance, method_checks
from suite.plugins.smoke import smoke_data
from suite.records.store import Store
from tests.support.job_runs import complete, done, one

GRID = """
title = "Factorised sets"
tasks = ["digits"]
ipc = [1]
seeds = [0]
network = "convnet-d1-w8-in"

[method.rtp]
steps = 2
unroll = 2
bases = 8
images = 3
real_per_class = 4

[evaluator.retrain]
recipe = ["dc-300", "rtp-300"]
copies = 1
"""


@dataclass(frozen=True)
class Stored(BaseMethod):
    """Store `bases` bases of 4x4 pixels and two images of each class; learn nothing."""

    bases: int = 10

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        return _Run(self, train)


class _Run(BaseDistiller):
    def __init__(self, method: Stored, train: Examples) -> None:
        self.steps, self.method = 1, method
        self.bases = torch.ones(method.bases, 1, 4, 4)
        self.coefficients = torch.ones(train.classes, 2, method.bases)

    def step(self) -> Mapping[str, float]:
        return {}

    def synthetic(self) -> SyntheticSet:
        return SyntheticSet.from_parametrisation(Linear(self.bases.clone(), self.coefficients.clone(), 8, 8))


@dataclass(frozen=True)
class Greedy(Stored):
    """Stores 36 numbers for each of 36 bases, 1296 where 20 images of 64 may have 1280."""

    bases: int = 36


@dataclass(frozen=True)
class Small(Stored):
    """Decodes to images of 4x4 pixels."""

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        return _SmallRun(self, train)


class _SmallRun(_Run):
    def synthetic(self) -> SyntheticSet:
        return SyntheticSet.from_parametrisation(Linear(self.bases.clone(), self.coefficients.clone(), 4, 4))


@dataclass(frozen=True)
class Untrue(Stored):
    """Shows other images than its code decodes to."""

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        return _UntrueRun(self, train)


class _UntrueRun(_Run):
    def synthetic(self) -> SyntheticSet:
        made = super().synthetic()
        return replace(made, images=made.images + 1)


@dataclass(frozen=True)
class Live(Stored):
    """Hands out the bases that it goes on to change."""

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        return _LiveRun(self, train)


class _LiveRun(_Run):
    def step(self) -> Mapping[str, float]:
        self.bases += 1
        return {}

    def synthetic(self) -> SyntheticSet:
        return SyntheticSet.from_parametrisation(Linear(self.bases, self.coefficients, 8, 8))


@dataclass(frozen=True)
class WrongLoader(Stored):
    """Hands out lines that load other images than it decodes to."""

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        return _WrongLoaderRun(self, train)


class _WrongLoaderRun(_Run):
    def synthetic(self) -> SyntheticSet:
        made = super().synthetic()
        code = made.parametrisation
        assert isinstance(code, Linear)
        return replace(made, parametrisation=_Tripled(code.bases, code.coefficients, 8, 8))


class _Tripled(Linear):
    loader = Linear.loader + "images = 3 * images\n"


class TestContract:
    def test_a_factorised_set_may_decode_to_any_number_of_images(self) -> None:
        for check in (method_checks.keeps_shapes, method_checks.hands_out_copies):
            assert check(Stored) == ""

    def test_too_many_bytes(self) -> None:
        problem = conformance.problem(method_checks.keeps_shapes, Greedy)
        assert "the set stores 5184 bytes; ipc 2 allows 5120, those of 20 images in float32" in problem

    def test_images_of_another_size(self) -> None:
        problem = conformance.problem(method_checks.keeps_shapes, Small)
        assert "the set's images are (1, 4, 4); return (1, 8, 8), as the task's are" in problem

    def test_images_that_are_not_the_codes(self) -> None:
        assert "its code decodes to other images" in method_checks.keeps_shapes(Untrue)

    def test_a_loader_of_other_images(self) -> None:
        problem = method_checks.keeps_shapes(WrongLoader)
        assert "_Tripled.loader do not make the same `images` as decode()" in problem

    def test_live_tensors_in_the_code(self) -> None:
        assert "clone" in method_checks.hands_out_copies(Live)

    def test_the_budget_by_hand(self) -> None:
        train = smoke_data()
        check_stored_bytes(4 * 10 * 3 * 64, train, Budget(3))
        with pytest.raises(ValueError, match=r"stores 7681 bytes; ipc 3 allows 7680, .*; lower bases"):
            check_stored_bytes(4 * 10 * 3 * 64 + 1, train, Budget(3), "lower bases")


def test_from_grid_to_board(tmp_path: Path, store: Store, resources: Resources) -> None:
    path = tmp_path / "factorised.toml"
    path.write_text(GRID)
    jobs = grid.jobs(grid.load(path))
    job = one(jobs, "rtp")
    assert set(complete(job, store, resources).values()) == {"done"}
    record = done(job, store)
    assert record.stored_bytes == 4 * (8 * 16 + 10 * 3 * 8) and record.decoded == 3
    assert set(load_file(store.artefact(job.id))) == {"bases", "coefficients", "labels"}
    text = files.render(files.load([store.path]), "md")
    assert "factorised: decodes to 3 images per class" in text


def test_a_run_that_stores_too_much_fails(tmp_path: Path, store: Store, resources: Resources) -> None:
    method = tmp_path / "greedy.py"
    source = Path(__file__).read_text()
    classes = source[
        source.index("@dataclass(frozen=True)\nclass Stored") : source.index(
            "@dataclass(frozen=True)\nclass Small"
        )
    ]
    imports = """
from collections.abc import Mapping
from dataclasses import dataclass
import torch
from suite.core.sets.parametrisations import Linear
from suite.core.distilling.base import BaseDistiller, BaseMethod
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Distiller, Examples
"""
    method.write_text(f'"""Greedy."""\n{imports}\n{classes}\nMETHOD = Greedy\n')
    path = tmp_path / "greedy.toml"
    kept = (
        GRID[: GRID.index("[method")]
        + f'[method.greedy]\nbase = "{method}"\n'
        + GRID[GRID.index("\n[eval") :]
    )
    path.write_text(kept)
    (job,) = grid.jobs(grid.load(path))
    assert complete(job, store, resources)[job.id] == "failed"
    failure = store.last_failure(job.id)
    assert failure is not None
    assert "the set stores 5184 bytes; ipc 1 allows 2560" in failure.error
