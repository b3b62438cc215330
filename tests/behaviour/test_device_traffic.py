"""No outer step makes the host wait for a GPU, and few copies a step feed it."""

import dataclasses
import io
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from suite.core.engine.steps import AHEAD
from suite.core.execution import compiling
from suite.core.spec import Distiller, Evaluator, Method
from suite.core.training.recipes import RECIPES
from suite.plugins import registry
from suite.plugins.smoke import BUDGET, smoke_data, smoke_set, smoke_task
from tests.support.fake_device import GPU, fake_gpu
from tests.support.fake_operations import FakeGPU, Traffic
from tests.support.recipes import replaced

COPIES: Mapping[str, int] = {
    "at_bptt": 6,
    "boosted_dm": 2,
    "boosted_dsa": 2,
    "boosted_mtt": 2,
    "boosted_rat_bptt": 3,
    "bptt": 3,
    "cda": 2,
    "datadam": 2,
    "datm": 2,
    "dc": 2,
    "delt": 2,
    "dm": 2,
    "dream": 2,
    "dsa": 2,
    "fred": 2,
    "frepo": 2,
    "g_vbsm": 2,
    "formation_dm": 2,
    "ftd": 2,
    "idc": 2,
    "idc_i": 2,
    "idm": 2,
    "m3d": 2,
    "mdc": 2,
    "mtt": 2,
    "ncfm": 2,
    "quick_rat_bptt": 3,
    "r_bptt": 3,
    "rat_bptt": 3,
    "rcig": 2,
    "rfad": 2,
    "rtp": 3,
    "sre2l": 2,
    "t_bptt": 3,
    "tesla": 2,
    "yoco": 8,  # in the step that orders the images; two copies for each epoch
}
"""Copies to the GPU in an outer step, at most: usually one of rows and one of floats."""

DECOMPOSING = {"g_vbsm"}
"""Methods that take eigenvalues: torch waits to learn whether it found them, which the fake GPU does not."""

BY_META_LEARNER = [name for name in COPIES if name.endswith("bptt") or name == "rtp"]
LONGER: Mapping[str, Mapping[str, Any]] = {
    **{name: {"unroll": 9} for name in BY_META_LEARNER},
    "dc": {"outer_loop": 4, "inner_loop": 3, "network_batch": 7},
    "dsa": {"outer_loop": 4, "inner_loop": 3, "network_batch": 7},
    "dream": {"network_images": 300},
    "boosted_dsa": {"outer_loop": 4, "inner_loop": 3, "network_batch": 7},
    "boosted_mtt": {"syn_steps": 9, "batch": 7},
    "idc": {"network_images": 300},
    "mdc": {"network_images": 300},
    "yoco": {"network_images": 300},
    "idc_i": {"network_images": 300},
    "idm": {"train_steps": 5},
    "mtt": {"syn_steps": 9, "batch": 7},
    "tesla": {"syn_steps": 9, "batch": 7},
    "datm": {"syn_steps": 9, "batch": 7},
    "fred": {"syn_steps": 9, "batch": 7},
    "ftd": {"syn_steps": 9, "batch": 7},
    "rcig": {"inner_steps": 5, "inverse_steps": 5, "pool_steps": 5, "lifetime": 100},
}
"""Settings with more inner steps than those of the smoke run, which take no more copies."""


class Few(NamedTuple):
    """Waits and copies of a whole run, at most."""

    waits: int
    copies: int


CLASSES = 10

SELECTIONS: Mapping[str, Few] = {
    "ccs": Few(4, 2),
    "el2n": Few(4, 3),
    "forgetting": Few(4, 2),
    "grand": Few(4, 3),
    "herding": Few(3, 2),
    "k_center": Few(3, 2),
    "k_means": Few(3 + CLASSES, 2 + CLASSES),  # clusters are found on the host
    "random_relabelled": Few(3, 2),
    "random_subset": Few(1, 1),
    "rded": Few(3, 3),
}
"""Methods of one step. They wait for the labels, and to hash the data that their network is trained on."""

EVALUATORS: Mapping[str, Few] = {
    "audit": Few(17, 40),  # an attack preprocesses its images in each step
    "augmentation_robust": Few(2, 2),
    "corruptions": Few(31 + 15, 31 + 20),  # blur, pixels and JPEG on the host, noise drawn on it
    "cross_architecture": Few(27, 24),
    "kernel_regression": Few(3, 1),
    "label_regimes": Few(8, 3),  # with the teacher's training
    "label_robust": Few(2, 2),
    "quantised": Few(11, 4),  # whether the set is finite, and whether its labels are hard
    "retrain": Few(1, 1),
}
"""Waits of an evaluation, and its copies besides those of the trainings: a wait for each accuracy."""

TRAININGS: Mapping[str, int] = {
    "audit": 1,
    "augmentation_robust": 2,
    "corruptions": 1,
    "cross_architecture": 9,
    "kernel_regression": 0,
    "label_regimes": 3,
    "label_robust": 1,
    "quantised": 4,
    "retrain": 1,
}
"""Networks that an evaluator trains on the smoke set."""

TOGETHER = AHEAD["cuda"]
INNER_STEPS = 2 * TOGETHER + 2


class Run(NamedTuple):
    """What a run does on the GPU: at its start, in each step, for its set, and to save and load its state."""

    start: Traffic
    steps: tuple[Traffic, ...]
    synthetic: Traffic
    saved: Traffic
    loaded: Traffic


