"""Parts of sets: prefixes, random subsets, sets without an image; asked for, cut, scored, written."""

import dataclasses
import hashlib
from pathlib import Path

import pytest
import torch

from suite.board import files
from suite.core.data.tasks import load
from suite.core.sets.artefacts import load_artefact
from suite.core.sets.subsets import cut
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet
from suite.core.spec import Scores, Task, TestSplit
from suite.experiments import grid, job_runner, preflight
from suite.experiments.resources import Resources
from suite.plugins import registry
from suite.plugins.smoke import smoke_data
from suite.records.cells import Evaluation, Part
from suite.records.jobs import Job, Plan
from suite.records.store import Store
from tests.support.command_line import ratbench, refused
from tests.support.grids import QUICK
from tests.support.job_runs import complete, done, one

BOOSTED = """
[method.boosted]
base = "boosted_rat_bptt"
block = [1, 2]
steps = 4
unroll = 4
window = 2
real_batch = 32
ipc = [3]
prefixes = [1]
"""


def digits() -> Task:
    task = load("digits")
    small = TestSplit(task.test.take(torch.arange(60)))
    return dataclasses.replace(task, train=smoke_data(), split=small)


def scored(name: str, synthetic: SyntheticSet) -> Scores:
    evaluator = registry.configure(registry.evaluator(name), registry.evaluator(name).smoke, where=name)
    scores: Scores = evaluator.evaluate(synthetic, digits(), seed=0)
    return scores


@pytest.mark.parametrize("name", registry.names("evaluator"))
def test_every_evaluator_scores_a_part(name: str) -> None:
    train = smoke_data()
    images = train.images[torch.stack([indices[:2] for indices in train.by_class()])]
    labels = torch.eye(10)[:, None].repeat(1, 2, 1) * 0.9 + 0.01
    part = cut(SyntheticSet(images, labels, Minibatch(2)), Part(how="prefix", ipc=1), seed=0)
    first = registry.evaluator(name).scores[0].name
    found = scored(name, part).values[first]
    assert all(0 <= value <= 1 for value in found)
    if name == "retrain":  # by which the others train, too
        alone = SyntheticSet(images[:, :1].clone(), labels[:, :1].clone(), Minibatch(1))
        assert found == scored(name, alone).values[first]


@pytest.fixture
def jobs(tiny: Path) -> list[Job]:
    text = QUICK.replace("ipc = [1]", "ipc = [1, 3]") + BOOSTED
    tiny.write_text(text.replace("window = 2\n", "window = 2\nsubsets = 2\nleave_one_out = 1\n", 1))
    return grid.jobs(grid.load(tiny))


def parts(job: Job) -> list[tuple[str, int, int] | None]:
    found = [cell.part for cell in job.evaluations]
    return [(part.how, part.ipc, part.index) if part else None for part in found]


def test_a_grid_asks_for_parts_of_a_rows_largest_set(jobs: list[Job]) -> None:
    asked = {(job.label, job.ipc): parts(job) for job in jobs}
    assert asked == {
        ("random_subset", 1): [None],
        ("random_subset", 3): [None],
        ("rat_bptt", 1): [None],
        ("rat_bptt", 3): [None, ("random", 1, 0), ("random", 1, 1), ("without", 2, 0)],
        ("boosted", 3): [None, ("prefix", 1, 0)],
    }
    sizes = [(item.ipc, item.cell.kind) for item in Plan.of(jobs).cells if item.label == "boosted"]
    assert sizes == [(3, "distillation"), (3, "evaluation"), (1, "evaluation")]
    assert len({cell.seed for job in jobs for cell in job.evaluations}) == 1  # the same fresh networks


def test_a_reference_and_its_row_are_asked_for_what_either_is(tiny: Path) -> None:
    text = QUICK.replace("ipc = [1]", "ipc = [1, 2]") + "[reference]\nepochs = 1\nrandom = 1\n"
    tiny.write_text(text.replace("[method.random_subset]", "[method.random_subset]\nprefixes = [1]"))
    found = [job for job in grid.jobs(grid.load(tiny)) if job.label == "random_subset" and job.ipc == 2]
    assert [parts(job) for job in found] == [[None, ("prefix", 1, 0)]]


def test_what_scores_the_whole_is_written_as_before_there_were_parts() -> None:
    cell = Evaluation(trial="ab", evaluator="retrain", settings={}, seed=3)
    text = '{"evaluator":"retrain","kind":"evaluation","protocol":2,"seed":3,"settings":{},"trial":"ab"}'
    assert cell.id == hashlib.sha256(text.encode()).hexdigest()
    part = cell.model_copy(update={"part": Part(how="prefix", ipc=1)})
    assert part.id != cell.id and Evaluation.model_validate_json(part.model_dump_json()) == part


