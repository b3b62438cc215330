"""A method, and an evaluator, that misbehave in the way that `deed` names; their files as text."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from suite.experiments import grid
from suite.records.jobs import Job
from tests.support.grids import TINY

DEEDS = """
import ctypes, gc, locale, os, random, resource, signal, subprocess, sys, threading, time, warnings
import numpy, torch


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no text")


class Unpicklable(Exception):
    def __init__(self):
        super().__init__("cannot be sent")
        self.lock = threading.Lock()


class Base(BaseException):
    pass


def left(error):
    raise error


def recurse():
    sys.setrecursionlimit(10**9)
    def deeper(_):
        return max([1], key=deeper)
    threading.stack_size(2**24)  # where a process may have a stack of any size, it would fill the memory
    thread = threading.Thread(target=deeper, args=(0,))
    thread.start()
    thread.join()


def fork(then):
    if not os.fork():
        then()


def nothing():
    pass


def hang_in_c():
    ctypes.PyDLL(None).sleep(10**6)  # holds the interpreter's lock


def close_files():
    os.closerange(0, 200)


def leak():
    global _leaked
    _leaked = numpy.ones(1200 * 2**17)


def loop():
    while True:
        time.sleep(0.05)


def patch():
    torch.nn.functional.cross_entropy = lambda *given, **named: torch.zeros((), requires_grad=True)


def patch_us():
    from suite.core.training import fit
    fit.accuracy = lambda *given, **named: 1.0


def flood():
    for _ in range(20000):
        print("x" * 60)
    sys.stderr.write("and an error\\\\n")
    os.system("echo from a shell")


