"""Grids of the suite, one after another on the session's machine.

    python -m tests.benchmarks.gpu.grids tests/benchmarks/gpu/standard-width/equal-compute.toml

Each has a store of its own, which goes on from gpu-pack/stores if an earlier session packed it.
"""

import argparse
import time
from pathlib import Path

from tests.benchmarks.gpu.archived import LEFT_FOR_PACKING, Archived, wait
from tests.benchmarks.gpu.book import END_AT, WORK, Book

SHORTEST = 20.0  # seconds for which no run is begun


def main() -> None:
    """Run the grids until the session's end, or for the given seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("grids", nargs="+", type=Path)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--commit", default="none")
    parser.add_argument("--pack", type=Path, default=Path("gpu-pack"))
    parser.add_argument("--name", default="grids")
    given = parser.parse_args()
    book, work = Book(given.name), (WORK or Path("/tmp")) / "runs"
    until = min(END_AT - LEFT_FOR_PACKING, time.time() + given.seconds)
    for grid in given.grids:
        run = Archived(grid.stem, work / grid.stem)
        if until - time.time() < SHORTEST:
            book.put(f"{run.name}: left out", "no time")
            continue
        with book.attempt(f"{run.name}: ended"):
            if not run.folder.exists():
                run.unpack(given.pack / "stores" / run.archive.name)
            run.start(given.commit, str(grid.resolve()), until - time.time())
            wait([run], book, until)
            run.end(book, until + 3)
    book.put("all ended", True)


if __name__ == "__main__":
    main()
