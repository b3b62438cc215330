"""What is charged: wall time without compiling, and all CPU time if that is more."""

import subprocess
import sys
from time import process_time, sleep

import pytest

from suite.core.execution import compiling
from suite.experiments.outer_loop.loop import Trajectory
from suite.experiments.outer_loop.meter import Meter
from suite.experiments.resources import Resources

BURN = [sys.executable, "-c", "import time\nwhile time.process_time() < 0.4: pass"]
ROUNDING = 0.05


def burn(seconds: float) -> None:
    until = process_time() + seconds
    while process_time() < until:
        pass


def test_sleeping_is_charged_by_the_cpus_that_wait() -> None:
    run = Trajectory(1)
    with Meter(Resources(cpus=3), run).running():
        sleep(0.1)
    assert run.seconds >= 0.1 and run.device_seconds == pytest.approx(3 * run.seconds)


def test_what_is_done_between_sections_is_not_charged() -> None:
    run = Trajectory(1)
    meter = Meter(Resources(), run)
    for _ in range(2):
        with meter.running():
            sleep(0.05)
        burn(0.2)
    assert 0.1 <= run.device_seconds == pytest.approx(run.seconds)


def test_compiling_is_shown_apart() -> None:
    run = Trajectory(1)
    with Meter(Resources(cpus=2), run).running():
        with compiling.spent.counting():
            burn(0.2)
        sleep(0.05)
    assert run.compile_seconds > 0.39 and 0.05 <= run.seconds < 0.2
    assert run.device_seconds == pytest.approx(2 * run.seconds)


def test_helpers_that_work_beside_a_run_are_charged_also_between_its_sections() -> None:
    run = Trajectory(1)
    meter = Meter(Resources(), run)
    with meter.running():
        helpers = [subprocess.Popen(BURN) for _ in range(2)]
    assert run.device_seconds < 0.4
    for helper in helpers:
        helper.wait()
    meter.look()
    assert run.device_seconds >= 0.8 and run.seconds < 0.4
    before = run.device_seconds
    meter.look()
    assert run.device_seconds == before, "once"


def test_a_gpu_is_charged_by_its_share_of_the_wall_time() -> None:
    run = Trajectory(1)
    with Meter(Resources(gpus=0.5), run).running():
        sleep(0.1)
    assert run.device_seconds == pytest.approx(0.5 * run.seconds)
