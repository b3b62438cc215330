"""Convert a store of protocol 1 to protocol 2, which has other names; no number changes.

Every record is checked against its sha256, renamed and sealed again; `measured_under` is the protocol under
which it was measured. The old store is not changed. Checkpoints are not converted, so unfinished trials start
again.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from suite.core.files.atomic_write import read_bytes, write_bytes
from suite.core.files.documents import read_json
from suite.core.names import FORMER_METHODS, FORMER_RECIPES, FORMER_SETTINGS
from suite.core.scores import Score
from suite.core.sets import sealing
from suite.records.cells import EXTERNAL, Study, Trial, sha256_of
from suite.records.jobs import Plan
from suite.records.record import Record
from suite.records.store import Store
from suite.records.stores.reading import Report

Json = dict[str, Any]


class Declarations(Protocol):
    """The titles, papers and scores that boards show, by new names."""

    def method(self, name: str) -> tuple[str, str]:
        """Return a method's title and paper."""
        ...

    def evaluator(self, name: str) -> tuple[str, tuple[Score, ...]]:
        """Return an evaluator's title and scores."""
        ...


OLD_PROTOCOL = 1

_RECIPES = ("recipe", "native_recipe", "training")  # settings that name one
_WINDOWLESS = {"full": "bptt", "random-length": "r_bptt"}  # truncation -> method
_BY_LABELS = {"hard": "mtt", "teacher": "tesla", "learned": "datm"}
_DATM_ONLY = {  # settings of DATM that MTT had as well -> the value that switches them off
    "min_start_epoch": 0,
    "early_max_start_epoch": None,
    "growth": 1000,
    "threshold": None,
}
_LEARNED_LABELS = ("label_lr", "label_momentum")  # without effect on other labels


def migrate(old: Path, new: Path, declared: Declarations) -> Report:
    """Write the records, plans and artefacts of the store `old` to a new store at `new`.

    What cannot be converted is left behind, with the reason in the report. Raises ValueError if `old` is not
    a store of protocol 1, or `new` is not empty or lies in `old`.
    """
    _check(old, new)
    report = Report()
    records = _sealed_records(old, report)
    plans = {path: plan for path in sorted(old.glob("plan/*.json")) if (plan := _read(path, report))}
    planned = [(path, each) for path, plan in plans.items() for each in plan["cells"]]
    trials = _trials([*planned, *records], report)
    converted = [record for each in records if (record := _converted(*each, trials, declared, report))]
    store = Store.create(new, "folder")
    for record in converted:
        store.write(record)
    for path, plan in plans.items():
        cells = [cell for each in plan["cells"] if (cell := _planned(path, each, trials, report))]
        store.write_plan(path.stem, Plan.model_validate({"cells": cells}).to_json())
    report.done.update(record=len(converted), plan=len(plans))
    for path in sorted(old.glob("artefacts/*.safetensors")):
        trial, at, step = path.stem.partition("@")
        if trial not in trials:
            report.left.append(f"{path}: its trial was not converted")
        elif facts := _read(path.with_suffix(".json"), report):
            target = new / "artefacts" / f"{trials[trial].id}{at}{step}.safetensors"
            _copy_artefact(path, facts, target, trials[trial])
            report.done["artefact"] += 1
    return report


def _trials(documents: Sequence[tuple[Path, Json]], report: Report) -> dict[str, Trial | Study]:
    """Return the new trials by their old ids."""
    found: dict[str, Trial | Study] = {}
    refused, taken = set[str](), set[str]()
    for path, each in documents:
        cell = each["cell"]
        key = sha256_of({"protocol": OLD_PROTOCOL, **cell})
        if cell["kind"] != "distillation" or key in found or key in refused:
            continue
        try:
            made = renamed_trial(cell, each["label"])
            if made.id in taken:
                raise ValueError("it differs from another trial only in settings without effect")
        except (ValueError, KeyError) as error:
            refused.add(key)
            report.left.append(f"{path}: {error}")
            continue
        found[key] = made
        taken.add(made.id)
    return found


def renamed_trial(cell: Json, label: str) -> Trial | Study:
    """Return a trial of protocol 1, in the row `label`, as a trial of protocol 2.

    >>> cell = {"task": "digits", "method": "multi_formation", "hyperparameters": {"factor": 1}}
    >>> renamed_trial({**cell, "kind": "distillation", "ipc": 1, "nested": [], "seed": 0}, "idc_i").method
    'idc_i'

    Raises ValueError for settings that protocol 2 does not have.
    """
    if cell.get("nested"):
        raise ValueError(f"nested {cell['nested']}: trials no longer have nested sizes")
    rest = _without(cell, "nested")
    if cell["method"] == "gradient_study":
        same = {key: cell[key] for key in ("task", "ipc", "seed")}
        return Study(study=cell["method"], settings=cell["hyperparameters"], **same)
    method = FORMER_METHODS.get(cell["method"], cell["method"])
    values = _settings(cell["hyperparameters"])
    if method == "idc" and values["factor"] == 1:
        method = "idc_i"
    elif method == "mtt":
        method = _BY_LABELS[values.pop("labels")]
        if method != "datm":
            if used := [key for key, off in _DATM_ONLY.items() if values[key] != off]:
                raise ValueError(f"{used[0]} {values[used[0]]!r} is a setting of `datm` only")
            values = _without(values, *_DATM_ONLY, *_LEARNED_LABELS)
    elif method == "rat_bptt" and values["truncation"] in _WINDOWLESS:
        method = _WINDOWLESS[values.pop("truncation")]
        values = _without(values, "window")
    elif method == "rat_bptt" and label == "t_bptt":
        method, values = "t_bptt", _without(values, "truncation")
    return Trial.model_validate({**rest, "method": method, "hyperparameters": values})


