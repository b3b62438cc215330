"""Titles name what varies among cells, and nothing else."""

from suite.records.cells import Reference, Study, Trial
from suite.records.titles import titles


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
