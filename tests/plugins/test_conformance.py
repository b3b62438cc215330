"""Every method and every evaluator keeps the contract, and plug-ins that break it are told how."""

import time
from pathlib import Path

import pytest

from suite.core.spec import Evaluator, Method
from suite.plugins import conformance, evaluator_checks, method_checks, registry
from suite.plugins.smoke import smoke_set, smoke_task
from tests.support import broken_evaluators, broken_methods
from tests.support.command_line import ratbench, refused


@pytest.mark.parametrize("check", method_checks.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", registry.names("method"))
def test_method(name: str, check: conformance.Check) -> None:
    assert check(registry.method(name)) == ""


@pytest.mark.parametrize("check", evaluator_checks.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", registry.names("evaluator"))
def test_evaluator(name: str, check: conformance.Check) -> None:
    assert check(registry.evaluator(name)) == ""


@pytest.mark.parametrize("name", registry.names("method"))
def test_smoke_takes_about_a_second(name: str) -> None:
    started = time.process_time()
    method_checks.keeps_shapes(registry.method(name))
    assert time.process_time() - started < 5


@pytest.mark.parametrize("name", registry.names("evaluator"))
def test_evaluator_depends_on_its_seed(name: str) -> None:
    cls = registry.evaluator(name)
    evaluator: Evaluator = registry.configure(cls, cls.smoke, where=name)
    one, other = (evaluator.evaluate(smoke_set(), smoke_task(), seed=seed) for seed in (0, 5))
    assert one.values["accuracy"] != other.values["accuracy"]
    assert all(0 <= value <= 1 for value in one.values["accuracy"])


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


class TestCommand:
    """`ratbench check` finds out what a file brings."""

    def test_an_evaluators_file(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.py"
        path.write_text("from tests.support.broken_evaluators import Curious, Honest\n\nEVALUATOR = Honest\n")
        ran = ratbench("check", path)
        passed = [line for line in ran.stdout.splitlines() if line.startswith("ok ")]
        assert ran.exit_code == 0 and len(passed) == len(evaluator_checks.CHECKS)
        path.write_text(path.read_text().replace("EVALUATOR = Honest", "EVALUATOR = Curious"))
        ran = ratbench("check", path)
        assert ran.exit_code == 1 and "it reads task.test 2 times" in ran.stdout

    def test_a_methods_file(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.py"
        path.write_text("from tests.support.broken_methods import Larger\n\nMETHOD = Larger\n")
        ran = ratbench("check", path)
        assert ran.exit_code == 1 and "(1, 9, 9)" in ran.stdout

    def test_neither(self, tmp_path: Path) -> None:
        (tmp_path / "mine.py").write_text("")
        refused(ratbench("check", tmp_path / "mine.py"), "METHOD", "EVALUATOR")
        refused(ratbench("check", "retrian"), "unknown method or evaluator", "did you mean 'retrain'?")