def _without(values: Json, *names: str) -> Json:
    return {key: value for key, value in values.items() if key not in names}


def _check(old: Path, new: Path) -> None:
    facts = old / "store.json"
    protocol = read_json(facts).get("protocol") if facts.is_file() else None
    if protocol != OLD_PROTOCOL:
        found = f"it has protocol {protocol}" if protocol else f"{facts} is missing"
        raise ValueError(f"{old} is not a store of protocol {OLD_PROTOCOL}: {found}")
    if new.resolve().is_relative_to(old.resolve()):
        raise ValueError(f"{new} lies in {old}, which is only read; name a folder elsewhere")
    if new.exists() and any(new.iterdir()):
        raise ValueError(f"{new} is not empty; name a new folder")


def _read(path: Path, report: Report) -> Json | None:
    """Return the JSON object in a file; None, with a reason in the report, if there is none."""
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        report.left.append(f"{path}: it cannot be read: {error}")
        return None
    if not isinstance(content, dict):
        report.left.append(f"{path}: it is not a JSON object")
        return None
    return content


def _sealed_records(old: Path, report: Report) -> list[tuple[Path, Json]]:
    """Return the records and failures that match their sha256, with their paths."""
    found = []
    for path in sorted([*old.glob("records/*/*/*.json"), *old.glob("failures/*/*/*.json")]):
        if (content := _read(path, report)) is None:
            continue
        if content.get("sha256") == sha256_of(_without(content, "sha256")):
            found.append((path, content))
        else:
            report.left.append(f"{path}: its content does not match its sha256")
    return found


def _converted(
    path: Path, content: Json, trials: Mapping[str, Trial | Study], declared: Declarations, report: Report
) -> Record | None:
    try:
        return _record(content, trials, declared)
    except ValueError as error:
        report.left.append(f"{path}: {error}")
        return None


def _planned(path: Path, content: Json, trials: Mapping[str, Trial | Study], report: Report) -> Json | None:
    try:
        return _renamed(content, trials)
    except ValueError as error:
        report.left.append(f"{path}: a cell of {content['label']}: {error}")
        return None


def _record(content: Json, trials: Mapping[str, Trial | Study], declared: Declarations) -> Record:
    renamed = _renamed(_without(content, "sha256", "protocol"), trials)
    cell, scores = renamed["cell"], renamed["scores"]
    if cell["kind"] == "evaluation":
        title, described = declared.evaluator(cell["evaluator"])
        renamed |= {"title": title, "described": described}
        renamed["scores"] = {_score_name(name): values for name, values in scores.items()}
    if cell["kind"] == "distillation" and not cell["method"].startswith(EXTERNAL):
        renamed["method_title"], renamed["paper"] = declared.method(cell["method"])
    if cell["kind"] == "study":
        renamed |= {"recipe": "", "artefact": "", "stored_bytes": 0, "label_kind": ""}
    renamed["recipe"] = _recipe(renamed["recipe"])
    return Record.model_validate({**renamed, "measured_under": OLD_PROTOCOL})


def _renamed(content: Json, trials: Mapping[str, Trial | Study]) -> Json:
    """Return the JSON of a record or of a plan's cell with the new label and cell."""
    cell = dict(content["cell"])
    if cell["kind"] == "reference":
        cell["recipe"] = _recipe(cell["recipe"])
    else:
        distillation = cell["kind"] == "distillation"
        key = sha256_of({"protocol": OLD_PROTOCOL, **cell}) if distillation else cell["trial"]
        if key not in trials:
            raise ValueError("its trial was not converted")
        new = trials[key]
        if distillation:
            cell = new.model_dump(mode="json")
        else:
            cell |= {"trial": new.id, "settings": _settings(cell["settings"])}
    return {**content, "cell": cell, "label": FORMER_METHODS.get(content["label"], content["label"])}


def _settings(values: Json) -> Json:
    """Return settings under their new names, with the new names of recipes."""
    named = {FORMER_SETTINGS.get(key, key): value for key, value in values.items()}
    return {key: _recipe(value) if key in _RECIPES else value for key, value in named.items()}


def _recipe(name: str) -> str:
    base, colon, precision = name.partition(":")
    return FORMER_RECIPES.get(base, base) + colon + precision


def _score_name(name: str) -> str:
    """Return the name of a score; the part of `chosen/dsa` and `holdout/dsa` is a recipe."""
    kind, slash, part = name.partition("/")
    return kind + slash + _recipe(part) if kind in ("chosen", "holdout") else name


def _copy_artefact(old: Path, facts: Json, new: Path, trial: Trial | Study) -> None:
    """Copy a set's file unchanged, and its manifest `facts` with the new names."""
    write_bytes(new, read_bytes(old))
    if "code" in facts:
        facts["parametrisation"] = facts.pop("code")
    facts["trial"] = trial.model_dump(mode="json")
    facts["label"] = FORMER_METHODS.get(facts["label"], facts["label"])
    if "loader" in facts:
        loader = facts["loader"].replace(f'"{old.stem}"', f'"{new.stem}"')
        facts["loader"] = loader.replace('facts["code"]', 'facts["parametrisation"]')
    write_bytes(new.with_suffix(".json"), sealing.to_json(facts).encode())
