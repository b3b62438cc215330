"""The child process in which a foreign file is read: limits first, then its bytes, then safetensors out.

It is started by `suite.foreign.sandbox`. Whatever goes wrong ends in one sentence for the parent.
"""

import json
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from suite.foreign import image_sets, tables, torch_files
from suite.foreign.claims import ANSWER, TENSORS, Contents, Refused, Wanted, arrange
from suite.foreign.locating import LIMIT

MEMORY = 576 * 2**20
"""Bytes that a file's reading may take, on top of what the libraries did."""
SECONDS = 10
"""Of the processor, for reading; and one more for each 8 MiB of files."""
_SENTENCE = 300  # characters


def main(text: str) -> None:
    """Read what `text`, a request in JSON, names; leave an answer and the tensors in its `output`."""
    request = json.loads(text)
    output = Path(request["output"])
    files = [Path(file) for file in request["files"]]
    _limit(sum(file.stat().st_size for file in files))
    wanted = Wanted(**{**request["wanted"], "shape": tuple(request["wanted"]["shape"])})
    answer = _answer(request, files, wanted, output)
    (output / ANSWER).write_text(json.dumps(answer))


def _limit(size: int) -> None:
    """Cap memory, processor time, written files; what has been taken so far does not count."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + SECONDS + size // (8 * 2**20)
    _lower(resource.RLIMIT_CPU, seconds)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, 2 * LIMIT)
    # Address space would count what torch only maps. Data is all that can be written to.
    try:
        status = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return  # no Linux: then the other limits, and the checks, have to do
    taken = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData"))
    _lower(resource.RLIMIT_DATA, taken + MEMORY)


def _lower(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def _answer(request: dict[str, Any], files: list[Path], wanted: Wanted, output: Path) -> dict[str, Any]:
    try:
        contents = _reader(request, files, wanted)()
        images, labels, raw = arrange(contents, wanted)
        save_file({"images": images.contiguous(), "labels": labels.contiguous()}, output / TENSORS)
        return {"format": contents.format, "raw": raw, "manifest": contents.manifest}
    except Refused as error:
        return {"refused": _sentence(str(error))}
    except MemoryError:
        return {"refused": f"it needs more than {MEMORY >> 20} MiB of memory"}
    except Exception as error:  # a library's own, about a file that it cannot read
        if "allocate" in str(error):
            return {"refused": f"it needs more than {MEMORY >> 20} MiB of memory"}
        return {"refused": _sentence(f"it cannot be read as {request['kind']}: {error}")}


def _reader(request: dict[str, Any], files: list[Path], wanted: Wanted) -> Callable[[], Contents]:
    manifest = Path(request["manifest"]) if request["manifest"] else None
    readers: dict[str, Callable[[], Contents]] = {
        "torch": lambda: torch_files.read(files, wanted),
        "h5": lambda: tables.read_h5(files[0], wanted),
        "safetensors": lambda: tables.read_safetensors(files[0], manifest),
        "folder": lambda: image_sets.read_folder(files, wanted),
        "arrow": lambda: image_sets.read_arrow(files, wanted),
        "parquet": lambda: image_sets.read_parquet(files, wanted),
    }
    return readers[request["kind"]]


def _sentence(text: str) -> str:
    """Return one line of printable characters: parts of it may come from the file."""
    line = " ".join(os.fsencode(text).decode(errors="replace").split())
    return "".join(each for each in line if each.isprintable())[:_SENTENCE]
