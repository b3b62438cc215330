"""What lies beside an artefact: all that its evaluation needs, and how to use it without us."""

from typing import Any

from suite.core import datasets
from suite.core.spec import Task
from suite.records import Trial

LOADER = """\
import json
from torch.utils.data import DataLoader, TensorDataset
from safetensors.torch import load_file

name = "{name}"
facts = json.load(open(name + ".json"))  # class_names, preprocessing, ...
tensors = load_file(name + ".safetensors")
images = tensors["images"].flatten(0, 1)  # (n, channels, height, width), preprocessed as the task's
targets = tensors["labels"].flatten(0, 1)  # (n, classes), for cross_entropy; classes: targets.argmax(1)
loader = DataLoader(TensorDataset(images, targets), batch_size=256, shuffle=True)
"""
"""Torch and safetensors alone, run in the folder of the artefact `name`."""


def manifest(trial: Trial, task: Task, label: str, file: str) -> dict[str, Any]:
    """Return the facts about the artefact in `file`, named without its folder, of a trial on `task`."""
    return {
        "trial": trial.model_dump(mode="json"),
        "label": label,
        "preprocessing": task.preprocessing.describe(),
        "class_names": list(task.class_names),
        "data": datasets.fingerprint(task),
        "loader": loader(file),
    }


def loader(file: str) -> str:
    """Return the code that loads the artefact in `file`, run in its folder."""
    return LOADER.format(name=file.removesuffix(".safetensors"))
