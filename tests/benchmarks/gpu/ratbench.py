"""`ratbench` on a machine without git: records name the commit that was packed.

python -m tests.benchmarks.gpu.ratbench COMMIT run grid.toml --inline
"""

import sys
from unittest.mock import patch

from suite.__main__ import app

if __name__ == "__main__":
    commit = sys.argv.pop(1)
    with patch("suite.experiments.provenance.commit", lambda: commit):
        app(prog_name="ratbench")
