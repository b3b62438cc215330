"""Methods that break one promise of the contract are told which, and what to change."""

from dataclasses import dataclass, make_dataclass

import pytest
import torch

from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Distiller, Examples, Method
from suite.plugins import conformance, method_checks
from suite.plugins.method_checks import CHECKS
from suite.plugins.methods.random_subset import RandomSubset
from suite.plugins.methods.rtp import RTP
from tests.support import broken_methods


@pytest.mark.parametrize(
    ("cls", "check", "message"),
    [
        (broken_methods.Careless, method_checks.repeats_itself, "two runs of one seed differ"),
        (broken_methods.Careless, method_checks.leaves_global_state, "global generator"),
        (broken_methods.Forgetful, method_checks.resumes_exactly, "a resumed run differs"),
        (broken_methods.Forgetful, method_checks.hands_out_copies, "clone"),
        (broken_methods.Double, method_checks.keeps_shapes, "float32"),
        (broken_methods.Larger, method_checks.keeps_shapes, "(1, 9, 9)"),
        (broken_methods.Misspelt, method_checks.has_settings, "did you mean 'strength'"),
        (broken_methods.Choosy, method_checks.has_settings, "published[('digits', 1)] names a network"),
        (broken_methods.Misspelt, method_checks.is_described, "unknown recipe"),
        (broken_methods.Bare, method_checks.is_described, "define title, paper, recipe"),
        (broken_methods.Epochs, method_checks.plans_its_steps, "outer_steps is 7, the run's steps 4"),
        (broken_methods.Staged, method_checks.plans_its_steps, "milestones has 5"),
        (broken_methods.Shrinking, method_checks.grows_in_order, "sizes over the steps are [2, 1"),
        (broken_methods.Silent, method_checks.reports_numbers, "diagnosis() returns None"),
        (broken_methods.Owing, method_checks.reports_numbers, "cached_seconds is -1.0"),
    ],
)
def test_a_broken_method_is_told_what_to_change(
    cls: type[Method], check: conformance.Check, message: str
) -> None:
    assert message in conformance.problem(check, cls)


def test_a_set_that_is_stored_as_a_whole_cannot_be_ordered() -> None:
    cls = make_dataclass("Mine", [], bases=(RTP,), frozen=True, namespace={"ordered": True})
    told = "a linear set is stored as a whole; distil it at each size instead, and leave `ordered` False"
    assert method_checks.grows_in_order(cls) == told and not method_checks.grows_in_order(RTP)


@pytest.mark.parametrize(
    ("recipes", "check", "message"),
    [
        ({("mnist", 1): "dc-301"}, method_checks.is_described, "did you mean 'dc-300'?"),
        (
            {"mnist": "dc-300"},
            method_checks.has_settings,
            "published, recipes or borrowed has the key 'mnist'",
        ),
    ],
)
def test_wrong_recipes_of_a_task_are_found(recipes: object, check: conformance.Check, message: str) -> None:
    cls = make_dataclass("Mine", [], bases=(RandomSubset,), frozen=True, namespace={"recipes": recipes})
    cls.__doc__ = "Has recipes of its own."
    assert message in conformance.problem(check, cls)


def test_a_method_that_keeps_the_contract_passes_all() -> None:
    assert [check(RandomSubset) for check in CHECKS] == [""] * len(CHECKS)


@dataclass(frozen=True)
class Sharing(RandomSubset):
    """Hands out one tensor to all runs, and changes it."""

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        run = super().start(train, budget, seed=seed)
        made = run.synthetic()
        images = _SHARED.setdefault("images", made.images)
        images += seed
        run.synthetic = lambda: SyntheticSet(images, made.labels)  # type: ignore[method-assign]
        return run


_SHARED: dict[str, torch.Tensor] = {}


def test_runs_that_share_tensors_are_found_out() -> None:
    assert "share no tensors" in method_checks.shares_nothing(Sharing)


def test_too_many_smoke_steps_are_refused() -> None:
    slow = make_dataclass("Slow", [], bases=(broken_methods.Epochs,), frozen=True)
    slow.__doc__, many = "Takes long.", method_checks.SLOWEST + 1

    def start(self: object, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        run = broken_methods.Epochs.start(self, train, budget, seed=seed)  # type: ignore[arg-type]
        run.steps = many
        return run

    slow.start = start  # type: ignore[attr-defined]
    assert f"smoke settings give {many} steps" in method_checks.plans_its_steps(slow)
