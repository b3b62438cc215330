"""A store of protocol 1 brought to protocol 2, which has other names; no number changes.

Every record is checked against its seal, renamed and sealed again; `measured_under` keeps the protocol under
which it was measured. The old store stays as it is. Checkpoints stay behind: trials that were cut off start
anew.
"""

import json
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from suite.core.data.atomic_write import write_bytes
from suite.core.names import FORMER_METHODS, FORMER_RECIPES, FORMER_SETTINGS
from suite.core.scores import Score
from suite.records.cells import EXTERNAL, Study, Trial, sha256_of
from suite.records.jobs import Plan
from suite.records.record import Record
from suite.records.store import Store

Json = dict[str, Any]


class Declarations(Protocol):
    """What boards show of methods and evaluators, by their new names."""

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
_DATM_ONLY = (
    "min_start_epoch",
    "early_max_start_epoch",
    "growth",
    "label_lr",
    "label_momentum",
    "threshold",
)


@dataclass
class Report:
    """What was brought over, counted by kind, and what was not, with the reason."""

    done: Counter[str] = field(default_factory=Counter)
    left: list[str] = field(default_factory=list)


def migrate(old: Path, new: Path, declared: Declarations) -> Report:
    """Write the records, plans and artefacts of the store `old` to a new store at `new`.

    Raises ValueError if `old` is not a store of protocol 1, or `new` is not empty.
    """
    _check(old, new)
    report = Report()
    records = _sealed_records(old, report)
    plans = {path.stem: json.loads(path.read_bytes()) for path in sorted(old.glob("plan/*.json"))}
    planned = [each for plan in plans.values() for each in plan["cells"]]
    trials = {
        sha256_of({"protocol": OLD_PROTOCOL, **each["cell"]}): renamed_trial(each["cell"], each["label"])
        for each in (*planned, *records)
        if each["cell"]["kind"] == "distillation"
    }
    store = Store.create(new)
    for content in records:
        store.write(_record(content, trials, declared))
        report.done["records"] += 1
    for name, plan in plans.items():
        cells = [_renamed(each, trials) for each in plan["cells"]]
        store.write_plan(name, Plan.model_validate({"cells": cells}).to_json())
        report.done["plans"] += 1
    for path in sorted(old.glob("artefacts/*.safetensors")):
        trial, at, step = path.stem.partition("@")
        if trial in trials:
            _copy_artefact(
                path, new / "artefacts" / f"{trials[trial].id}{at}{step}.safetensors", trials[trial]
            )
            report.done["artefacts"] += 1
        else:
            report.left.append(f"{path}: no record and no plan has its trial")
    return report


def renamed_trial(cell: Json, label: str) -> Trial | Study:
    """Return a trial of protocol 1, in a row called `label`, as protocol 2 has it.

    >>> cell = {"task": "digits", "method": "multi_formation", "hyperparameters": {"factor": 1}}
    >>> renamed_trial({**cell, "kind": "distillation", "ipc": 1, "nested": [], "seed": 0}, "idc_i").method
    'idc_i'
    """
    rest = {key: value for key, value in cell.items() if key != "nested"}
    if cell["method"] == "gradient_study":
        same = {key: cell[key] for key in ("task", "ipc", "seed")}
        return Study(study=cell["method"], settings=cell["hyperparameters"], **same)
    method = FORMER_METHODS.get(cell["method"], cell["method"])
    values = _settings(cell["hyperparameters"])
    if method == "idc" and values["factor"] == 1:
        method = "idc_i"
    elif method == "mtt":
        method = _BY_LABELS[values.pop("labels")]
        values = values if method == "datm" else _without(values, *_DATM_ONLY)
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
    protocol = json.loads(facts.read_bytes()).get("protocol") if facts.is_file() else None
    if protocol != OLD_PROTOCOL:
        found = f"it has protocol {protocol}" if protocol else f"{facts} is missing"
        raise ValueError(f"{old} is not a store of protocol {OLD_PROTOCOL}: {found}")
    if new.exists() and any(new.iterdir()):
        raise ValueError(f"{new} is not empty; name a new folder")


def _sealed_records(old: Path, report: Report) -> list[Json]:
    """Return the records and failures that match their sha256."""
    found = []
    for path in sorted([*old.glob("records/*/*/*.json"), *old.glob("failures/*/*/*.json")]):
        content = json.loads(path.read_bytes())
        if content.get("sha256") == sha256_of(_without(content, "sha256")):
            found.append(content)
        else:
            report.left.append(f"{path}: its content does not match its sha256")
    return found


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
    if cell["kind"] == "distillation":
        cell = trials[sha256_of({"protocol": OLD_PROTOCOL, **cell})].model_dump(mode="json")
    elif cell["kind"] == "evaluation":
        cell["trial"] = trials[cell["trial"]].id
        cell["settings"] = _settings(cell["settings"])
    else:
        cell["recipe"] = _recipe(cell["recipe"])
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


def _copy_artefact(old: Path, new: Path, trial: Trial | Study) -> None:
    """Copy a set's file as it is, and its manifest with the new names."""
    new.parent.mkdir(exist_ok=True)
    shutil.copyfile(old, new)
    facts = json.loads(old.with_suffix(".json").read_bytes())
    if "code" in facts:
        facts["parametrisation"] = facts.pop("code")
    facts["trial"] = trial.model_dump(mode="json")
    facts["label"] = FORMER_METHODS.get(facts["label"], facts["label"])
    if "loader" in facts:
        loader = facts["loader"].replace(f'"{old.stem}"', f'"{new.stem}"')
        facts["loader"] = loader.replace('facts["code"]', 'facts["parametrisation"]')
    write_bytes(new.with_suffix(".json"), (json.dumps(facts, indent=1, sort_keys=True) + "\n").encode())
