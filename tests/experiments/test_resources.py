"""What a job gets, and what its time costs."""

import pytest
import torch

from suite.experiments.resources import Resources


def test_device_seconds_are_charged_by_share() -> None:
    assert Resources(cpus=2).charged(10) == 20
    assert Resources(cpus=2, gpus=0.25).charged(10) == 2.5


def test_a_share_of_a_gpu_is_work_on_a_gpu() -> None:
    assert Resources().device == torch.device("cpu")
    assert Resources(gpus=0.1).device == torch.device("cuda")


def test_by_default_a_gpu_is_used_if_there_is_one() -> None:
    assert Resources.choose(gpus=None).gpus == float(torch.cuda.is_available())
    assert Resources.choose(3, 0.0, compile=False) == Resources(3, 0.0, compile=False)


def test_more_than_the_machine_has_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a trial wants 9999 CPUs and this machine has \d+; lower"):
        Resources(cpus=9999).check()


def test_peak_memory_holds_what_was_allocated_since_the_reset() -> None:
    resources = Resources()
    resources.reset_peak_memory()
    before = resources.peak_memory_bytes()
    torch.ones(40 * 2**20, dtype=torch.uint8)
    assert resources.peak_memory_bytes() - before > 20 * 2**20
