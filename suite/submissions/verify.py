"""Verify a submission: check its files, read the set in the sandbox, search it for test images, retrain."""

import re
import secrets
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from safetensors import safe_open

from suite.core.data import tasks
from suite.core.files.atomic_write import write_bytes
from suite.core.files.documents import read_json
from suite.core.sets import sealing
from suite.core.sets.manifest import facts
from suite.core.sets.parametrisations import describe
from suite.experiments.resources import Resources
from suite.external import evaluate as foreign
from suite.external.locate import LIMIT
from suite.records import datasets
from suite.records.cells import EXTERNAL, Evaluation, Trial
from suite.records.jobs import Job
from suite.records.record import Record, is_of
from suite.records.store import Store
from suite.records.submission import (
    ABOUT,
    HANDED_IN,
    MANIFEST,
    README,
    SET,
    VERIFICATION,
    Submission,
    alike,
    check_files,
)
from suite.submissions.judging import LEAST, judge
from suite.submissions.leaks import find
from suite.submissions.outcome import Outcome
from suite.submissions.pack import check_task
from suite.submissions.pages import readme, report

REPORT = "report.md"

Work = Callable[[Sequence[Job], Store, Resources], None]

_ADDED = re.compile(rf"distillation\.json|evaluation-\d+\.json|{re.escape(REPORT)}")


def check(folder: Path) -> Submission:
    """Return what a folder hands in, without reading its set; raises ValueError if it is not as packed."""
    if folder.is_symlink() or not folder.is_dir() or ABOUT not in (path.name for path in folder.iterdir()):
        raise ValueError(f"{folder} is not a folder that `ratbench submit` wrote")
    expected = {*HANDED_IN, VERIFICATION}
    for path in (*_listed(folder), *(_listed(folder / VERIFICATION))):
        inside = path.parent != folder
        known = _ADDED.fullmatch(path.name) if inside else path.name in expected
        if not known:
            raise ValueError(
                f"{_shown(path)} is not part of a submission, which has {', '.join(HANDED_IN)}; remove it"
            )
        a_folder = not inside and path.name == VERIFICATION
        if path.is_symlink() or not (path.is_dir() if a_folder else path.is_file()):
            raise ValueError(f"{_shown(path)} is a link or no plain file; a submission has plain files only")
        if not a_folder and path.stat().st_size > LIMIT:
            raise ValueError(f"{_shown(path)} is larger than a set may be ({LIMIT >> 20} MiB)")
    own = Submission.read(folder)
    if len(several := alike(folder.resolve())) > 1:
        names = " and ".join(repr(path.name) for path in several)
        raise ValueError(f"two submissions have one name: {names}; rename one")
    check_files(folder, own)
    if (folder / README).read_text("utf-8") != readme(own):
        raise ValueError(
            f"{folder / README} is not the page of these facts; pack the set again by `ratbench submit`"
        )
    check_task(own.task)
    return own


def verify(folder: Path, copies: int, recipes: Sequence[str], resources: Resources, work: Work) -> Outcome:
    """Verify the submission in a folder, in which nothing is written.

    copies: networks to retrain; recipes: further ones, besides that of the claim; work: does the jobs. Raises
    ValueError if the folder or its set cannot be verified.
    """
    own = check(folder)
    if copies < LEAST:
        raise ValueError(f"--copies {copies}: a claim is judged by at least {LEAST} networks")
    resources.check("--cpus")
    found = foreign.read(
        foreign.Request(
            path=folder / SET,
            task=own.task,
            ipc=own.ipc,
            recipes=[own.claim.recipe, *recipes],
            network=own.claim.network,
            copies=copies,
            name=own.name,
            trust_labels=own.trust_labels,
        )
    )
    _check_data(own, found)
    _check_nothing_else(folder / SET, found)
    _check_manifest(folder / MANIFEST, own, found)
    seed, leaks = secrets.randbits(47), find(found.synthetic, found.task.to(resources.device))
    outcome = Outcome(own, found.lines, leaks, seed)
    if leaks.reason:
        return outcome
    found = _as_submission(found, own, seed)
    with tempfile.TemporaryDirectory(prefix="ratbench-") as place:
        store = Store.create(Path(place))
        foreign.record(found, store, resources)
        work([found.job], store, resources)
        trial, *evaluations = (_done(store, found.job, cell.id) for cell in found.job.cells)
    assert is_of(trial, Trial)
    searched = {"test_reads": evaluations[0].test_reads + leaks.test_reads}
    scored = [
        each
        for each in (evaluations[0].model_copy(update=searched), *evaluations[1:])
        if is_of(each, Evaluation)
    ]
    return replace(
        outcome,
        trial=trial.model_copy(update={"method_title": own.title, "paper": own.paper}),
        evaluations=tuple(scored),
        judgement=judge(own.claim, scored[0].scores["accuracy"]),
    )