def test_parts_are_scored_and_boards_take_prefixes_alone(
    jobs: list[Job], store: Store, resources: Resources
) -> None:
    for job in jobs:
        if job.ipc == 3 and job.label != "random_subset":
            complete(job, store, resources)
            found = [store.record(cell.id) for cell in job.evaluations]
            assert all(record and record.status == "done" and record.test_reads == 1 for record in found)
            sizes = [part[1] if part else 3 for part in parts(job)]
            assert [record.ipc for record in found if record] == sizes
    tables = {table.ipc: table.rows for table in files.load([store.path]).tables}
    assert {ipc: {row.name for row in rows} for ipc, rows in tables.items()} == {
        1: {"boosted (first 1 of 3)"},
        3: {"boosted", "rat_bptt"},
    }
    scores = {row.label: row.scores["ncfm-40"].mean for row in tables[3]}
    for label in ("boosted", "rat_bptt"):
        whole = store.record(next(j for j in jobs if (j.label, j.ipc) == (label, 3)).evaluations[0].id)
        assert whole and scores[label] == pytest.approx(whole.scores["accuracy"][0])


def test_a_stage_is_kept_as_it_completes_and_is_the_prefix_that_is_written(
    jobs: list[Job], store: Store, resources: Resources, tmp_path: Path
) -> None:
    job = one(jobs, "boosted")
    for progress in job_runner.run(job, store, resources):
        if progress.step == 3:
            break  # cut short, one step into the second stage
    stage = store.artefact(job.id, 2)
    kept, facts = load_artefact(stage)
    assert kept.ipc == 1 and facts["trial"]["ipc"] == 3 and store.record(job.id) is None
    before = stage.read_bytes()
    complete(job, store, resources)
    written = ratbench(
        "subset", store.artefact(job.id), "--ipc", "1", "--output", tmp_path / "one.safetensors"
    )
    assert written.exit_code == 0, written.output
    assert (tmp_path / "one.safetensors").read_bytes() == before == stage.read_bytes()
    prefix, manifest = load_artefact(tmp_path / "one.safetensors")
    assert prefix.ipc == 1 and manifest["part"] == {"ipc": 1, "of": done(job, store).artefact}
    assert 'name = "one"' in manifest["loader"] and manifest["class_names"] == facts["class_names"]


def test_a_subset_that_cannot_be_written_is_refused(copied: Path, elsewhere: None, tmp_path: Path) -> None:
    (artefact, *_) = sorted((copied / "artefacts").glob("*.safetensors"))
    refused(ratbench("subset", artefact, "--ipc", "2"), "prefix of 2 images per class: this set has 1")
    refused(ratbench("subset", artefact, "--ipc", "1", "--output", artefact), "exists", "--output")
    refused(ratbench("subset", artefact, "--ipc", "1", "--output", tmp_path / "x.pt"), ".safetensors")
    written = ratbench("subset", artefact, "--ipc", "1")
    (made,) = Path().glob("*.safetensors")
    assert f"wrote {made}" in written.output and made.name.endswith(f"{artefact.stem[:8]}-ipc1.safetensors")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "prefixes = [1]",
            "prefixes = [3]",
            "method.boosted: prefixes [3] must be smaller than the largest set, of ipc 3",
        ),
        ("prefixes = [1]", "prefixes = [1, 1]", "method.boosted: prefixes [1, 1]: duplicate value"),
        ("prefixes = [1]", "prefixes = [0]", "prefixes.0: input should be greater than 0"),
        ("prefixes = [1]", "prefixes = 1", "prefixes: input should be a valid list"),
        ("ipc = [3]", "ipc = [2]", "method.boosted: ipc [2] is not among the grid's, [1, 3]"),
        ("ipc = [3]", "ipc = [3, 3]", "method.boosted: ipc [3, 3] must not be empty or have duplicates"),
        ("block = [1, 2]", "block = 2", "boosted on digits at ipc 3: ipc 3 is not a sum of blocks of 2"),
        ("block = [1, 2]", "block = [1, 1]", "ipc 3 is not a sum of blocks of [1, 1]"),
        ("block = [1, 2]", 'block = "1"', "method.boosted: block = '1'"),
        ("block = [1, 2]", "beta = 1.5", "method.boosted: beta 1.5 must lie between 0"),
        (
            "subsets = 2",
            "prefixes = [1]",
            "method.rat_bptt: prefixes [1]: this method does not order its images",
        ),
        ("subsets = 2", "ipc = [1]\nsubsets = 2", "subsets 2: the grid's ipc [1, 3] has no size below 1"),
        ("leave_one_out = 1", "leave_one_out = 4", "leave_one_out 4: its largest set has ipc 3"),
    ],
)
def test_a_mistake_is_named_before_anything_runs(
    jobs: list[Job], tiny: Path, resources: Resources, old: str, new: str, message: str
) -> None:
    text = tiny.read_text()
    assert old in text
    tiny.write_text(text.replace(old, new))
    with pytest.raises(ValueError) as error:
        preflight.check(grid.jobs(grid.load(tiny)), resources)
    assert message in str(error.value)
