"""The submissions of a store: files, seals, sets and the records of their verifications."""

from safetensors import SafetensorError

from suite.core.files.atomic_write import PARTIAL
from suite.records.audit import figures, sets
from suite.records.audit.documents import parsed
from suite.records.audit.findings import Findings
from suite.records.audit.known import Tasks
from suite.records.cells import Trial
from suite.records.record import is_of
from suite.records.store import Store
from suite.records.stores.reading import reason
from suite.records.submission import ABOUT, FOLDER, MANIFEST, SET, Submission, check_files, verification


def check(store: Store, tasks: Tasks, found: Findings) -> None:
    """Report what is wrong with the submissions of a store."""
    place = store.path / FOLDER
    for folder in sorted(place.iterdir()) if place.is_dir() else ():
        if not (folder / ABOUT).is_file():
            left = PARTIAL in folder.name
            told = "it was not written completely" if left else "it is not a submission; no command reads it"
            found.doubt("submission", folder, told)
            continue
        try:
            own = Submission.read(folder)
            check_files(folder, own)
            stored = sets.read(folder / SET)
            facts = parsed(folder / MANIFEST)
            trial = Trial.model_validate(facts.get("trial"))
            verified = verification(folder, own)
        except (OSError, ValueError, SafetensorError) as error:
            found.error("submission", folder, reason(error))
            continue
        found.checked["submission"] += 1
        wrong = sets.wrong(stored, trial, tasks[own.task], facts, whole=True)
        if facts.get("sha256") != own.files[SET]:
            wrong.append("its manifest is of another set")
        if (trial.task, trial.ipc) != (own.task, own.ipc):
            wrong.append("its manifest is of another task or size")
        for each in wrong:
            found.error("submission", folder, each)
        for record in verified:
            found.checked["verification record"] += 1
            for severity, kind, what in figures.wrong(record, tasks[record.task]):
                found.add(severity, kind, folder, what)
            if is_of(record, Trial) and record.artefact != own.files[SET]:
                found.error("submission", folder, "the verified set is not the one in this folder")
            if record.data != own.data:
                found.error("submission", folder, "it was verified on data other than those it was made on")
