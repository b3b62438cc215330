"""Read a foreign set in a confined child process, and check what comes back."""

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from suite.core.sets import parametrisations
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet
from suite.external.locate import LIMIT, SetFiles, snapshot
from suite.external.validate import Refused, Wanted

SECONDS = 90.0
"""The longest time by the clock, with the start of the child."""

_ANSWER = 2 * 2**20  # most characters read from the answer
_END = dict.fromkeys((int(signal.SIGKILL), int(signal.SIGXCPU)), "reading took too much time or memory")
_ROOT = Path(__file__).parents[3]
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); from suite.external.sandbox import child; "
    "child.main(int(sys.argv[2]))"
)

_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "HDF5_PLUGIN_PRELOAD": "::",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # a process of one thread can be confined
}


@dataclass(frozen=True)
class ForeignSet:
    """A foreign set, its classes in the file's order; its labels are numbers of any kind.

    raw: whether its images were bytes, which are now in [0, 1]; manifest: of a RaT-Bench artefact;
    class_names: () without any; notes: sentences on what the reader chose; source: sha256 of what was read;
    layers: what confined the child, see `confinement`.
    """

    format: str
    synthetic: SyntheticSet
    raw: bool
    manifest: dict[str, Any]
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    source: str = ""
    layers: tuple[str, ...] = ()


def read(found: SetFiles, wanted: Wanted) -> ForeignSet:
    """Read files in a child process; raises ValueError, in one sentence, if they are refused."""
    with tempfile.TemporaryDirectory(prefix="ratbench-") as folder, tempfile.TemporaryFile() as output:
        copies = snapshot(found, Path(folder))
        try:
            _run(json.dumps(request(copies, wanted, Path(folder))), output)
            return _brought(output, wanted, copies.sha256())
        except Refused as error:
            raise ValueError(f"{found.path} is refused: {error}") from None


def request(found: SetFiles, wanted: Wanted, folder: Path) -> dict[str, Any]:
    """Return the request to the child, which may open the files in `folder`."""
    return {
        "kind": found.kind,
        "folder": str(folder),
        "files": [str(file) for file in found.content],
        "manifest": str(found.manifest) if found.manifest else "",
        "view": found.view,
        "wanted": asdict(wanted),
    }


def _run(request: str, output: IO[bytes]) -> None:
    # -I: neither the working directory nor the environment changes what is imported.
    command = [sys.executable, "-I", "-c", _START, str(_ROOT), str(output.fileno())]
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LD_LIBRARY_PATH", "HOME")}
    try:
        ran = subprocess.run(
            command,
            cwd="/",
            env={**kept, **_ENVIRONMENT},
            input=request.encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[output.fileno()],
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Refused(f"reading took more than {SECONDS:.0f} s") from None
    _check_end(ran.returncode)


def _check_end(code: int) -> None:
    if code < 0:
        raise Refused(_END.get(-code, f"the reader crashed (signal {-code})"))


def _brought(output: IO[bytes], wanted: Wanted, source: str) -> ForeignSet:
    """Return the set in the child's answer, which is trusted no more than the file."""
    try:
        output.seek(0)
        answer = json.loads(output.readline(_ANSWER))
        if reason := answer.get("refused"):
            raise Refused(str(reason))
        tensors = {
            str(name): _tensor(output, shape, np.uint8 if name in answer["bytes"] else np.float32)
            for name, shape in answer["tensors"].items()
        }
        images, labels = tensors["images"], tensors["labels"]
        manifest, about = dict(answer["manifest"]), answer["code"]
        code = parametrisations.read(about, tensors) if about else None
        lr = None if answer["lr"] is None else float(answer["lr"])
        synthetic = SyntheticSet(images, labels, Minibatch(**manifest.get("minibatch", {})), code, lr)
        named, notes, layers = (tuple(map(str, answer[key])) for key in ("class_names", "notes", "layers"))
    except Refused:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError):
        raise Refused("the reader returned nothing") from None
    sound = all(each.isfinite().all() for each in tensors.values())
    ipc = synthetic.ipc if code else wanted.ipc
    if not (sound and images.shape == (wanted.classes, ipc, *wanted.shape)):
        raise Refused("the reader returned another set than requested")
    format, raw = str(answer["format"]), bool(answer["raw"])
    return ForeignSet(format, synthetic, raw, manifest, named, notes, source, layers)


def _tensor(output: IO[bytes], shape: list[int], kind: type[np.generic]) -> Tensor:
    """Return the next tensor of the answer; raises ValueError if it is not there."""
    sizes = [int(size) for size in shape]
    count = math.prod(sizes)
    if min(sizes, default=0) < 0 or 4 * count > LIMIT:
        raise ValueError(f"no tensor has the shape {sizes}")
    return torch.from_numpy(np.fromfile(output, kind, count)).view(sizes)
