"""Reads the sets named on the command line; prints in JSON lines what came of each, and what it took.

Each is read in a fork of this process, confined as a child is. A child that starts anew takes seconds.
"""

import json
import os
import sys
from pathlib import Path
from typing import IO, Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from suite.external.locate import locate
from suite.external.readers import image_sets, tables, torch_files  # noqa: F401  # before the forks
from suite.external.sandbox import child, parent
from suite.external.validate import Wanted

WANTED = Wanted(10, 2, (1, 8, 8))


def forked(request: str, output: IO[bytes]) -> None:
    """Serve the request in a fork; note what it took."""
    pid = os.fork()
    if not pid:
        try:
            child.serve(json.loads(request), output)
            output.flush()
        finally:
            os._exit(0)
    _, status, used = os.wait4(pid, 0)
    took.update(seconds=used.ru_utime + used.ru_stime, mib=used.ru_maxrss >> 10)
    parent._check_end(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    child.SECONDS = 2  # of which one test waits for the end
    parent._run = forked
    for path in sys.argv[1:]:
        took: dict[str, Any] = {"seconds": 0.0, "mib": 0, "said": "", "layers": []}
        try:
            took["layers"] = parent.read(locate(Path(path)), WANTED).layers
        except ValueError as error:
            took["said"] = str(error)
        sys.stdout.write(json.dumps(took) + "\n")
