"""Prints the peak memory, in MiB, of the child that refuses the file named on the command line."""

import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from suite.external.locate import locate
from suite.external.sandbox import read
from suite.external.validate import Wanted

if __name__ == "__main__":
    try:
        read(locate(Path(sys.argv[1])), Wanted(10, 2, (1, 8, 8)))
    except ValueError:
        sys.stdout.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10))
