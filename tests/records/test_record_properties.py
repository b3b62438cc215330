"""What holds of every cell and record: JSON and back, ids that name their content, seals that hold."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from suite.records.cells import Evaluation, Part, Trial
from suite.records.record import Provenance, Record

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
numbers = st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False)
values = st.none() | st.booleans() | numbers | words | st.lists(numbers, max_size=3)
settings_ = st.dictionaries(words.filter(bool), values, max_size=5)
trials = st.builds(
    Trial,
    task=words,
    method=words,
    hyperparameters=settings_,
    ipc=st.integers(1, 500),
    seed=st.integers(0, 2**31),
)
evaluations = st.builds(
    Evaluation,
    trial=st.text("0123456789abcdef", min_size=64, max_size=64),
    evaluator=words,
    settings=settings_,
    seed=st.integers(0, 2**31),
)
accuracies = st.lists(st.floats(0, 1), min_size=1, max_size=4).map(tuple)
records = st.builds(
    Record,
    cell=trials | evaluations,
    label=words,
    task=words,
    ipc=st.integers(0, 500),
    status=st.sampled_from(["done", "diverged", "failed", "oom"]),
    error=words,
    scores=st.dictionaries(words, accuracies, max_size=3),
    seconds=st.floats(0, 1e6),
    provenance=st.builds(
        Provenance,
        commit=words,
        versions=st.dictionaries(words, words, max_size=3),
        device=words,
        threads=st.integers(1, 64),
    ),
)
FAST = settings(max_examples=80, deadline=None)


def shuffled(value: Any) -> Any:
    """Return JSON with the keys of every object in the opposite order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(each) for each in value] if isinstance(value, list) else value


@given(records)
@FAST
def test_a_record_survives_json(record: Record) -> None:
    text = record.to_json()
    again = Record.model_validate_json(text)
    assert again == record.sealed() and again.to_json() == text
    assert again.cell.id == record.cell.id
    assert Record.model_validate(shuffled(json.loads(text))).to_json() == text


@given(trials | evaluations)
@FAST
def test_an_id_does_not_depend_on_the_order_of_keys(cell: Trial | Evaluation) -> None:
    other = type(cell).model_validate_json(json.dumps(shuffled(cell.model_dump(mode="json"))))
    assert other.id == cell.id and len(cell.id) == 64


@given(trials, st.data())
@FAST
def test_an_id_names_every_field(trial: Trial, data: st.DataObject) -> None:
    change: dict[str, Any] = data.draw(
        st.sampled_from(
            [
                {"seed": trial.seed + 1},
                {"ipc": trial.ipc + 1},
                {"task": trial.task + "x"},
                {"method": trial.method + "x"},
                {"source": trial.source + "x"},
                {"hyperparameters": {**trial.hyperparameters, "one more": 1}},
            ]
        )
    )
    assert trial.model_copy(update=change).id != trial.id


@given(evaluations, st.data())
@FAST
def test_an_evaluations_id_names_every_field(evaluation: Evaluation, data: st.DataObject) -> None:
    change: dict[str, Any] = data.draw(
        st.sampled_from(
            [
                {"seed": evaluation.seed + 1},
                {"trial": evaluation.trial[::-1] + "x"},
                {"evaluator": evaluation.evaluator + "x"},
                {"settings": {**evaluation.settings, "one more": 1}},
                {"base": "x"},
                {"source": "x"},
                {"step": 0},
                {"part": Part(how="prefix", ipc=1)},
            ]
        )
    )
    assert evaluation.model_copy(update=change).id != evaluation.id


@given(trials, st.floats(1e-9, 1e-6), st.floats(1e-9, 1e-6))
@FAST
def test_an_id_knows_small_numbers_apart(trial: Trial, one: float, other: float) -> None:
    cells = [trial.model_copy(update={"hyperparameters": {"lr": value}}) for value in (one, other)]
    assert (cells[0].id == cells[1].id) == (one == other)


def edited(value: Any) -> Any:
    """Return a value of JSON, changed."""
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, dict):
        return {**value, "one more": [0.5]}
    return [*value, value] if isinstance(value, list) else value + 1


@given(records, st.data())
@FAST
def test_whoever_edits_a_record_breaks_its_seal(record: Record, data: st.DataObject) -> None:
    content = json.loads(record.to_json())
    free = ("label", "task", "ipc", "error", "scores", "curve", "seconds", "device_seconds", "stored_bytes")
    name = data.draw(st.sampled_from([*free, "artefact", "data", "test_reads", "attempts", "recipe"]))
    with pytest.raises(ValidationError, match="sha256"):
        Record.model_validate({**content, name: edited(content[name])})


@given(records, st.sampled_from(["cell", "provenance"]))
@FAST
def test_whoever_edits_what_was_measured_where_breaks_the_seal(record: Record, part: str) -> None:
    content = json.loads(record.to_json())
    name = "seed" if part == "cell" else "device"
    changed = {**content[part], name: edited(content[part][name])}
    with pytest.raises(ValidationError, match="sha256"):
        Record.model_validate({**content, part: changed})
    with pytest.raises(ValidationError, match="sha256"):
        Record.model_validate({**content, "measured_under": 1})


def read(how: Any, content: bytes) -> Record | None:
    try:
        found: Record = how(content)
    except ValueError:
        return None
    return found


@given(records, st.integers(0), st.binary(max_size=3), st.integers(0, 3))
@settings(max_examples=300, deadline=None)
def test_a_damaged_file_is_read_as_if_its_json_were_built_anew(
    record: Record, place: int, put: bytes, cut: int
) -> None:
    """The seal of a file is checked by its text; a wrong byte anywhere must not pass."""
    content = record.to_json().encode()
    at = place % len(content)
    damaged = content[:at] + put + content[at + cut :]
    assert read(Record.read, content) == record.sealed()
    assert read(Record.read, damaged) == read(Record.model_validate_json, damaged)


@given(records)
@FAST
def test_a_file_in_another_form_has_the_same_seal(record: Record) -> None:
    value = json.loads(record.to_json())
    for form in (json.dumps(value), json.dumps(shuffled(value), indent=1), json.dumps(value, indent=4)):
        assert Record.read(form.encode()) == record.sealed()
