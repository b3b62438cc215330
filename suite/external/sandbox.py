"""Read a foreign set in a limited child process, and check what comes back."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from suite.core.sets import parametrisations
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet
from suite.external.locate import SetFiles
from suite.external.validate import ANSWER, TENSORS, Refused, Wanted

SECONDS = 90.0
"""Wall time, including the start of the child."""

_ANSWER = 2 * 2**20  # most characters read from the answer
_END = dict.fromkeys((int(signal.SIGKILL), int(signal.SIGXCPU)), "reading took too much time or memory")
_ROOT = Path(__file__).parents[2]
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); from suite.external.child import main; main(sys.argv[2])"
)


@dataclass(frozen=True)
class ForeignSet:
    """A foreign set, its classes in the file's order; its labels are numbers of any kind.

    raw: whether its images were bytes, which are now in [0, 1]; manifest: of a RaT-Bench artefact;
    class_names: of its classes, () without any; notes: what was chosen in reading, each a sentence.
    """

    format: str
    synthetic: SyntheticSet
    raw: bool
    manifest: dict[str, Any]
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read(found: SetFiles, wanted: Wanted) -> ForeignSet:
    """Read the files in a child process; raises ValueError, in one sentence, where they are refused."""
    with tempfile.TemporaryDirectory(prefix="ratbench-") as folder:
        output = Path(folder)
        try:
            _run(json.dumps(request(found, wanted, output)), output)
            return _brought(output, wanted)
        except Refused as error:
            raise ValueError(f"{found.path} is refused: {error}") from None


def request(found: SetFiles, wanted: Wanted, output: Path) -> dict[str, Any]:
    """Return the request to the child, which leaves its answer in the folder `output`."""
    return {
        "kind": found.kind,
        "files": [str(file.absolute()) for file in found.content],
        "manifest": str(found.manifest.absolute()) if found.manifest else "",
        "view": found.view,
        "wanted": asdict(wanted),
        "output": str(output),
    }


def _run(request: str, output: Path) -> None:
    # Isolated: neither the working directory nor the environment changes what is imported.
    command = [sys.executable, "-I", "-c", _START, str(_ROOT), request]
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LD_LIBRARY_PATH", "HOME")}
    quiet = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HDF5_PLUGIN_PRELOAD": "::"}
    nothing = subprocess.DEVNULL
    try:
        ran = subprocess.run(
            command,
            cwd=output,
            env={**kept, **quiet},
            stdin=nothing,
            stdout=nothing,
            stderr=nothing,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Refused(f"reading took more than {SECONDS:.0f} s") from None
    if ran.returncode < 0:
        raise Refused(_END.get(-ran.returncode, f"the reader crashed (signal {-ran.returncode})"))


def _brought(output: Path, wanted: Wanted) -> ForeignSet:
    """Return the child's answer, which is trusted no more than the file."""
    try:
        with (output / ANSWER).open() as file:
            answer = json.loads(file.read(_ANSWER))
        if reason := answer.get("refused"):
            raise Refused(str(reason))
        tensors = load_file(output / TENSORS)
        images, labels = tensors["images"], tensors["labels"]
        manifest, about = dict(answer["manifest"]), answer["code"]
        code = parametrisations.read(about, tensors) if about else None
        lr = None if answer["lr"] is None else float(answer["lr"])
        synthetic = SyntheticSet(images, labels, Minibatch(**manifest.get("minibatch", {})), code, lr)
        named, notes = (tuple(map(str, answer[key])) for key in ("class_names", "notes"))
    except Refused:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError):
        raise Refused("the reader returned nothing") from None
    sound = all(each.dtype == torch.float32 and each.isfinite().all() for each in tensors.values())
    ipc = synthetic.ipc if code else wanted.ipc
    if not (sound and images.shape == (wanted.classes, ipc, *wanted.shape)):
        raise Refused("the reader returned another set than requested")
    return ForeignSet(str(answer["format"]), synthetic, bool(answer["raw"]), manifest, named, notes)
