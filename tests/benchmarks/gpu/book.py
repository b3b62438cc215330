"""The numbers of a session on a GPU: one JSON that many processes write, again after every number.

A part is a process with a name. What it knows is in the file at once, so nothing is lost if the session is
cut off. Environment: OUT, the folder of the file; WORK, the session's scratch folder; STARTED_AT and END_AT,
as `time.time()` gives them; TINY, if sizes are those of a rehearsal. Without WORK a part runs alone.
"""

import faulthandler
import gc
import json
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf, isfinite
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from suite.core.files.atomic_write import write_bytes

OUT = Path(os.environ.get("OUT") or "gpu-out")
WORK = Path(os.environ["WORK"]) if os.environ.get("WORK") else None
TINY = bool(os.environ.get("TINY"))
END_AT = float(os.environ.get("END_AT") or inf)
STARTED_AT = float(os.environ.get("STARTED_AT") or time.time())
MOST_WARNINGS = 40
_LONG = ("timeline", "machine", "measured", "all checked")
"""What the summary leaves out."""


def numbers() -> dict[str, dict[str, Any]]:
    """Return what all parts have written."""
    path = OUT / "gpu.json"
    found: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.exists() else {}
    return found


class Book:
    """Writes the numbers, errors and warnings of one part."""

    def __init__(self, part: str) -> None:
        self.part, self._warned = part, dict[str, int]()
        faulthandler.enable()
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = self._warn  # type: ignore[assignment]
        if isfinite(END_AT):
            signal.alarm(max(1, int(END_AT - time.time())))  # also where the conductor was killed

    def put(self, key: str, value: Any, *, shown: str = "") -> None:
        """Write a number, or anything that JSON knows, in place of an earlier one of this key; print it.

        shown: what is printed for a long value.
        """
        OUT.mkdir(parents=True, exist_ok=True)
        with FileLock((WORK or OUT) / "book.lock"):
            content = numbers()
            content.setdefault(self.part, {})[key] = value
            write_bytes(OUT / "gpu.json", json.dumps(content, indent=1, default=str).encode(), replace=True)
        print(f"{self.part} | {key} | {shown or json.dumps(value, default=str)[:300]}", flush=True)  # noqa: T201

    @contextmanager
    def attempt(self, key: str) -> Iterator[None]:
        """Let the body fail: its traceback is written, and the part goes on."""
        try:
            yield
        except Exception:
            self.put(f"{key}: failed", traceback.format_exc()[-4000:])
        free()

    def turn(self) -> float:
        """Wait until this part may measure, alone on the device; return the `time.time()` until which."""
        free()
        if WORK is None:
            return inf
        conductor, go = os.getppid(), flag(self.part, "go")
        flag(self.part, "ready").touch()
        while not go.exists():
            if os.getppid() != conductor:
                sys.exit("the conductor has gone")
            time.sleep(0.1)
        return float(go.read_text())

    def _warn(self, message: Warning | str, category: type[Warning], *_: Any) -> None:
        text = f"{category.__name__}: {str(message)[:300]}"
        self._warned[text] = self._warned.get(text, 0) + 1
        if self._warned[text] == 1 and len(self._warned) <= MOST_WARNINGS:
            self.put("warnings", [*self._warned])


def flag(part: str, kind: str) -> Path:
    """Return the file by which a part says `ready`, and is told to `go`."""
    assert WORK is not None
    return WORK / f"{part.replace(' ', '-')}.{kind}"


def free() -> None:
    """Return unused memory to the device, for the other parts."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def summary() -> str:
    """Return a line for each number, short enough for the end of a log; what failed comes last."""
    rows = ((part, key, value) for part, values in numbers().items() for key, value in values.items())
    lines = [(key, f"{part} | {key} | {_short(value)}") for part, key, value in rows if key not in _LONG]
    return "\n".join(line for _, line in sorted(lines, key=lambda pair: pair[0].endswith("failed")))


def _short(value: Any) -> str:
    if isinstance(value, dict):
        medians = {
            name: each["median"]
            for name, each in value.items()
            if isinstance(each, dict) and "median" in each
        }
        value = medians or value
        value = {name: f"{each:.4g}" if isinstance(each, float) else each for name, each in value.items()}
    if isinstance(value, float):
        return f"{value:.4g}"
    text = json.dumps(value, default=str).replace('"', "")
    return f"… {text[-160:]}" if isinstance(value, str) else text[:200]
