"""The train images nearest to the images of a set, as a picture and a table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from suite.board.render.layout import escaped
from suite.core.auditing.copies import nearest_train
from suite.core.data import tasks
from suite.core.sets.artefacts import load_artefact
from suite.figures.pictures import plot_set
from suite.figures.publish import title
from suite.records.cells import Trial

BELOW = "nearest of train"
"""The name of the rows of train images."""


def plot_nearest(artefact: Path, target: Path, *, columns: int = 10) -> pd.DataFrame:
    """Write a PNG of a set with the nearest train image below each image; return them as a table.

    The table has a row for each image that is shown: its class and number, the row and the class of the train
    image, the distance (root mean square of the differences of pixels in [0, 1]), the distance of the train
    image to its nearest other one, and whether the image is a copy: the first distance is not the larger one.
    Reads the task from the data folder. Raises ValueError if the set or its data cannot be read, or if it was
    distilled from other data.
    """
    synthetic, manifest = load_artefact(artefact)
    task = tasks.load(_task(artefact, manifest))
    tasks.check_data(synthetic, task)
    invert, names = task.preprocessing.invert, task.class_names
    images = invert(synthetic.images[:, :columns].flatten(0, 1))
    found, usual = nearest_train(images, task.train.images, invert)
    shown = synthetic.images[:, :columns].shape
    pairs = torch.stack([each.view(shown) for each in (images, invert(task.train.images[found.rows]))], 1)
    rows = [row for name in names for row in (name, BELOW)]
    plot_set(pairs.flatten(0, 1), rows, target, columns=columns, title=title(manifest, columns))
    labels = task.train.labels[found.rows].tolist()
    return pd.DataFrame(
        {
            "class": [escaped(name) for name in names for _ in range(shown[1])],
            "image": [*range(shown[1])] * shown[0],
            "train image": found.rows.tolist(),
            "its class": [escaped(names[label]) for label in labels],
            "distance": found.distances.tolist(),
            "its nearest other": usual.tolist(),
            "copy": ["yes" if copy else "no" for copy in (found.distances <= usual).tolist()],
        }
    )


def _task(artefact: Path, manifest: Mapping[str, Any]) -> str:
    try:
        return Trial.model_validate(manifest["trial"]).task
    except (KeyError, ValueError):
        raise ValueError(
            f"{artefact} does not name its task, whose train images --nearest shows; leave --nearest out"
        ) from None
