"""Run the code in the card of an exported set, as a reader would: in a fresh process, in its folder."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

_KEEP = """
import torch
names = ("images", "classes", "labels", "targets", "lr")
torch.save({each: globals()[each] for each in names if each in globals()}, OUT)
for each in names:
    globals().pop(each, None)
"""


def loaded(folder: Path, out: Path, *, elsewhere: bool = False, **environment: str) -> list[dict[str, Any]]:
    """Return the tensors that each piece of code of a card gives.

    folder: with the card; elsewhere: run it in `out`, as code that downloads; environment: further variables.
    """
    blocks = re.findall(r"^```python\n(.*?)^```", (folder / "README.md").read_text(), re.S | re.M)
    files = [out / f"{number}.pt" for number in range(len(blocks))]
    out.mkdir()
    script = "".join(
        f"{block}{_KEEP.replace('OUT', repr(str(file)))}" for block, file in zip(blocks, files, strict=True)
    )
    assert "suite" not in script
    (out / "script.py").write_text(script)
    given = {**os.environ, "PYTHONPATH": "", "HF_HOME": str(out / "hub"), **environment}
    where = out if elsewhere else folder
    ran = subprocess.run(
        [sys.executable, str(out / "script.py")], cwd=where, env=given, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    return [torch.load(file, weights_only=True) for file in files]
