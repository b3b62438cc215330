"""What rows cost, from records made by hand."""

import pytest

from suite.board.render.frame import lines
from suite.board.render.words import decoded
from suite.board.tables import board
from suite.records.cells import Trial
from tests.support.board_records import CPU, SMALL, evaluated, rows, trial


def test_every_device_of_a_trial_is_named() -> None:
    moved = CPU.model_copy(update={"devices": ("a CPU", "a GPU"), "device": "a GPU"})
    of = trial("rat_bptt", seed=2, provenance=moved)
    made = rows(board([*SMALL, of, evaluated(of, 0.5)]))
    assert made["rat_bptt"].costs.devices == ("a CPU and a GPU, 2 threads", "a CPU, 2 threads")


def test_costs_have_their_class_of_device() -> None:
    """A model is a class, whatever the number of its threads: only times within one are compared."""

    def classes(*devices: str) -> str:
        made = [CPU.model_copy(update={"device": device}) for device in devices]
        records = [trial("kip", seed=seed, provenance=each) for seed, each in enumerate(made)]
        return rows(board(records))["kip"].costs.device_class

    assert classes("CPU: Intel(R) Xeon(R) Processor @ 2.80GHz") == "CPU: Intel Xeon Processor @ 2.80GHz"
    assert classes("NVIDIA H200") == "NVIDIA H200"
    both = classes("NVIDIA H200", "CPU: AMD EPYC", "NVIDIA A100")
    assert both == "CPU: AMD EPYC and NVIDIA A100 and NVIDIA H200"


@pytest.mark.parametrize(
    ("task", "recorded", "bits"),
    [
        ("digits", 0, 20_480),  # 10 classes: digits with others are refused
        ("cifar100-zca:holdout", 0, 2_048),
        ("folder:mine", 4, 51_200),
        ("folder:mine", 0, None),
        ("digits of mine", 0, None),
    ],
)
def test_bits_per_class_need_a_known_number_of_classes(task: str, recorded: int, bits: int | None) -> None:
    made = trial("dm", classes=recorded)
    assert isinstance(made.cell, Trial)
    renamed = {"task": task, "cell": made.cell.model_copy(update={"task": task})}
    (line,) = lines(board([made.model_copy(update=renamed)]))
    assert line["bits_per_class"] == bits and line["stored_bytes"] == 25_600


def test_teachers_of_the_set_and_of_the_native_recipe_stand_beside_its_bytes() -> None:
    """Those of a recipe that is not the row's own do not; a prefix keeps the whole teacher."""
    rded = trial("rded", recipe="rded-300-v2")
    native, other = (
        evaluated(rded, 0.5, recipe=name).model_copy(update={"teacher_bytes": size})
        for name, size in (("rded-300-v2", 800), ("sre2l-300", 900))
    )
    made = rows(board([rded, evaluated(rded, 0.6), other]))["rded"]
    assert made.costs.teacher_bytes == 0
    made = rows(board([rded, evaluated(rded, 0.6), native, other]))["rded"]
    assert (made.costs.stored_bytes, made.costs.teacher_bytes) == (25_600, 800)
    brought = trial("sre2l", teacher_bytes=700)
    parts = {line["ipc"]: line for line in lines(board([brought, evaluated(brought, 0.5, ipc=1)]))}
    assert (parts[1]["stored_bytes"], parts[1]["teacher_bytes"]) == (2_560, 700)


def test_a_prefix_has_its_share_of_the_bits_and_a_missing_set_has_none() -> None:
    of = trial("dm")
    parts = {line["ipc"]: line for line in lines(board([of, evaluated(of, 0.5, ipc=1), evaluated(of, 0.7)]))}
    assert (parts[1]["bits_per_class"], parts[10]["bits_per_class"]) == (2_048, 20_480)
    (failed,) = lines(board([trial("dm", status="oom", stored_bytes=0)]))
    assert failed["bits_per_class"] is None


def test_a_prefix_of_a_factorised_set_decodes_to_its_share() -> None:
    of = trial("idc", decoded=40)
    made = board([of, evaluated(of, 0.5, ipc=1), evaluated(of, 0.7)])
    assert [decoded(row) for table in made.tables for row in table.rows] == [
        "decodes to 4 images per class",
        "decodes to 40 images per class",
    ]
    plain = trial("idc_i", decoded=10)
    rows = [row for table in board([plain, evaluated(plain, 0.5, ipc=1)]).tables for row in table.rows]
    assert [decoded(row) for row in rows] == ["", ""]