FAILS = {
    "raises": (lambda: left(RuntimeError("broken")), "RuntimeError: broken"),
    "raises a base": (lambda: left(Base("of its own")), "Base: of its own"),
    "raises KeyboardInterrupt": (lambda: left(KeyboardInterrupt()), "KeyboardInterrupt"),
    "raises SystemExit": (lambda: left(SystemExit(0)), "SystemExit: 0"),
    "raises GeneratorExit": (lambda: left(GeneratorExit()), "GeneratorExit"),
    "raises StopIteration": (lambda: left(StopIteration(3)), "StopIteration"),
    "raises without a text": (lambda: left(Unprintable()), "Unprintable"),
    "raises what cannot be sent": (lambda: left(Unpicklable()), "Unpicklable: cannot be sent"),
    "raises a long text": (lambda: left(ValueError("\\ud800" + "x" * 10**6)), "ValueError: ?xxx"),
    "raises a group": (lambda: left(BaseExceptionGroup("many", [Base(), OSError(5, "one")])), "many"),
    "recurses": (lambda: (lambda f: f(f))(lambda f: f(f)), "RecursionError"),
}
DIES = {
    "exits": (lambda: os._exit(0), "left with exit code 0"),
    "exits with 3": (lambda: os._exit(3), "left with exit code 3"),
    "segfaults": (lambda: ctypes.string_at(0), "killed by SIGSEGV"),
    "aborts": (os.abort, "killed by SIGABRT"),
    "kills itself": (lambda: os.kill(os.getpid(), signal.SIGKILL), "killed by SIGKILL, perhaps since memory"),
    "terminates itself": (lambda: os.kill(os.getpid(), signal.SIGTERM), "killed by SIGTERM"),
    "interrupts itself": (lambda: signal.raise_signal(signal.SIGHUP), "killed by SIGHUP"),
    "recurses in C": (recurse, "killed by SIGSEGV"),
    "closes files": (close_files, "lost the connection"),
}
HANGS = {
    "hangs": (loop, "took longer than --step-timeout"),
    "hangs in C": (hang_in_c, "took longer than --step-timeout"),
}
CHANGES = {
    "threads": (lambda: torch.set_num_threads(2), "torch's number of threads"),
    "dtype": (lambda: torch.set_default_dtype(torch.float64), "torch's default dtype"),
    "device": (lambda: torch.set_default_device("meta"), "torch's default device"),
    "grad": (lambda: torch.set_grad_enabled(False), "torch's grad mode"),
    "anomaly": (lambda: torch.autograd.set_detect_anomaly(True), "torch's anomaly mode"),
    "deterministic": (lambda: torch.use_deterministic_algorithms(True), "torch's deterministic mode"),
    "precision": (lambda: torch.set_float32_matmul_precision("medium"), "torch's precision of products"),
    "mkldnn": (lambda: torch._C._set_mkldnn_enabled(False), "torch's CPU libraries"),
    "cudnn": (lambda: setattr(torch.backends.cudnn, "benchmark", True), "torch's cuDNN settings"),
    "denormal": (lambda: torch.set_flush_denormal(True), "torch's handling of tiny numbers"),
    "directory": (lambda: os.chdir("/"), "the working directory"),
    "environment": (lambda: os.environ.update(MINE="1"), "the environment (MINE)"),
    "umask": (lambda: os.umask(0o077), "the umask"),
    "handlers": (lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN), "handlers of signals"),
    "timer": (lambda: signal.setitimer(signal.ITIMER_REAL, 1000), "a timer"),
    "limits": (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50)), "resource limits"),
    "path": (lambda: sys.path.insert(0, "/mine"), "the module path"),
    "recursion": (lambda: sys.setrecursionlimit(5000), "Python's recursion limit"),
    "collector": (gc.disable, "Python's garbage collector"),
    "streams": (lambda: setattr(sys, "stdout", None), "Python's streams and hooks"),
    "numpy": (lambda: numpy.seterr(all="ignore"), "NumPy's handling of errors"),
    "locale": (lambda: locale.setlocale(locale.LC_NUMERIC, "C.UTF-8"), "the locale"),
    "patches": (patch, "the code of others (torch.nn.functional.cross_entropy)"),
    "patches us": (patch_us, "the code of others (suite.core.training.fit.accuracy)"),
    "starts a thread": (lambda: threading.Thread(target=loop).start(), "its threads (1 more)"),
    "starts a process": (lambda: subprocess.Popen(["sleep", "1000"]), "its child processes"),
    "forks and both go on": (lambda: fork(nothing), ""),
    "forks one that waits": (lambda: fork(loop), "its child processes"),
}
HARMLESS = {
    "nothing": (nothing, ""),
    "random": (lambda: (torch.manual_seed(1), numpy.random.seed(1), random.seed(1)), ""),
    "warnings": (lambda: warnings.simplefilter("error"), ""),
    "prints": (flood, ""),
    "leaks": (leak, ""),
}
ALL = FAILS | DIES | HANGS | CHANGES | HARMLESS
"""

METHOD = (
    '"""Misbehaves in its third step of four."""\n'
    + DEEDS
    + '''
from dataclasses import dataclass
from suite.core.distilling.base import BaseDistiller, BaseMethod
from suite.core.sets.synthetic_set import SyntheticSet, one_hot

@dataclass(frozen=True)
class Misbehaving(BaseMethod):
    """Misbehaves."""
    deed: str = "nothing"
    steps: int = 4

    def start(self, train, budget, *, seed):
        return Run(self, train, budget)

class Run(BaseDistiller):
    def __init__(self, method, train, budget):
        self.deed, self.steps, self.taken = method.deed, method.steps, 0
        self.images = train.images[torch.stack([rows[: budget.ipc] for rows in train.by_class()])].clone()

    def synthetic(self):
        return SyntheticSet(self.images.clone(), one_hot(len(self.images), self.images.shape[1]))

    def step(self):
        self.taken += 1
        self.images += 0.01
        if self.taken == 3:
            ALL[self.deed][0]()
        return {"outer_loss": 1.0}

METHOD = Misbehaving
'''
)

EVALUATOR = (
    '"""Misbehaves."""\n'
    + DEEDS
    + '''
from dataclasses import dataclass
from typing import ClassVar
from suite.core.scores import Score
from suite.core.spec import Scores

@dataclass(frozen=True)
class Misbehaving:
    """Misbehaves, and finds every set half right."""

    deed: str = "nothing"
    title: ClassVar[str] = "By halves"
    scores: ClassVar[tuple[Score, ...]] = (Score("half", "half right", "fraction"),)
    smoke: ClassVar[dict] = {}

    def check(self, train):
        pass

    def evaluate(self, synthetic, task, *, seed):
        task.test
        ALL[self.deed][0]()
        return Scores({"half": (float("nan") if self.deed == "NaN" else 0.5,)})

EVALUATOR = Misbehaving
'''
)


def deeds(kind: str) -> dict[str, str]:
    """Return the deeds of a kind, such as FAILS, and what is told of each."""
    names: dict[str, Any] = {}
    exec(DEEDS, names)
    return {name: said for name, (_, said) in names[kind].items()}


def jobs(grid_file: Path, deeds: Iterable[str], *, kind: str = "method", more: str = "") -> list[Job]:
    """Return jobs of the tiny grid's random subset with a misbehaving method or evaluator for each deed."""
    path = grid_file.with_name(f"misbehaving_{kind}.py")
    path.write_text(METHOD if kind == "method" else EVALUATOR)
    text = TINY.partition("[method.rat_bptt]")[0] + '\n[evaluator.retrain]\nrecipe = "ncfm-40"\ncopies = 1\n'
    text += f'\n[{kind}.misbehaving]\nbase = "{path}"\ndeed = {json.dumps([*deeds])}\n{more}'
    grid_file.write_text(text)
    return grid.jobs(grid.load(grid_file))
