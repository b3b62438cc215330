"""A run of a grid on the session's machine: a folder with its store, packed into one archive in $OUT."""

import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from suite.core.files.atomic_write import write_whole
from tests.benchmarks.gpu.book import OUT, WORK, Book

MOST_BYTES = 16 * 2**20  # of an archive
ARCHIVED_EVERY = 15.0
LEFT_FOR_PACKING = 10.0


@dataclass
class Archived:
    """A grid in a folder with its store, and the process that runs it."""

    name: str
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def archive(self) -> Path:
        """Where it is packed."""
        return OUT / f"{self.name}.tgz"

    @property
    def log(self) -> Path:
        """What it printed."""
        return self.folder / "log.txt"

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.process is not None and self.process.poll() is None

    def unpack(self, earlier: Path) -> bool:
        """Unpack an archive of an earlier session, if there is one; return whether."""
        if earlier.exists():
            with tarfile.open(earlier) as packed:
                packed.extractall(self.folder, filter="data")
        return earlier.exists()

    def start(self, commit: str, grid: str, seconds: float) -> None:
        """Start it; it stops itself after so many seconds. commit: of the code, for its records."""
        self.folder.mkdir(parents=True, exist_ok=True)
        words = [sys.executable, "-m", "suite", "run", grid, "--inline", "--store", "store"]
        words += ["--time-limit", f"{seconds:.0f}"]
        told = {**os.environ, "RATBENCH_COMMIT": commit}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                words, cwd=self.folder, env=told, stdout=log, stderr=subprocess.STDOUT
            )

    def pack(self) -> int:
        """Write the archive; return its bytes. Files that vanish meanwhile are left out."""
        with tempfile.TemporaryFile(dir=WORK) as file:
            with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as packed:
                for path in sorted(self.folder.rglob("*")):
                    if "compiled" in path.parts:
                        continue  # tens of MiB, which another machine may make again
                    with suppress(FileNotFoundError):
                        packed.add(path, path.relative_to(self.folder), recursive=False)
            size = file.tell()
            file.seek(0)
            if size <= MOST_BYTES:
                write_whole(self.archive, lambda partial: partial.write_bytes(file.read()))
        return size

    def archived(self, book: Book) -> None:
        """Pack what it has written so far, and note the bytes."""
        with book.attempt(f"{self.name}: packed"):
            book.put(f"{self.name}: archive, bytes", self.pack())

    def end(self, book: Book, until: float) -> None:
        """Stop it, note how it ended, and pack it; at `until` it is killed."""
        if self.process is None:
            return
        if self.running:
            self.process.terminate()
        try:
            code: int | str = self.process.wait(timeout=max(0.1, until - time.time()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = "killed"
        book.put(f"{self.name}: exit code", code)
        book.put(f"{self.name}: output", self.log.read_text(errors="replace")[-3000:])
        self.archived(book)


def wait(runs: Sequence[Archived], book: Book, until: float) -> None:
    """Wait until all have ended, or until `until`; pack them meanwhile."""
    packed = time.time()
    while time.time() < until and any(run.running for run in runs):
        time.sleep(0.3)
        if time.time() - packed > ARCHIVED_EVERY:
            for run in runs:
                run.archived(book)
            packed = time.time()
