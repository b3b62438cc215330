"""What each deed of `misbehaving` changes, as JSON in a file: `python -m tests.support.deeds FILE`.

A deed is done in a process forked for it. Pytest's own process cannot be forked: threads that other tests
leave in it, as those of Ray, are missing in the copy, which may end without a word.
"""

import json
import os
import signal
import sys
from pathlib import Path

from suite.experiments import job_runner  # noqa: F401  (what a worker has imported may be changed)
from suite.experiments.isolation.process_state import ProcessState
from suite.experiments.resources import Resources
from tests.support import misbehaving


def after(kind: str, deed: str) -> str:
    """Return what a deed changes, in a process that ends with it."""
    ours, theirs = os.pipe()
    if not (child := os.fork()):
        os.setsid()
        with Resources().applied():
            state, names = ProcessState(), dict[str, dict[str, tuple[object, str]]]()
            exec(misbehaving.DEEDS, names)
            names[kind][deed][0]()  # type: ignore[operator]
            os.write(theirs, f"{'; '.join(state.changes())}\n".encode())
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as answer:
        found = answer.readline().strip()
    os.killpg(child, signal.SIGKILL)  # with what it started
    os.waitpid(child, 0)
    return found


if __name__ == "__main__":
    kinds = ("CHANGES", "HARMLESS")
    found = {deed: after(kind, deed) for kind in kinds for deed in misbehaving.deeds(kind)}
    Path(sys.argv[1]).write_text(json.dumps(found))