def write(outcome: Outcome, output: Path) -> list[Path]:
    """Write the report, and the records if the submission is verified; return the paths."""
    content = {REPORT: report(outcome)}
    if outcome.trial and not outcome.reason:
        content["distillation.json"] = outcome.trial.to_json()
        content |= {f"evaluation-{at}.json": each.to_json() for at, each in enumerate(outcome.evaluations, 1)}
    for name, text in content.items():
        write_bytes(output / name, text.encode(), replace=True)
    return [output / name for name in content]


def told(outcome: Outcome) -> str:
    """Return a verified accuracy beside its claim in one line."""
    found = outcome.judgement
    assert found is not None
    return f"{100 * found.verified:.1f}%, claimed {100 * found.claimed:.1f}% ({outcome.submission.label})"


def _as_submission(found: foreign.ReadSet, own: Submission, seed: int) -> foreign.ReadSet:
    """Return a set that was read as the trial that stands for a submission, to be evaluated with a seed."""
    trial = found.trial.model_copy(update={"method": own.label, "source": own.sha256})
    cells = [each.model_copy(update={"trial": trial.id, "seed": seed}) for each in found.job.evaluations]
    job = found.job.model_copy(update={"label": own.label, "cell": trial, "evaluations": tuple(cells)})
    return replace(found, trial=trial, job=job)


def _check_data(own: Submission, found: foreign.ReadSet) -> None:
    if not tasks.is_of(own.data, found.task):
        raise ValueError(
            f"{own.name} was made on {datasets.told(own.data)}, and {own.task} has "
            f"{datasets.told(tasks.fingerprint(found.task))} here; a claim is verified on the same data"
        )


def _check_nothing_else(path: Path, found: foreign.ReadSet) -> None:
    """Raise ValueError for tensors or text in a file that are no part of the set, and would be handed on."""
    code = found.synthetic.parametrisation
    expected = {"labels", *(code.tensors if code else ["images"])}
    with safe_open(path, framework="pt") as file:
        more = sorted({*file.keys(), *(file.metadata() or {})} - expected)
    if more:
        raise ValueError(
            f"{path} holds {_printable(more[0])!r} besides the set; pack it again by `ratbench submit`"
        )


def _check_manifest(path: Path, own: Submission, found: foreign.ReadSet) -> None:
    """Raise ValueError for a manifest that says other things than that of the set, such as another loader."""
    said, code = read_json(path), found.synthetic.parametrisation
    expected = facts(found.task, SET, code) | {"label": EXTERNAL + own.name, "data": own.data}
    del expected["preprocessing"]  # its last bits depend on the machine; the fingerprint of the data does not
    expected |= {"parametrisation": describe(code)} if code else {}
    read = {
        "trial",
        "preprocessing",
        "minibatch",
        "sha256",
        sealing.SEAL,
        *(["lr"] if found.synthetic.lr is not None else []),
    }
    wrong = [name for name in sorted({*said, *expected} - read) if said.get(name) != expected.get(name)]
    if wrong:
        raise ValueError(
            f"{path}: {_printable(wrong[0])!r} is not that of the set; pack it again by `ratbench submit`"
        )


def _done(store: Store, job: Job, cell: str) -> Record:
    record = store.record(cell, job.data)
    if record is None or record.status != "done":
        failure = record or store.last_failure(cell)
        raise ValueError(
            f"{job.label} cannot be retrained: {failure.error if failure else 'nothing was recorded'}"
        )
    return record


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []


def _shown(path: Path) -> str:
    return _printable(str(path))


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text)[-200:]
