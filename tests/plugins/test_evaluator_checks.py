"""Evaluators that break one promise of the contract are told which, and what to change."""

import pytest

from suite.core.spec import Evaluator
from suite.plugins import conformance, evaluator_checks
from tests.support import broken_evaluators


@pytest.mark.parametrize(
    ("cls", "check", "message"),
    [
        (broken_evaluators.Thawed, evaluator_checks.is_described, "frozen=True"),
        (broken_evaluators.Bare, evaluator_checks.is_described, "define title, scores, smoke"),
        (broken_evaluators.Untitled, evaluator_checks.is_described, "set `title`"),
        (broken_evaluators.Numbers, evaluator_checks.is_described, "tuple of suite.core.scores.Score"),
        (broken_evaluators.Misspelt, evaluator_checks.has_settings, "did you mean 'copies'"),
        (broken_evaluators.Listed, evaluator_checks.has_settings, "round trip through JSON"),
        (broken_evaluators.Trusting, evaluator_checks.refuses_what_does_not_fit, "'no-such-network'"),
        (broken_evaluators.Undeclared, evaluator_checks.returns_its_scores, "it returns 'extra'"),
        (broken_evaluators.Missing, evaluator_checks.returns_its_scores, "it declares 'extra'"),
        (broken_evaluators.Percent, evaluator_checks.returns_numbers, "as fractions, from 0 to 1"),
        (broken_evaluators.Endless, evaluator_checks.returns_numbers, "return finite numbers"),
        (broken_evaluators.Single, evaluator_checks.returns_numbers, "1 values for 2 copies"),
        (broken_evaluators.Curious, evaluator_checks.reads_test_once, "it reads task.test 2 times"),
        (broken_evaluators.Blind, evaluator_checks.reads_test_once, "it reads task.test 0 times"),
        (broken_evaluators.Careless, evaluator_checks.repeats_itself, "differ in 'accuracy'"),
        (broken_evaluators.Careless, evaluator_checks.changes_nothing, "a global random state"),
        (broken_evaluators.Vandal, evaluator_checks.changes_nothing, "the set's images"),
    ],
)
def test_a_broken_evaluator_is_told_what_to_change(
    cls: type[Evaluator], check: conformance.Check, message: str
) -> None:
    assert message in conformance.problem(check, cls)


def test_an_honest_evaluator_passes() -> None:
    assert [check(broken_evaluators.Honest) for check in evaluator_checks.CHECKS] == [""] * 8
