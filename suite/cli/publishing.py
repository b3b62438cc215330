"""What a site tells of methods and of sets' files beside records: it needs torch and the methods' code."""

import tempfile
import warnings
from collections.abc import Sequence
from math import ceil, sqrt
from pathlib import Path

from torch import Tensor

from suite.board import files
from suite.board.atlas import costs
from suite.board.atlas.rows import atlas
from suite.board.atlas.targets import COSTS, REPORTED
from suite.board.reported import reported
from suite.cli import describe
from suite.cli.reproducing.comparable import printed
from suite.core.sets.artefacts import load_artefact
from suite.core.sets.manifest import loader
from suite.figures.pictures import plot_set, stretched
from suite.plugins import registry
from suite.plugins.differences import differences
from suite.records.cells import Trial
from suite.records.record import Record, is_of
from suite.site.details.papers import Aids, Differing, Facts, Look

_COLUMNS, _FEW = 10, 3  # images of each class that are drawn, and where classes are many
_NAME = 1.5  # width of a class's name over that of an image
_MANY, _CLASSES = 25, 100  # classes that are many, and how many are drawn


def aids(stores: Sequence[Path], records: Sequence[Record]) -> Aids:
    """Return the facts of the methods in `stores`, and printed figures beside their accuracies.

    Only methods of RaT-Bench and of installed packages are asked, if theirs is the code that ran: a record's
    path is never run.
    """
    entries = reported(files.reported_in(stores) or REPORTED)
    ran = {(record.cell.method, record.cell.source) for record in records if is_of(record, Trial)}
    names = [name for name in registry.names("method") if any(name == method for method, _ in ran)]
    return Aids(
        facts={name: facts(name) for name in names if (name, registry.source(name)) in ran},
        atlas=atlas(records, printed(entries), costs=costs.step_costs(COSTS)).rows,
        look=look,
    )


def facts(name: str) -> Facts:
    """Return what is known of a method."""
    cls = registry.method(name)
    recipes = "; ".join(
        [cls.recipe, *(f"{recipe} for {where}" for where, recipe in describe.recipes(cls).items())]
    )
    return Facts(
        summary=registry.summary(cls),
        recipe=recipes,
        settings=describe.published(cls),
        differences=[Differing(**each.model_dump()) for each in differences(name)],
    )


def look(path: Path, name: str) -> Look:
    """Open the file of a set, and draw it. name: under which it is loaded, without its ending."""
    try:
        synthetic, manifest = load_artefact(path)
        code = loader(f"{name}.safetensors", synthetic.parametrisation)
    except ValueError as error:
        return Look(missing=_told(path, "its file or its manifest cannot be read", error))
    try:
        pixels, contrast = stretched(synthetic.images[:_CLASSES], manifest["preprocessing"])
        names = list(manifest["class_names"])
        picture = _drawn(pixels, names[:_CLASSES])
    except (ValueError, KeyError, TypeError) as error:
        return Look(code, missing=_told(path, "its images cannot be drawn as its manifest says", error))
    some = f"the first {_CLASSES} of {len(names)} classes, " if len(names) > _CLASSES else ""
    most = _images(pixels)
    each = f"the first {most} images of each class" if synthetic.ipc > most else "all images of each class"
    told = f"Shown: {some}{each}."
    return Look(code, picture, f"{told} {contrast}", stretched="stretched" in contrast)


def _told(path: Path, what: str, error: Exception) -> str:
    """Log what is wrong with a file, and return what a site says: errors have paths of this machine."""
    warnings.warn(f"{path}: {what}: {error}", stacklevel=3)
    return what


def _drawn(pixels: Tensor, names: Sequence[str]) -> bytes:
    """Return a picture that is about as wide as high."""
    blocks = max(1, round(sqrt(len(pixels) / (_images(pixels) + _NAME))))
    rows = ceil(len(pixels) / blocks)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "set.png"
        plot_set(pixels, names, target, columns=_images(pixels), rows=rows)
        return target.read_bytes()


def _images(pixels: Tensor) -> int:
    """Return how many images of each class are drawn."""
    return min(pixels.shape[1], _FEW if len(pixels) > _MANY else _COLUMNS)
