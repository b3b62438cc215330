"""The manifest of an artefact: the facts for its evaluation, and code that loads it without RaT-Bench."""

from collections.abc import Mapping
from typing import Any

from suite.core.data import tasks
from suite.core.sets.parametrisations import Parametrisation
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Task

LOADER = """\
import json
{torch}from torch.utils.data import DataLoader, TensorDataset
from safetensors.torch import load_file

name = "{name}"
facts = json.load(open(name + ".json"))  # class_names, preprocessing, ...
tensors = load_file(name + ".safetensors")
{images}
targets = tensors["labels"].flatten(0, 1)  # (n, classes), for cross_entropy; classes: targets.argmax(1)
loader = DataLoader(TensorDataset(images, targets), batch_size=256, shuffle=True)
"""
"""Loads the artefact `name` with torch and safetensors alone; run it in the artefact's folder."""

IMAGES = (
    'images = tensors["images"].flatten(0, 1)  # (n, channels, height, width), preprocessed as the task\'s'
)


def manifest(
    trial: Mapping[str, Any], task: Task, label: str, file: str, code: Parametrisation | None = None
) -> dict[str, Any]:
    """Return the facts about an artefact of a trial on `task`.

    trial: its cell as JSON; file: the artefact's name, without its folder; code: the parametrisation of a
    factorised set, which the loader decodes.
    """
    return {"trial": dict(trial), "label": label, **facts(task, file, code)}


def facts(task: Task, file: str, code: Parametrisation | None = None) -> dict[str, Any]:
    """Return the facts about its task that a reader of the set in `file` needs."""
    return {
        "preprocessing": task.preprocessing.describe(),
        "class_names": list(task.class_names),
        "data": tasks.fingerprint(task),
        "loader": loader(file, code),
    }


def stored(synthetic: SyntheticSet) -> dict[str, Any]:
    """Return the fields of a record that describe a stored set."""
    return {
        "stored_bytes": synthetic.stored_bytes,
        "teacher_bytes": synthetic.teacher_bytes,
        "decoded": 0 if synthetic.parametrisation is None else synthetic.ipc,
        "classes": synthetic.classes,
        "label_kind": "hard" if synthetic.hard else "soft",
    }


def loader(file: str, code: Parametrisation | None = None) -> str:
    """Return Python that loads the artefact in `file`, run in its folder."""
    return LOADER.format(
        name=file.removesuffix(".safetensors"),
        torch="" if code is None else "import torch\n",
        images=IMAGES if code is None else code.lines.rstrip(),
    )
