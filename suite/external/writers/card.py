"""The card of an exported set: README.md with what it is, where it comes from, and code that loads it.

All that comes from a manifest, a record or a name is data: it is escaped, or stands as JSON.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, pstdev
from typing import Any, Literal

from suite.core.data import tasks
from suite.core.data.task_info import TaskInfo
from suite.core.names import counted
from suite.core.sets.manifest import loader
from suite.core.sets.part import size_of
from suite.core.sets.synthetic_set import SyntheticSet
from suite.external.locate import EXACT
from suite.external.writers import parquet
from suite.external.writers.measured import Measured
from suite.external.writers.pictures import Difference
from suite.external.writers.shared import shared_trial

Format = Literal["hf", "folder", "pt", "safetensors"]

_HF = """\
from os import getcwd
import torch
from datasets import load_dataset

pictures = load_dataset(getcwd(), split="train").with_format("torch")
images = torch.stack([row["image"] for row in pictures]) / 255  # (n, channels, height, width), in [0, 1]
classes = pictures["label"][:]  # (n,)
"""

_TARGETS = """\
targets = pictures["target"][:]  # (n, classes), for cross_entropy
"""

_FOLDER = """\
from pathlib import Path
import numpy as np
import torch
from PIL import Image

folders = sorted((each for each in Path().iterdir() if each.is_dir()), key=lambda each: each.name)
files = [(label, file) for label, each in enumerate(folders) for file in sorted(each.glob("*.png"))]
pictures = torch.stack([torch.from_numpy(np.array(Image.open(file))) for _, file in files])
images = (pictures[:, None] if pictures.ndim == 3 else pictures.permute(0, 3, 1, 2)) / 255  # in [0, 1]
classes = torch.tensor([label for label, _ in files])  # (n,)
"""

_PT = """\
import torch

images = torch.load("images_best.pt", weights_only=True)  # (n, channels, height, width), preprocessed
labels = torch.load("labels_best.pt", weights_only=True)  # classes (n,), or learned targets (n, classes)
"""

_RATE = """\
lr = torch.load("lr.pt", weights_only=True)  # the learned rate
"""

_FROM_HUB = """\
from os import chdir
from huggingface_hub import snapshot_download

chdir(snapshot_download({name!r}, repo_type="dataset"))
"""

_HUB_LICENCES = frozenset(
    (
        *("mit", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-2.0", "cc-by-3.0"),
        *("cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "odbl", "pddl"),
    )
)
"""Names of licences that the hub knows, as far as data sets have them."""


@dataclass(frozen=True)
class Exported:
    """What a card is about. difference: of pictures, None for tensors; repository: on the hub, "" if none."""

    synthetic: SyntheticSet
    manifest: Mapping[str, Any]
    format: Format
    remarks: Sequence[str] = ()
    difference: Difference | None = None
    measured: Measured = field(default_factory=Measured)
    repository: str = ""

    @property
    def trial(self) -> Mapping[str, Any]:
        """The trial's cell as JSON for others; {} for a set that was saved by hand."""
        return shared_trial(self.manifest)

    @property
    def data(self) -> TaskInfo | None:
        """The facts about the data that it was distilled from; None if they are not known here."""
        try:
            return tasks.describe(str(self.manifest["trial"]["task"]))
        except (KeyError, TypeError, ValueError):
            return None

    @property
    def label(self) -> str:
        """Its row's name."""
        return str(self.manifest.get("label") or "a distilled set")

    @property
    def count(self) -> int:
        """Images in all."""
        return self.synthetic.classes * self.synthetic.ipc


def card(exported: Exported) -> str:
    """Return the text of README.md; with the hub's header for the format hf."""
    body = "\n\n".join(filter(None, _parts(exported))) + "\n"
    if exported.format != "hf":
        return body
    return f"---\n{header(exported)}\n---\n\n{body}"


def loaders(exported: Exported) -> dict[str, str]:
    """Return code by what it loads; each runs by itself, in the folder of the files."""
    code = {"hf": _HF, "folder": _FOLDER, "pt": _PT, "safetensors": ""}[exported.format]
    if exported.format == "hf" and not exported.synthetic.hard:
        code += _TARGETS
    if exported.format == "pt" and exported.synthetic.lr is not None:
        code += _RATE
    found = {"The tensors" if exported.format == "pt" else "The pictures": code} if code else {}
    found["The exact set"] = loader(EXACT, exported.synthetic.parametrisation)
    first = _FROM_HUB.format(name=exported.repository) if exported.repository else ""
    return {what: first + text for what, text in found.items()}


def header(exported: Exported) -> str:
    """Return the header of a dataset's card on the hub, as YAML."""
    from datasets import DatasetInfo  # type: ignore[import-untyped]
    from datasets.info import DatasetInfosDict  # type: ignore[import-untyped]
    from huggingface_hub import DatasetCardData

    names, hard = exported.manifest["class_names"], exported.synthetic.hard
    data = DatasetCardData(
        license=licence(exported)[1],
        pretty_name=f"{exported.label} on {exported.trial.get('task', 'unknown data')}",
        tags=["dataset-distillation", "synthetic", "ratbench"],
        task_categories=["image-classification"],
        size_categories=[_size(exported.count)],
        configs=[{"config_name": "default", "data_files": [{"split": "train", "path": parquet.FILE}]}],
    )
    DatasetInfosDict(
        {"default": DatasetInfo(features=parquet.features(names, hard=hard))}
    ).to_dataset_card_data(data)
    return str(data.to_yaml()).rstrip()


