"""Cells: ids that others can recompute, titles, and the differences between settings."""

import hashlib

import pytest
from pydantic import ValidationError

from suite.records.cells import (
    PROTOCOL,
    Evaluation,
    Part,
    Reference,
    Study,
    Trial,
    canonical_json,
    differing_keys,
    protocol_remedy,
    sha256_of,
)

TRIAL = Trial(task="digits", method="dm", hyperparameters={"steps": 3}, ipc=1, seed=0)


def evaluation(**settings: object) -> Evaluation:
    return Evaluation(trial="0" * 64, evaluator="retrain", settings=settings, seed=7)


def test_canonical_json_has_one_form() -> None:
    assert canonical_json({"b": [1, 2.5], "a": {"d": None, "c": "é"}}) == (
        '{"a":{"c":"\\u00e9","d":null},"b":[1,2.5]}'
    )
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError):
            canonical_json([value])


def test_an_id_is_the_sha256_of_protocol_and_content() -> None:
    text = (
        '{"hyperparameters":{"steps":3},"ipc":1,"kind":"distillation","method":"dm",'
        f'"protocol":{PROTOCOL},"seed":0,"source":"","task":"digits"}}'
    )
    assert TRIAL.id == hashlib.sha256(text.encode()).hexdigest()
    assert sha256_of({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()


def test_what_an_evaluation_does_not_use_is_no_part_of_its_id() -> None:
    content = evaluation(copies=2).model_dump(mode="json")
    assert content.keys() == {"kind", "trial", "evaluator", "settings", "seed"}
    cells = [
        evaluation(copies=2),
        *(
            evaluation(copies=2).model_copy(update=change)
            for change in (
                {"base": "retrain"},
                {"source": "1"},
                {"step": 0},
                {"step": 1},
                {"part": Part(how="prefix", ipc=1)},
                {"part": Part(how="random", ipc=1)},
                {"part": Part(how="random", ipc=1, index=1)},
                {"seed": 8},
            )
        ),
    ]
    assert len({cell.id for cell in cells}) == len(cells)


def test_kinds_of_cells_have_different_ids() -> None:
    study = Study(task="digits", study="dm", settings={"steps": 3}, ipc=1, seed=0)
    reference = Reference(task="digits", network="mlp-w8", recipe="dc-300", epochs=2, copies=1, seed=0)
    assert len({TRIAL.id, study.id, reference.id}) == 3


def test_titles_are_words() -> None:
    assert evaluation(recipe="dc-300").title == "retrain dc-300"
    assert evaluation(recipe="dc-300", native_recipe="rtp-300").title == "retrain rtp-300"
    assert evaluation().title == "retrain"
    assert evaluation(recipe="dc-300").model_copy(update={"step": 5}).title == "retrain dc-300 after 5 steps"
    cut = evaluation(recipe="dc-300").model_copy(update={"part": Part(how="prefix", ipc=3)})
    assert cut.title == "retrain dc-300, first 3"


def test_keys_that_differ() -> None:
    assert differing_keys([{"a": 1, "b": 2}, {"a": 1, "b": 3}]) == {"b"}
    assert differing_keys([{"a": 1}, {"a": 1, "c": 0}, {"a": 1, "d": None}]) == {"c"}
    assert differing_keys([{"a": (1, 2)}, {"a": [1, 2]}]) == differing_keys([]) == set()


def test_a_cell_takes_neither_unknown_fields_nor_changes() -> None:
    with pytest.raises(ValidationError):
        Trial.model_validate({**TRIAL.model_dump(), "nested": []})
    with pytest.raises(ValidationError):
        TRIAL.seed = 1
    with pytest.raises(ValidationError):
        Part(how="prefix", ipc=0)


def test_older_stores_are_converted_and_newer_ones_are_not() -> None:
    assert "`ratbench migrate runs/a NEW`" in protocol_remedy(PROTOCOL - 1, "runs/a")
    assert protocol_remedy(PROTOCOL + 1) == protocol_remedy("text") == "use the release that wrote it"


def test_a_changed_copy_has_an_id_of_its_own() -> None:
    first = Trial(task="digits", method="dm", hyperparameters={}, ipc=1, seed=0)
    ids = [first.id, first.model_copy(update={"seed": 1}).id, first.model_copy(deep=True).id]
    assert ids == [first.id, Trial(**{**first.model_dump(), "seed": 1}).id, first.id] and len(set(ids)) == 2
