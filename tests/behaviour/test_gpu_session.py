"""The session on a GPU, as far as a CPU can have it: what travels, what is compared, what is left."""

import ast
import dataclasses
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.fx import GraphModule

from suite.core.engine.losses import LayerwiseLoss
from suite.core.execution import compiling
from suite.core.execution.graphs import Graphs
from suite.core.networks.layers import Lowering
from suite.core.networks.named import network
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.training.fit import fit_each
from suite.core.training.jobs import TrainingJob
from suite.core.training.recipes import RECIPES
from suite.experiments import grid
from suite.plugins.smoke import smoke_data
from tests.benchmarks import timing
from tests.benchmarks.gpu import archived, book, conduct, evaluator, grids, pack, runs, smokes
from tests.benchmarks.gpu.engine import ALL_SHAPES, busy
from tests.benchmarks.gpu.merged import merge_sums
from tests.benchmarks.outer_step import SHAPES, Problem
from tests.support.replays import Captures

ROOT = Path(__file__).parents[2]
GRID = """
title = "a selection"
tasks = ["digits"]
ipc = [1]
seeds = [0]
method.random_subset = {}
"""


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the numbers."""
    for name in ("OUT", "WORK"):
        monkeypatch.setattr(book, name, tmp_path)
    monkeypatch.setattr(archived, "OUT", tmp_path)
    return tmp_path


# What travels


def imported() -> Iterator[str]:
    """Yield the top modules that the code, and the benchmarks, import anywhere."""
    folders = ("suite", "methods", "evaluators", "tests/benchmarks")
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            yield from (name.partition(".")[0] for name in names)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def known() -> set[str]:
    return {normal(name) for name in (*pack.WHEELS, *pack.PRESENT)}


def test_the_pack_has_what_the_code_imports() -> None:
    found = packages_distributions()
    foreign = {name for name in imported() if name not in sys.stdlib_module_names} - {"suite", "tests"}
    needed = {normal(found[name][0]) for name in foreign}
    assert {"pydantic", "higher", "torch"} <= needed
    assert needed - known() == set(pack.LEFT_OUT)


def test_the_pack_has_what_its_wheels_need() -> None:
    lines = [line for name in pack.WHEELS for line in requires(name) or () if "extra ==" not in line]
    assert lines and {normal(re.split(r"[^\w.-]", line)[0]) for line in lines} <= known()


def test_a_task_is_packed_where_it_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATBENCH_DATA", str(tmp_path / "here"))
    files = [f"cifar10-jpeg/{split}-00000-of-00001.parquet" for split in ("train", "test")]
    for name in files:
        path = tmp_path / "here" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    pack.copy_task("cifar10-jpeg", tmp_path / "there")
    assert [(tmp_path / "there" / name).read_text() for name in files] == files


# What is compared


@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
def test_both_sides_have_the_same_flags(precision: Any) -> None:
    seen = list[tuple[str, bool, bool]]()

    def side(name: str) -> None:
        seen.append((name, torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32))

    before = torch.backends.cudnn.allow_tf32
    sides = {name: lambda name=name: side(name) for name in ("theirs", "ours")}
    found = timing.compare(sides, torch.device("cpu"), 2, precision=precision)
    rounded = precision == "tf32"
    assert seen == [(name, rounded, rounded) for _ in range(3) for name in ("theirs", "ours")]
    flags = {"matmul.allow_tf32": rounded, "cudnn.allow_tf32": rounded}
    assert found["arithmetic"] == {"precision": precision, **flags} and found["repeats"] == 2
    assert torch.backends.cudnn.allow_tf32 == before


def test_no_round_begins_after_its_end() -> None:
    sides = {"theirs": lambda: None, "ours": lambda: None}
    found = list(timing.rounds(sides, torch.device("cpu"), 5, until=0.0))
    assert [each["repeats"] for each in found] == [1]


def test_the_official_scheme_draws_anew_and_updates_its_images() -> None:
    run = Problem(SHAPES["tiny"], torch.device("cpu")).official("float32")
    before, losses = run.images.detach().clone(), [run.step() for _ in range(2)]
    assert losses[0] != losses[1] and all(loss.isfinite() for loss in losses)
    moved = (run.images.detach() - before).abs()
    assert 0 < moved.max() <= 2.1e-3  # two steps of Adam


@pytest.mark.parametrize("bmm", [False, True])
@pytest.mark.parametrize("captured", [False, True])
def test_a_stack_trains_what_single_networks_train(
    bmm: bool, captured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluator, "WIDTH", 4)
    monkeypatch.setattr(evaluator, "SHAPE", (1, 8, 8))
    monkeypatch.setattr("suite.core.execution.compiling._allowed", False)
    if captured:
        monkeypatch.setattr(Graphs, "on", lambda device, seen=None: Graphs(Captures(), seen))
    images = torch.stack([smoke_data().images[rows[:1]] for rows in smoke_data().by_class()])
    recipe = dataclasses.replace(RECIPES["dsa-1000"], epochs=3 * evaluator.AHEAD)
    jobs = [TrainingJob.on_set(SyntheticSet.with_hard_labels(images), recipe, seed) for seed in range(3)]
    stack = evaluator.Stack(jobs, bmm=bmm)
    stack.train()
    alone = torch.stack(list(fit_each(stack.net, jobs)))
    assert smokes.difference({"": stack.training.state[:, 0]}, {"": alone}) < 1e-4


def test_merged_sums_of_convolutions_have_the_same_derivatives() -> None:
    loss = LayerwiseLoss(network("convnet-d2-w4-in", (1, 8, 8), 10, Lowering(decomposed=True, patches=False)))
    rng = torch.Generator().manual_seed(0)
    start = loss.network.initialise(rng).double()
    images, targets = torch.randn(10, 1, 8, 8, generator=rng).double(), torch.eye(10).double()
    inputs = start, images, targets, torch.randn(len(start), generator=rng).double()

    def product(parameters: Tensor, images: Tensor, targets: Tensor, along: Tensor) -> tuple[Tensor, ...]:
        batch = images, targets
        found = loss.hvp(parameters, batch, along, loss.gradient(parameters, batch).kept)
        return found.parameters, *found.batch

    graph, _ = compiling._traced(product, inputs)
    plain, before = graph(*inputs), convolutions(graph)
    merge_sums(graph.graph)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    assert before - convolutions(graph) == 4  # three sums of the second layer, one of the first
    torch.testing.assert_close(graph(*inputs), plain, rtol=1e-12, atol=1e-12)


def convolutions(graph: GraphModule) -> int:
    return sum("convolution" in str(node.target) for node in graph.graph.nodes)


def test_methods_and_evaluators_are_checked() -> None:
    found = smokes.check_method("dm", smokes.CPU)
    assert found["finite"] and found["difference again"] == found["difference resumed"] == 0
    assert smokes.check_evaluator("kernel_regression", smokes.CPU)["scores"]["accuracy"]
    assert smokes.check_meta_gradient("uncompiled", smokes.CPU) == {"difference in float64, third step": 0}


def test_spans_that_overlap_count_once() -> None:
    assert busy([(0, 2), (1, 3), (5, 6), (5.5, 5.75)]) == 4 and busy([]) == 0


# What is left


def test_every_number_is_in_the_file_at_once(out: Path) -> None:
    one, other = book.Book("one"), book.Book("other")
    one.put("ms", 1.5)
    other.put("sides", {"a_seconds": {"min": 1.0, "median": 2.0}, "repeats": 3})
    with one.attempt("a product"):
        raise RuntimeError("no such kernel")
    found = json.loads((out / "gpu.json").read_text())
    assert found["one"]["ms"] == 1.5 and "no such kernel" in found["one"]["a product: failed"]
    assert "one | ms | 1.5" in book.summary() and "other | sides | {a_seconds: 2}" in book.summary()


def test_parts_have_shapes_and_names_of_their_own(out: Path) -> None:
    parts = [*conduct.PARTS, *conduct.of_runs(pack.TASKS)]
    assert len({part.name for part in parts}) == len(parts)
    shapes = [part.words.split()[1] for part in parts if part.words.startswith("engine ")]
    assert set(shapes) <= set(ALL_SHAPES) and max(conduct.REHEARSED) < len(conduct.PARTS)


def test_a_run_has_the_steps_that_fit(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book.Book("run fashion-mnist ipc1").put("engine", {"engine_seconds": {"median": 0.05}})
    run = runs.Run.of("fashion-mnist", 1, out)
    told = run.prepare(out / "none.tgz", seconds=runs.OVERHEAD + 100, shared=2)
    (job,) = grid.jobs(grid.load(run.folder / "grid.toml"))
    cell = job.cell.model_dump()
    assert told == "1000 steps of 0.100 s" and (cell["task"], cell["ipc"]) == ("fashion-mnist", 1)
    assert cell["hyperparameters"]["steps"] == 1000 and len(job.evaluations) == 2


def test_grids_run_and_are_packed_without_what_is_left_out(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (out / "absent").mkdir()
    for name, distributions in packages_distributions().items():
        if normal(distributions[0]) in pack.LEFT_OUT:
            (out / "absent" / f"{name}.py").write_text("raise ModuleNotFoundError(__name__)")
    monkeypatch.setenv("PYTHONPATH", f"{out / 'absent'}:{ROOT}")
    (out / "selection.toml").write_text(GRID)
    monkeypatch.setattr(grids, "WORK", out)
    monkeypatch.setattr(sys, "argv", ["grids", str(out / "selection.toml"), "--commit", "0123abc"])
    grids.main()
    found = json.loads((out / "gpu.json").read_text())["grids"]
    assert found["selection: exit code"] == 0, found["selection: output"]
    later = archived.Archived("selection", out / "later")
    assert later.unpack(later.archive)
    (record,) = (out / "later" / "store" / "records").rglob("*.json")
    assert json.loads(record.read_text())["provenance"]["commit"] == "0123abc"


def test_a_packed_run_goes_on_under_its_own_grid(out: Path) -> None:
    run = runs.Run.of("fashion-mnist", 1, out / "first")
    run.prepare(out / "none.tgz", seconds=200, shared=2)
    written = (run.folder / "grid.toml").read_text()
    run.pack()
    later = runs.Run.of("fashion-mnist", 1, out / "later")
    assert later.prepare(run.archive, seconds=900, shared=1) == "goes on after an earlier session"
    assert (later.folder / "grid.toml").read_text() == written


@pytest.mark.benchmark
def test_a_session_ends_with_all_numbers(tmp_path: Path) -> None:
    """A rehearsal takes three minutes."""
    told = {"TINY": "1", "OUT": str(tmp_path), "PYTHON": sys.executable}
    subprocess.run(["bash", ROOT / "tests/benchmarks/gpu.sh"], check=True, env={**os.environ, **told})
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["session"]["timeline"][-1].endswith("finished") and len(found) == 10
    assert not [key for part in found.values() for key in part if "failed" in key]
    assert found["runs"]["digits-ipc1: exit code"] == 0 and (tmp_path / "digits-ipc10.tgz").is_file()
