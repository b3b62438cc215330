"""Every method and every evaluator keeps the contract, and plug-ins that break it are told how."""

import time
from pathlib import Path

import pytest

from suite.core.spec import Evaluator
from suite.plugins import conformance, evaluator_checks, method_checks, registry
from suite.plugins.smoke import smoke_set, smoke_task
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

    def accuracy(seed: int) -> tuple[float, ...]:
        return evaluator.evaluate(smoke_set(), smoke_task(), seed=seed).values[cls.scores[0].name]

    one = accuracy(0)
    assert all(0 <= value <= 1 for value in one)
    assert any(accuracy(seed) != one for seed in (5, 6, 7)), "two seeds may agree on so few test images"


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
