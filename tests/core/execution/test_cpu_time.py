"""CPU time of this process and of its helpers."""

import subprocess
import sys

from suite.core.execution import cpu_time

BURNS = """
import sys, time
while time.process_time() < 0.3: pass
print("burnt", flush=True)
sys.stdin.read()
"""


def test_a_helpers_time_counts_while_it_runs_and_after_its_end() -> None:
    before, ended = cpu_time.own(), cpu_time.ended()
    with subprocess.Popen(
        [sys.executable, "-c", BURNS], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as helper:
        assert helper.stdout and helper.stdin
        assert helper.stdout.readline() == b"burnt\n"
        assert cpu_time.running() >= 0.28 and cpu_time.ended() == ended
        helper.stdin.close()
    assert cpu_time.ended() >= ended + 0.3 and cpu_time.own() >= before + 0.3
