"""What is told of a job: by whom, and with which modules."""

import os
import subprocess
import sys

from suite.experiments.cells.progress import Listener


def test_a_listener_hears_and_does_nothing() -> None:
    listener = Listener()
    listener.begin("a")
    listener.moved("outer steps")
    listener.leave_if_forked()
    assert listener.changes() == () and not listener.alone


def test_a_forked_process_leaves() -> None:
    listener = Listener()
    if not (child := os.fork()):
        listener.leave_if_forked()
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_worker_needs_no_torch() -> None:
    """It would take 200 MB beside the process of the job, which has it."""
    code = "import sys, suite.experiments.isolation.job_process; print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