def licence(exported: Exported) -> tuple[str, str]:
    """Return the licence of the images that the set was distilled from, in words and as the hub calls it."""
    if exported.data is None:
        return "not known", "unknown"
    told = exported.data.licence
    short = told.removesuffix(" (UCI)").lower().replace(" ", "-")
    if short in _HUB_LICENCES:
        return told, short
    return told, "unknown" if told.startswith(("none stated", "not known")) else "other"


def _parts(exported: Exported) -> Iterator[str]:
    synthetic, trial, measured = exported.synthetic, exported.trial, exported.measured
    task = trial.get("task", "unknown data")
    yield f"# {code(exported.label)} on {code(task)}: {_images(exported)} per class"
    yield (
        "A distilled data set: a few synthetic images of each class, on which networks are trained from "
        "scratch. Written by RaT-Bench."
    )
    yield _table(
        ["", ""],
        [
            ["method", _method(exported)],
            ["distilled from", code(task)],
            ["images", f"{synthetic.classes} classes × {synthetic.ipc}"],
            ["shape", " × ".join(map(str, synthetic.images.shape[2:])) + ": channels, height, width"],
            ["labels", "one class each" if synthetic.hard else "learned targets, one row for each image"],
            *([["learned rate", f"{synthetic.lr:g}"]] if synthetic.lr is not None else []),
            ["stored", f"{synthetic.stored_bytes} bytes"],
            *([["teachers", _teachers(synthetic)]] if synthetic.teachers else []),
            [f"sha256 of `{EXACT}`", code(exported.manifest.get("sha256", ""))],
        ],
    )
    yield "## Scores"
    yield _scores(measured)
    yield "## Load it"
    yield (
        "Run in this folder. The images of the exact set are preprocessed as the task's, which `exact.json` "
        "describes, with the names of the classes in their order."
    )
    for title, text in loaders(exported).items():
        yield f"### {title}\n\n```python\n{text.rstrip()}\n```"
    yield "\n".join(f"- {plain(remark)}" for remark in [*exported.remarks, *_apart(exported)])
    yield "## Source and licence"
    told = plain(licence(exported)[0])
    yield f"Images of {_source(exported)}. Their licence: {told}. A distilled set derives from them."
    yield "## Provenance"
    facts = {"trial": dict(trial), **measured.provenance}
    yield f"```json\n{json.dumps(facts, indent=1, sort_keys=True)}\n```"


def _method(exported: Exported) -> str:
    measured = exported.measured
    title = plain(measured.title) if measured.title else code(exported.trial.get("method", "not known"))
    number = re.fullmatch(r"arXiv (\d{4}\.\d{4,5})", measured.paper)
    link = f"[{measured.paper}](https://arxiv.org/abs/{number[1]})" if number else plain(measured.paper)
    return ", ".join(filter(None, [title, link]))


def _teachers(synthetic: SyntheticSet) -> str:
    names = ", ".join(code(each.network) for each in synthetic.teachers)
    return f"{synthetic.teacher_bytes} bytes of {names}, for recipes that label every augmented batch"


def _source(exported: Exported) -> str:
    task, info = exported.trial.get("task", "unknown data"), exported.data
    if info is None or info.name != task:  # on this machine alone
        return code(task)
    return f"{code(task)} ({plain(info.source.partition(', found in ')[0])})"


def _images(exported: Exported) -> str:
    return counted(size_of(exported.manifest) or exported.synthetic.ipc, "image")


def _scores(measured: Measured) -> str:
    if not measured.scores:
        return "No record of an evaluation of this set lies in its store."
    lines = [
        [
            code(each.evaluator),
            code(each.recipe),
            code(each.network),
            f"{100 * fmean(each.accuracy):.2f}",
            f"{100 * pstdev(each.accuracy):.2f}" if len(each.accuracy) > 1 else "–",
            str(len(each.accuracy)),
        ]
        for each in measured.scores
    ]
    told = "Accuracy in % on the test split, read once after the last training step; of this set alone."
    return f"{told}\n\n" + _table(
        ["evaluator", "recipe", "network", "mean", "standard deviation", "networks"], lines
    )


def _apart(exported: Exported) -> Iterator[str]:
    if (found := exported.difference) is not None:
        yield (
            f"preprocessed again, the pictures differ from the exact tensors by at most {found.largest:.3g}, "
            f"on average by {found.mean:.2g}; the standard deviation of the tensors is {found.spread:.3g}"
        )


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _size(count: int) -> str:
    limits = (("n<1K", 1000), ("1K<n<10K", 10_000), ("10K<n<100K", 100_000))
    return next((name for name, limit in limits if count < limit), "100K<n<1M")


def code(value: object) -> str:
    """Return a value from elsewhere as code in one line of Markdown."""
    text = "".join(each for each in " ".join(str(value).split()) if each.isprintable())
    return f"`{text.replace('`', chr(39)).replace('|', '¦')}`" if text else "–"


def plain(text: str) -> str:
    """Return text from elsewhere as plain words in one line of Markdown, without links, tags or tables."""
    shown = "".join(each for each in " ".join(text.split()) if each.isprintable())
    return re.sub(r"([\\`*_\[\]<>|~&#!])", r"\\\1", shown)
