"""Copy the submissions of a store into a union: folders in `submissions/`, each whole or not at all."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from suite.core.files.atomic_write import PARTIAL, faults_of
from suite.records.store import Store
from suite.records.stores.reading import Report
from suite.records.submission import FOLDER


def conflicts(output: Store, sources: Sequence[Store]) -> Iterator[tuple[str, str, str]]:
    """Yield each name that submissions with other files have, and the paths of the first and the other."""
    first: dict[str, Path] = {}
    for store in (output, *sources):
        for path in _folders(store):
            before = first.setdefault(path.name, path)
            if before != path and _digest(before) != _digest(path):
                yield f"submission {path.name}", str(before), str(path)


def copy(source: Store, store: Store, report: Report) -> None:
    """Copy the submissions whose names are free."""
    for path in _folders(source):
        target = store.path / FOLDER / path.name
        if target.exists():
            report.present["submission"] += 1
            continue
        if link := next((each for each in path.rglob("*") if each.is_symlink()), None):
            report.left.append(f"{link}: a submission must not have links")
            continue
        with faults_of(target):
            target.parent.mkdir(exist_ok=True)
            partial = Path(tempfile.mkdtemp(dir=target.parent, prefix=PARTIAL))
            try:
                shutil.copytree(path, partial, dirs_exist_ok=True)
                partial.chmod(0o755)
                partial.rename(target)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        report.done["submission"] += 1


def _folders(store: Store) -> list[Path]:
    folder = store.path / FOLDER
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(each for each in found if each.is_dir() and not each.name.startswith("."))


def _digest(folder: Path) -> str:
    """Return a sha256 of the names and the content of a folder's files."""
    digest = hashlib.sha256()
    for path in sorted(each for each in folder.rglob("*") if each.is_file() and not each.is_symlink()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{content}  {path.relative_to(folder).as_posix()}\n".encode())
    return digest.hexdigest()
