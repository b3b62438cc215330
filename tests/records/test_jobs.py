"""Jobs and plans: their cells, sizes and snapshots; JSON and back; titles."""

from suite.records.cells import Evaluation, Part, Reference, Study, Trial
from suite.records.jobs import Job, Plan, Planned, Wanted, titles

TRIAL = Trial(task="digits", method="dm", hyperparameters={}, ipc=10, seed=0)
REFERENCE = Reference(task="digits", network="mlp-w8", recipe="dc-300", epochs=2, copies=1, seed=0)
WHOLE = Evaluation(trial=TRIAL.id, evaluator="retrain", settings={}, seed=0)
EARLY, LATE = (WHOLE.model_copy(update={"step": step}) for step in (0, 5))
CUT = WHOLE.model_copy(update={"part": Part(how="prefix", ipc=3)})
JOB = Job(label="dm", cell=TRIAL, evaluations=(WHOLE, LATE, EARLY, CUT), recipe="dsa-1000")


def test_a_job_has_its_trials_id_and_cells_in_order() -> None:
    assert JOB.id == TRIAL.id and JOB.cells == (TRIAL, WHOLE, LATE, EARLY, CUT)


def test_a_part_has_a_size_of_its_own() -> None:
    assert JOB.ipc == 10 and [JOB.size(cell) for cell in JOB.cells] == [10, 10, 10, 10, 3]
    reference = Job(label="full_data", cell=REFERENCE)
    assert reference.ipc == reference.size(REFERENCE) == 0


def test_snapshots_are_those_that_are_scored() -> None:
    assert JOB.snapshots == {0, 5} and Job(label="dm", cell=TRIAL, evaluations=(WHOLE,)).snapshots == set()


def test_a_job_and_a_plan_come_back_from_json() -> None:
    again = Job.model_validate_json(JOB.model_dump_json())
    assert again == JOB and [cell.id for cell in again.cells] == [cell.id for cell in JOB.cells]
    cells = tuple(Planned(label="dm", task="digits", ipc=JOB.size(cell), cell=cell) for cell in JOB.cells)
    text = Plan(cells=cells).to_json()
    found = Plan.model_validate_json(text)
    assert found.to_json() == text and [each.cell.id for each in found.cells] == [
        each.id for each in JOB.cells
    ]


def trial(**changes: object) -> Trial:
    values = {"task": "digits", "method": "dm", "hyperparameters": {"steps": 3}, "ipc": 1, "seed": 0}
    return Trial.model_validate({**values, **changes})


def told(*cells: tuple[str, Trial | Reference | Study]) -> list[str]:
    return list(titles(cells).values())


def test_what_all_have_in_common_is_left_out() -> None:
    assert told(("dm", trial())) == ["dm"]
    assert told(("dm", trial()), ("dm", trial(seed=1))) == ["dm seed 0", "dm seed 1"]
    assert told(("dm", trial()), ("dm", trial(ipc=10))) == ["ipc 1 dm", "ipc 10 dm"]
    assert told(("dm", trial()), ("dm", trial(task="svhn"))) == ["digits dm", "svhn dm"]


def test_settings_are_named_only_within_a_row() -> None:
    one, two = trial(), trial(hyperparameters={"steps": 4, "rate": 2})
    assert told(("dm", one), ("dm", two)) == ["dm steps=3", "dm rate=2 steps=4"]
    assert told(("dm", one), ("mine", two)) == ["dm", "mine"]


def test_references_and_studies() -> None:
    full = Reference(task="digits", network="mlp-w8", recipe="dc-300", epochs=1, copies=1, seed=0)
    study = Study(task="digits", study="pace", settings={"steps": 2}, ipc=1, seed=0)
    other = Study(task="digits", study="pace", settings={"steps": 5}, ipc=1, seed=0)
    assert told(("full_data", full), ("pace", study), ("pace", other)) == [
        "full data",
        "pace steps=2",
        "pace steps=5",
    ]


def test_what_a_job_wants_is_no_part_of_its_cells(jobs: list[Job]) -> None:
    wanted = Wanted(cpus=2, gpus=0.5, labels={"kind": "fast", "zone": "!a"})
    job = jobs[0].model_copy(update={"wanted": wanted})
    assert job.id == jobs[0].id and Job.model_validate_json(job.model_dump_json()) == job
    assert "wanted" not in jobs[0].model_dump_json()
    assert str(wanted) == "2 CPUs, 0.5 GPUs, nodes with kind = fast, nodes with zone = !a" and not str(
        Wanted()
    )
