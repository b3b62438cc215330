"""What a job gets, and what its time costs."""

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest
import torch

from suite.core.execution import compiling
from suite.experiments.resources import KEPT_SHARE, Resources, driver
from suite.records.jobs import Wanted


def test_device_seconds_are_charged_by_share() -> None:
    assert Resources(cpus=2).charged(10) == 20
    assert Resources(cpus=2, gpus=0.25).charged(10) == 2.5


def test_a_share_of_a_gpu_is_work_on_a_gpu() -> None:
    assert Resources().device == torch.device("cpu")
    assert Resources(gpus=0.1).device == torch.device("cuda")


def test_by_default_a_gpu_is_used_if_there_is_one() -> None:
    assert Resources.choose(gpus=None).gpus == float(torch.cuda.is_available())
    assert Resources.choose(3, 0.0, compile=False) == Resources(3, 0.0, compile=False)


def test_what_a_grid_wants_replaces_the_command_line() -> None:
    own = Resources(2, 1.0, packed=True)
    assert own.given(Wanted()) == own
    assert own.given(Wanted(cpus=4)) == Resources(4, 1.0, packed=True)
    assert own.given(Wanted(gpus=0.5)) == Resources(2, 0.5), "its share is not measured"
    assert own.given(Wanted(gpus=0)) == Resources(2, 0.0)
    assert not Resources(packed=True).given(Wanted()).packed, "without a GPU there is nothing to share"


def test_more_than_the_machine_has_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a trial needs 9999 CPUs, but this machine has \d+; lower"):
        Resources(cpus=9999).check()
    with pytest.raises(ValueError, match=r"lower --cpus$"):
        Resources(cpus=9999).check("--cpus")


def test_peak_memory_holds_what_was_allocated_since_the_reset() -> None:
    resources = Resources()
    resources.reset_peak_memory()
    before = resources.peak_memory_bytes()
    torch.ones(256 * 2**20, dtype=torch.uint8)  # more than a busy system may take back meanwhile
    assert resources.peak_memory_bytes() - before > 128 * 2**20


def test_what_a_job_sets_ends_with_it() -> None:
    torch.set_float32_matmul_precision("medium")
    try:
        with pytest.raises(ZeroDivisionError), Resources(2, compile=False).applied():
            assert torch.get_num_threads() == 2 and not compiling.allowed()
            assert torch.get_float32_matmul_precision() == "highest"
            raise ZeroDivisionError
        assert torch.get_num_threads() == 1 and compiling.allowed()
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


class Gpu:
    """What torch tells and is told about the memory of a GPU of 1000 bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, reserved: int = 0) -> None:
        self.fraction, self.fractions, self.emptied, self.reserved = 1.0, list[float](), 0, reserved
        monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda: self.fraction)
        monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", self.limit)
        monkeypatch.setattr(torch.cuda, "synchronize", lambda _: None)
        monkeypatch.setattr(torch.cuda, "empty_cache", self.empty)
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: self.reserved)
        facts = SimpleNamespace(total_memory=1000)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: facts)

    def limit(self, fraction: float) -> None:
        self.fraction = fraction
        self.fractions.append(fraction)

    def empty(self) -> None:
        self.emptied += 1


@pytest.mark.parametrize(("share", "limit"), [(0.25, 0.25), (1.0, 1.0), (2.0, 1.0)])
def test_a_job_gets_no_more_memory_than_its_share_of_a_gpu(
    share: float, limit: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = Gpu(monkeypatch)
    gpu.fraction = 0.5  # as an earlier job left it
    with Resources(gpus=share).applied():
        assert gpu.fraction == limit
    assert gpu.fractions == [limit, 0.5]
    with Resources().applied():
        assert gpu.fraction == 0.5, "a job on the CPU does not touch the GPU"


def test_memory_that_a_job_leaves_is_freed_and_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = int(1000 * KEPT_SHARE)
    for reserved, gpus, free in ((kept, 1.0, True), (kept + 1, 1.0, False), (kept, 0.5, False)):
        gpu = Gpu(monkeypatch, reserved)
        assert Resources(gpus=gpus).release() is free and gpu.emptied == 1
    gpu = Gpu(monkeypatch, 999)
    assert Resources().release() and not gpu.emptied


def test_a_gpu_that_does_not_work_any_more_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> NoReturn:
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    Gpu(monkeypatch)
    monkeypatch.setattr(torch.cuda, "synchronize", broken)
    assert not Resources(gpus=1.0).release()


def test_a_driver_is_named_by_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.133.20  Release Build  (x@y)"
    monkeypatch.setattr("suite.experiments.resources.Path.read_text", lambda _: text)
    assert driver() == "570.133.20"
    monkeypatch.setattr("suite.experiments.resources.Path.read_text", lambda _: "NVRM version: none")
    assert driver() == "unknown"
    monkeypatch.undo()
    monkeypatch.setattr("suite.experiments.resources._DRIVER", Path("/nonexistent"))
    assert driver() == ""


TOO_OLD = (
    "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver by "
    "downloading and installing a new version from the URL: http://www.nvidia.com/Download/index.aspx"
)


@pytest.fixture
def old_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU whose driver is too old for a torch that is built for GPUs."""

    def init() -> NoReturn:
        raise RuntimeError(TOO_OLD)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "init", init)
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr("suite.experiments.resources.driver", lambda: "470.57.02")


def test_a_driver_that_is_too_old_is_told(old_driver: None) -> None:
    reason = r"because The NVIDIA driver on your system is too old \(found version 11040\)"
    with pytest.raises(ValueError, match=f"a GPU was requested, but torch finds none, {reason}; use --gpus"):
        Resources(gpus=1.0).check()
    with pytest.warns(UserWarning, match=f"no GPU is used, {reason}$"):
        assert Resources.choose().gpus == 0
    with warnings.catch_warnings(action="error"):
        Resources.choose(gpus=0.0)


def test_a_torch_for_cpus_beside_a_gpu_is_told(old_driver: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.warns(UserWarning, match="no GPU is used, because this torch is built for CPUs"):
        Resources.choose()
    monkeypatch.setattr("suite.experiments.resources.driver", lambda: "")
    with warnings.catch_warnings(action="error"):
        Resources.choose()  # most machines without a GPU


@pytest.mark.parametrize(("compile", "told"), [(True, True), (False, False)])
def test_without_triton_steps_on_a_gpu_are_not_compiled(
    compile: bool, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("suite.experiments.resources.find_spec", lambda name: None)
    with warnings.catch_warnings(record=True) as caught:
        Resources(gpus=1.0, compile=compile).check()
        Resources().check()
    assert ["Triton is not installed: steps run uncompiled and slower"] * told == [
        str(w.message) for w in caught
    ]


def test_data_that_a_gpu_cannot_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Gpu(monkeypatch)  # of 1000 bytes
    Resources(gpus=1.0).check_memory("train", 1000)
    Resources().check_memory("train", 10**12)
    with pytest.raises(
        ValueError, match=r"train takes 9\.3 GiB, and a trial's share .* 0\.0 GiB; raise --gpus"
    ):
        Resources(gpus=0.5).check_memory("train", 10**10)
