"""Which records are signed by whom, by a file of signers, and what is wrong with signatures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.core.names import counted
from suite.records.audit.documents import content, parsed
from suite.records.audit.findings import Findings
from suite.records.signatures import lists, ssh
from suite.records.signatures.lists import RECORDS, Listed
from suite.records.submission import ABOUT, Submission

Signed = Mapping[str, frozenset[str]]
"""The names of those who signed a record or a submission, by its seal."""


@dataclass(frozen=True)
class Judged:
    """A signed list, compared with the files of a store. wrong: why it does not count, or "".

    kind: of what is wrong; missing: how many of its files the store does not have as they were signed.
    """

    listed: Listed
    signer: str = ""
    kind: str = ""
    wrong: str = ""
    missing: int = 0


def judged(store: Path, signers: Path, files: Iterable[str]) -> list[Judged]:
    """Return the signed lists of a store. files: the sha256 of each of its files that can be signed."""
    there, every = frozenset(files), lists.read(store)
    return [_judge(each, every, signers, there) for each in every]


def _judge(own: Listed, every: Sequence[Listed], signers: Path, there: frozenset[str]) -> Judged:
    try:
        content(own.signature)
    except (OSError, ValueError):
        return Judged(own, kind="unsigned", wrong="this list has no signature")
    found = ssh.check(own.content, own.signature, signers)
    if not found.fits:
        fitting = (each for each in every if ssh.check(each.content, own.signature, signers).fits)
        if other := next(fitting, None):
            wrong = f"it has the signature of another list, {other.path.name}: they were swapped"
            return Judged(own, kind="swapped", wrong=wrong)
        wrong = "its signature does not match it: one of the two was forged, changed or damaged"
        return Judged(own, kind="forged", wrong=wrong)
    if not found.signer:
        wrong = (
            f"it is signed with the key {found.key}, which {signers.name} does not accept: it is unknown, "
            f"expired, not for {ssh.NAMESPACE}, or of a name that stands for several"
        )
        return Judged(own, kind="stranger", wrong=wrong)
    missing = sum(digest not in there for digest in own.files.values())
    if missing == len(own.files):
        wrong = f"{found.signer} signed none of the files of this store: the signature is of another store"
        return Judged(own, found.signer, "replayed", wrong, missing)
    records = sum(name.startswith(RECORDS) and digest not in there for name, digest in own.files.items())
    if records:
        wrong = (
            f"{found.signer} signed {counted(len(own.files), 'file')}; changed or removed since: {missing}, "
            "records among them, so the rest may be a selection"
        )
        return Judged(own, found.signer, "partly", wrong, missing)
    return Judged(own, found.signer, missing=missing)


def signed(stores: Sequence[Path], signers: Path) -> tuple[Signed, list[str]]:
    """Return who signed the records and submissions of `stores`, and warnings of lists that do not count.

    A list counts only if the store has every record of it as it was signed: the rest may be a selection.
    Raises ValueError without a file of signers.
    """
    ssh.check_signers(signers)
    names, warnings = dict[str, frozenset[str]](), list[str]()
    for store in stores:
        files = lists.hashed(store)
        found = judged(store, signers, files.values())
        warnings += [f"{each.listed.path}: {each.wrong}" for each in found if each.wrong]
        by = signers_of(found)
        for path, digest in files.items():
            if digest in by and (seal := _seal(store / path)):
                names[seal] = names.get(seal, frozenset()) | by[digest]
    return names, warnings


def signers_of(found: Iterable[Judged]) -> Signed:
    """Return who signed a file, by its sha256, from the lists that count."""
    by = dict[str, frozenset[str]]()
    for each in found:
        for digest in () if each.wrong else each.listed.files.values():
            by[digest] = by.get(digest, frozenset()) | {each.signer}
    return by


def report(store: Path, signers: Path | None, found: Findings) -> None:
    """Report what is wrong with the signatures of a store, and how much is signed by whom."""
    if signers is None:
        if count := len(lists.read(store)):
            found.notes.append(f"{counted(count, 'signature')} not checked; give --signers FILE")
        return
    files = lists.hashed(store)
    checked = judged(store, signers, files.values())
    for each in checked:
        where = each.listed.path
        if each.kind in ("unsigned", "stranger"):
            found.doubt("signature", where, each.wrong)
        elif each.wrong:
            found.error("signature", where, each.wrong)
        elif each.missing:
            told = f"files that {each.signer} signed and that were changed or removed since: {each.missing}"
            found.doubt("signature", where, told)
    by = signers_of(checked)
    for name in sorted({name for names in by.values() for name in names}):
        own = sum(name in by.get(digest, ()) for digest in files.values())
        found.notes.append(f"signed by {name}: {own} of {counted(len(files), 'file')}")
    for path in lists.alone(store):
        found.doubt("signature", path, "this signature has no list, which says what was signed")
    unsigned = [path for path, digest in files.items() if digest not in by and path.startswith(RECORDS)]
    if unsigned:
        told = f"no signer that {signers.name} accepts signed it; records like it: {len(unsigned)}"
        found.doubt("signature", unsigned[0], told)


def _seal(path: Path) -> str:
    """Return the seal of a record or of a submission's facts; "" for other files."""
    try:
        if path.name == ABOUT:
            return Submission.read(path.parent).sha256
        found = parsed(path) if path.suffix == ".json" else {}
    except ValueError:
        return ""
    seal = found.get("sha256", "") if "cell" in found else ""
    return seal if isinstance(seal, str) else ""
