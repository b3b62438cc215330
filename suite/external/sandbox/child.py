"""The child process that reads a foreign file: it confines itself, reads, and writes an answer.

`suite.external.sandbox.parent` starts it. The answer is a line of JSON, then the numbers of each tensor that
it names. An error becomes a sentence in the answer.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import torch

import suite
from suite.core.sets import parametrisations
from suite.external.locate import LIMIT
from suite.external.sandbox.confinement import confine
from suite.external.validate import Contents, Refused, Wanted, arrange

MEMORY = 576 * 2**20
"""Bytes of memory for reading, besides the libraries."""
SECONDS = 5
"""Seconds of processor time for reading, plus one for each 8 MiB of files."""
_SENTENCE = 300  # characters

Reader = Callable[[], Contents]


def main(file: int) -> None:
    """Read the request from standard input; write the answer to the open file of number `file`."""
    with open(file, "wb") as output:
        serve(json.load(sys.stdin), output)


def serve(request: dict[str, Any], output: IO[bytes]) -> None:
    """Confine this process, then read and answer."""
    reader = prepare(request)  # before the limits, so that the libraries do not count
    answer(request, reader, output, confined(request))


def confined(request: dict[str, Any]) -> Sequence[str]:
    """Confine this process for a request; return the layers in force."""
    size = sum(Path(file).stat().st_size for file in request["files"])
    # Python and the libraries may still load files of their own.
    packages = Path(torch.__file__).parents[1]
    readable = {packages, *map(Path, (request["folder"], sys.prefix, sys.base_prefix, *suite.__path__))}
    seconds = SECONDS + size // (8 * 2**20)
    return confine(sorted(readable), memory=MEMORY, seconds=seconds, written=2 * LIMIT)


def prepare(request: dict[str, Any]) -> Reader:
    """Return the reader for the request's kind of file, with its library imported."""
    torch.backends.cpu.get_cpu_capability()  # torch asks the system at the first call, and rounds accordingly
    kind, manifest = request["kind"], request["manifest"]
    files, wanted = [Path(file) for file in request["files"]], wanted_by(request)
    if kind == "torch":
        from suite.external.readers import torch_files

        return lambda: torch_files.read(files, wanted)
    if kind in ("h5", "npz", "safetensors"):
        from suite.external.readers import tables

        beside = Path(manifest) if manifest else None
        readers: dict[str, Reader] = {
            "h5": lambda: tables.read_h5(files[0], wanted),
            "npz": lambda: tables.read_npz(files[0], wanted),
            "safetensors": lambda: tables.read_safetensors(files[0], beside, wanted, request["view"]),
        }
        return readers[kind]
    from suite.external.readers import image_sets

    return lambda: image_sets.READERS[kind](files, wanted)


def wanted_by(request: dict[str, Any]) -> Wanted:
    """Return a request's `Wanted`."""
    wanted = request["wanted"]
    return Wanted(wanted["classes"], wanted["ipc"], tuple(wanted["shape"]), wanted["run"])


def answer(request: dict[str, Any], reader: Reader, output: IO[bytes], layers: Sequence[str] = ()) -> None:
    """Read, check and write; an error becomes a sentence in the answer."""
    arrays: list[Any] = []
    try:
        contents = reader()
        made, code = arrange(contents, wanted_by(request)), contents.code
        tensors = {"images": made.images, "labels": made.labels, **(code.tensors if code else {})}
        for name, tensor in tensors.items():
            if tensor.dtype not in (torch.float32, torch.uint8):
                raise Refused(f"the tensor {name!r} of its code is {tensor.dtype}, not float32 or uint8")
        arrays = [tensor.contiguous().numpy() for tensor in tensors.values()]
        found = {
            "format": contents.format,
            "raw": made.raw,
            "manifest": contents.manifest,
            "class_names": contents.class_names,
            "lr": contents.lr,
            "code": parametrisations.describe(code) if code else None,
            "notes": [_sentence(note) for note in made.notes],
            "layers": layers,
            "tensors": {name: list(tensor.shape) for name, tensor in tensors.items()},
            "bytes": [name for name, tensor in tensors.items() if tensor.dtype == torch.uint8],
        }
    except Refused as error:
        found = {"refused": _sentence(str(error))}
    except Exception as error:  # a library's own, about a file that it cannot read
        full = isinstance(error, MemoryError) or "allocate" in str(error)
        reason = f"it needs more than {MEMORY >> 20} MiB of memory" if full else f"it cannot be read: {error}"
        found = {"refused": _sentence(reason)}
    output.write(json.dumps(found).encode() + b"\n")
    for array in arrays:
        output.write(array)


def _sentence(text: str) -> str:
    """Return the text as one line of printable characters: parts of it may come from the file."""
    line = " ".join(os.fsencode(text).decode(errors="replace").split())
    return "".join(each for each in line if each.isprintable())[:_SENTENCE]
