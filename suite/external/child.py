"""The child process that reads a foreign file: it sets limits, reads, and writes safetensors.

`suite.external.sandbox` starts it. Any error becomes one sentence for the parent.
"""

import json
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from suite.core.sets import parametrisations
from suite.external.locate import LIMIT
from suite.external.validate import ANSWER, TENSORS, Contents, Refused, Wanted, arrange

MEMORY = 576 * 2**20
"""Bytes for reading a file, in addition to the libraries."""
SECONDS = 5
"""Seconds of processor time for reading, plus one for each 8 MiB of files."""
_SENTENCE = 300  # characters

Reader = Callable[[], Contents]


def main(text: str) -> None:
    """Execute the JSON request `text`: write an answer and the tensors into its folder `output`."""
    request = json.loads(text)
    reader = prepare(request)  # before the limits, since libraries are not counted
    _limit(sum(Path(file).stat().st_size for file in request["files"]))
    answer(request, reader)


def prepare(request: dict[str, Any]) -> Reader:
    """Return the reader for the request's kind of file, with its library imported."""
    kind, manifest = request["kind"], request["manifest"]
    files, wanted = [Path(file) for file in request["files"]], wanted_by(request)
    if kind == "torch":
        from suite.external.readers import torch_files

        return lambda: torch_files.read(files, wanted)
    if kind in ("h5", "npz", "safetensors"):
        from suite.external.readers import tables

        if kind != "safetensors":
            read = {"h5": tables.read_h5, "npz": tables.read_npz}[kind]
            return lambda: read(files[0], wanted)
        beside = Path(manifest) if manifest else None
        return lambda: tables.read_safetensors(files[0], beside, wanted, request["view"])
    from suite.external.readers import image_sets

    return lambda: image_sets.READERS[kind](files, wanted)


def wanted_by(request: dict[str, Any]) -> Wanted:
    """Return a request's `Wanted`."""
    wanted = request["wanted"]
    return Wanted(wanted["classes"], wanted["ipc"], tuple(wanted["shape"]), wanted["run"])


def answer(request: dict[str, Any], reader: Reader) -> None:
    """Read, check and write; an error becomes a sentence in the answer."""
    output = Path(request["output"])
    try:
        contents = reader()
        made, code = arrange(contents, wanted_by(request)), contents.code
        tensors = {"images": made.images, "labels": made.labels, **(code.tensors if code else {})}
        save_file({name: each.contiguous() for name, each in tensors.items()}, output / TENSORS)
        found = {
            "format": contents.format,
            "raw": made.raw,
            "manifest": contents.manifest,
            "class_names": contents.class_names,
            "lr": contents.lr,
            "code": parametrisations.describe(code) if code else None,
            "notes": [_sentence(note) for note in made.notes],
        }
    except Refused as error:
        found = {"refused": _sentence(str(error))}
    except Exception as error:  # a library's own, about a file that it cannot read
        full = isinstance(error, MemoryError) or "allocate" in str(error)
        reason = f"it needs more than {MEMORY >> 20} MiB of memory" if full else f"it cannot be read: {error}"
        found = {"refused": _sentence(reason)}
    (output / ANSWER).write_text(json.dumps(found))


def _limit(size: int) -> None:
    """Limit memory, processor time and written files, in addition to current use."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + SECONDS + size // (8 * 2**20)
    _lower(resource.RLIMIT_CPU, seconds)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, 2 * LIMIT)
    # RLIMIT_DATA, since the limit on address space would also count memory that torch only maps.
    try:
        status = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return  # not Linux: only the other limits and the checks apply
    taken = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData"))
    _lower(resource.RLIMIT_DATA, taken + MEMORY)


def _lower(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def _sentence(text: str) -> str:
    """Return one line of printable characters: parts of it may come from the file."""
    line = " ".join(os.fsencode(text).decode(errors="replace").split())
    return "".join(each for each in line if each.isprintable())[:_SENTENCE]
