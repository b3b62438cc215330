"""Pack a set into the folder of a submission."""

import subprocess
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from suite.board.statistics.intervals import interval
from suite.core.data import tasks
from suite.core.files.atomic_write import write_bytes
from suite.core.sets.artefacts import write_artefact
from suite.core.sets.manifest import manifest
from suite.experiments.provenance import provenance
from suite.experiments.resources import Resources
from suite.external.evaluate import ReadSet
from suite.plugins import registry
from suite.records.record import Record
from suite.records.submission import (
    ABOUT,
    MANIFEST,
    README,
    SET,
    Claim,
    Facts,
    Submission,
    alike,
    mistake,
    sha256,
)
from suite.submissions.pages import readme


def signature(given: str | None) -> str:
    """Return who signs off, `given` or the user of git; raises ValueError without one."""
    if given:
        return given
    name, address = (_git_config(key) for key in ("user.name", "user.email"))
    if not (name and address):
        raise ValueError(
            "nobody signs this off, as git has no user.name and user.email; say --signed-off-by 'Name "
            "<address>', which states that you may hand it in (https://developercertificate.org)"
        )
    return f"{name} <{address}>"


def facts(folder: Path, **given: Any) -> Facts:
    """Return the facts about a set that is to be packed into `folder`.

    Raises ValueError for a wrong one, for a task that others do not have, and if the folder's name is taken.
    """
    try:
        made = Facts(**given)
    except ValidationError as error:
        raise ValueError(mistake(error, option=True)) from None
    check_task(made.task)
    if made.name in registry.names("method"):
        raise ValueError(
            f"--method {made.name}: that is a method of RaT-Bench; choose a name of your own, such as "
            f"{made.name}-authors"
        )
    if taken := alike(folder):
        raise ValueError(
            f"there is a submission {taken[0].name!r} in {folder.parent} already; choose another --method, "
            "or remove it first if it is yours"
        )
    return made


def check_task(task: str) -> None:
    """Raise ValueError unless everybody can have a task's data: it is in the catalogue, and no holdout."""
    if task not in tasks.names():
        raise ValueError(
            f"task {task!r}: a submission is for a task of `ratbench list tasks`, whose data others have, too"
        )


def stated(percent: float, copies: int, recipe: str, network: str) -> Claim:
    """Return a claim that was measured elsewhere; raises ValueError for an accuracy that is no percentage."""
    if not 1 < percent <= 100:
        raise ValueError(f"--claim {percent:g}: give the mean accuracy in percent, such as 71.2")
    return Claim(accuracy=percent / 100, copies=copies, recipe=recipe, network=network)


def measured(record: Record, recipe: str, network: str) -> Claim:
    """Return the claim that an evaluation of the set gives."""
    values = record.scores["accuracy"]
    found = interval([values])
    return Claim(
        accuracy=sum(values) / len(values),
        low=found.low,
        high=found.high,
        copies=len(values),
        accuracies=values,
        recipe=recipe,
        network=network,
    )


def write(found: ReadSet, about: Facts, claim: Claim, folder: Path, resources: Resources) -> Submission:
    """Write the set, its manifest, the signed facts and a page into the new folder of a submission."""
    trial, code = found.trial.model_dump(mode="json"), found.synthetic.parametrisation
    folder.mkdir(parents=True)
    described = manifest(trial, found.task, found.job.label, SET, code)
    write_artefact(folder / SET, found.synthetic, described)
    made = Submission(
        **about.model_dump(),
        claim=claim,
        data=tasks.fingerprint(found.task),
        versions=provenance(resources).versions,
    )
    write_bytes(folder / README, readme(made).encode())
    made = made.sealed({name: sha256(folder / name) for name in (SET, MANIFEST, README)})
    write_bytes(folder / ABOUT, made.to_toml().encode())
    return made


def _git_config(key: str) -> str:
    try:
        ran = subprocess.run(
            ["git", "config", "--get", key], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout.strip()
