"""A Hugging Face dataset: one Parquet file of pictures and labels, which `datasets.load_dataset` reads."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from suite.core.files.atomic_write import write_bytes
from suite.core.sets.synthetic_set import SyntheticSet
from suite.external.writers.pictures import png

FILE = "data/train-00000-of-00001.parquet"
"""Where the hub expects the only part of a split."""


def features(names: Sequence[str], *, hard: bool) -> Any:
    """Return the columns: image, label, and target where labels are learned."""
    import datasets  # type: ignore[import-untyped]

    columns = {"image": datasets.Image(), "label": datasets.ClassLabel(names=list(names))}
    learned = {} if hard else {"target": datasets.List(datasets.Value("float32"))}
    return datasets.Features({**columns, **learned})


def write_parquet(pixels: Tensor, synthetic: SyntheticSet, names: Sequence[str], output: Path) -> None:
    """Write pictures of bytes (classes, ipc, channels, height, width) with the labels of their set."""
    import datasets

    labels = [label for label in range(len(pixels)) for _ in range(pixels.shape[1])]
    images = [{"bytes": png(image), "path": None} for image in pixels.flatten(0, 1)]
    columns: dict[str, list[Any]] = {"image": images, "label": labels}
    if not synthetic.hard:
        columns["target"] = synthetic.flat()[1].tolist()
    made = datasets.Dataset.from_dict(columns, features=features(names, hard=synthetic.hard))
    buffer = io.BytesIO()
    progress = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        made.to_parquet(buffer)
    finally:
        if progress:
            datasets.enable_progress_bars()
    write_bytes(output / FILE, buffer.getvalue())