def started(name: str, changes: Mapping[str, Any], seed: int = 0) -> Distiller:
    cls = registry.find("method", name)
    method: Method = registry.configure(cls, {**cls.smoke, **changes}, where=name)
    return method.start(smoke_data().to(GPU), BUDGET, seed=seed)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of trained networks that all runs share."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True)
def shared(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATBENCH_DATA", str(data))


def run(name: str, *, longer: bool = False) -> Run:
    return _run(name, tuple(LONGER.get(name, {}).items()) if longer else ())


@cache
def _run(name: str, changes: tuple[tuple[str, Any], ...]) -> Run:
    smoke_data()  # before there is a GPU
    with fake_gpu() as gpu:
        with gpu.counted() as start:
            own = started(name, dict(changes))
        steps = tuple(_step(gpu, own) for _ in range(own.steps))
        with gpu.counted() as synthetic:
            made = own.synthetic()
        assert all(value.device == GPU for value in made.tensors.values())
        with gpu.counted() as saved:
            state = own.state_dict()
        other = started(name, dict(changes), seed=1)
        with gpu.counted() as loaded:
            other.load_state_dict(state)
        assert torch.equal(other.synthetic().images, made.images)
    return Run(start, steps, synthetic, saved, loaded)


def _step(gpu: FakeGPU, own: Distiller) -> Traffic:
    with gpu.counted() as traffic:
        metrics = own.step()
    assert not any(isinstance(value, Tensor) and value.requires_grad for value in metrics.values())
    return traffic


def test_every_method_and_evaluator_has_its_limits() -> None:
    assert {*COPIES, *SELECTIONS} == set(registry.names("method"))
    assert set(EVALUATORS) == set(TRAININGS) == set(registry.names("evaluator"))


@pytest.mark.parametrize("name", COPIES)
def test_no_outer_step_waits(name: str) -> None:
    """Except where an epoch begins whose window depends on gradients."""
    waiting = [len(each.waits) for each in run(name).steps]
    assert waiting == ([1, 0, 2] if name == "at_bptt" else [0] * len(waiting))


@pytest.mark.parametrize("name", COPIES)
def test_a_step_takes_few_copies_from_pinned_memory(name: str) -> None:
    for longer in (False, True):
        for step in run(name, longer=longer).steps:
            assert step.pageable == [] and len(step.pinned) <= COPIES[name]


@pytest.mark.parametrize("name", [*COPIES, *SELECTIONS])
def test_a_set_and_a_state_need_no_traffic(name: str) -> None:
    """But for a learned rate, which a set gives as a number."""
    found, rates = run(name), 1 if name in ("boosted_mtt", "datm", "fred", "ftd", "mtt", "tesla") else 0
    assert len(found.synthetic.waits) <= rates and found.synthetic.pageable == []
    assert found.saved == Traffic() and found.loaded.waits == [] and found.loaded.pageable == []


@pytest.mark.parametrize("name", COPIES)
def test_a_run_goes_on_from_a_file(name: str) -> None:
    """Its tensors are loaded on the host, from where the state copies them."""
    with fake_gpu():
        whole, first, file = started(name, {}), started(name, {}), io.BytesIO()
        for _ in range(whole.steps):
            whole.step()
        for _ in range(half := first.steps // 2):
            first.step()
        torch.save(first.state_dict(), file)
        file.seek(0)
        second = started(name, {}, seed=1)
        second.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
        for _ in range(half, second.steps):
            second.step()
        assert torch.equal(whole.synthetic().images.cpu(), second.synthetic().images.cpu())


@pytest.mark.parametrize("name", SELECTIONS)
def test_a_selection_waits_a_few_times(name: str) -> None:
    run(name)  # trains the network that is kept
    (step,) = _run.__wrapped__(name, ()).steps
    assert len(step.waits) <= SELECTIONS[name].waits
    assert len(step.pageable) + len(step.pinned) <= SELECTIONS[name].copies


@cache
def evaluated(name: str) -> Traffic:
    cls = registry.find("evaluator", name)
    evaluator: Evaluator = registry.configure(cls, cls.smoke, where=name)
    task, synthetic = smoke_task(), smoke_set()  # before there is a GPU
    short = (
        dataclasses.replace(RECIPES["rat-bptt-1000"], steps=INNER_STEPS),
        dataclasses.replace(RECIPES["dc-300"], epochs=INNER_STEPS),
    )
    with replaced(*short), fake_gpu() as gpu:
        there = task.to(GPU), synthetic.to(GPU)
        with gpu.counted() as traffic:
            scores = evaluator.evaluate(there[1], there[0], seed=0)
    assert scores.values
    return traffic


@pytest.mark.parametrize("name", EVALUATORS)
def test_an_evaluation_waits_for_its_scores_only(name: str) -> None:
    assert len(evaluated(name).waits) <= EVALUATORS[name].waits


@pytest.mark.parametrize("name", EVALUATORS)
def test_an_evaluation_sends_many_steps_together(name: str) -> None:
    found, chunks = evaluated(name), TRAININGS[name] * -(-INNER_STEPS // TOGETHER)
    assert len(found.pageable) + len(found.pinned) <= EVALUATORS[name].copies + 3 * chunks


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("name", sorted(set(COPIES) - DECOMPOSING))
def test_a_real_gpu_is_not_waited_for_either(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_allowed", False)
    own = started(name, {})
    own.step()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(1, own.steps):
            own.step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
