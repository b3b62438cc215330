"""What a site tells of methods and of sets' files beside records: it needs torch and the methods' code."""

import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

from suite.board import files
from suite.board.atlas import costs
from suite.board.atlas.rows import atlas
from suite.board.atlas.targets import COSTS, REPORTED
from suite.board.reported import reported
from suite.cli import describe
from suite.cli.reproducing.comparable import printed
from suite.core.data.reading.download import nothing_fetched
from suite.core.data.tasks import to_pixels
from suite.core.sets.artefacts import load_artefact
from suite.core.sets.manifest import loader
from suite.figures.pictures import plot_set
from suite.plugins import registry
from suite.plugins.differences import differences
from suite.records.record import is_of
from suite.records.cells import Trial
from suite.site.details.papers import Aids, Differing, Facts, Look


def aids(stores: Sequence[Path]) -> Aids:
    """Return the facts of the methods in `stores`, and printed figures beside their accuracies.

    Only methods of RaT-Bench and of installed packages are asked: a record's path is never run.
    """
    records = files.read(stores).records
    entries = reported(files.reported_in(stores) or REPORTED)
    named = {record.cell.method for record in records if is_of(record, Trial)}
    return Aids(
        facts={name: facts(name) for name in sorted(named & set(registry.names("method")))},
        atlas=atlas(records, printed(entries), costs=costs.step_costs(COSTS)).rows,
        look=look,
    )


def facts(name: str) -> Facts:
    """Return what is known of a method."""
    cls = registry.method(name)
    recipes = "; ".join([cls.recipe, *(f"{recipe} for {where}" for where, recipe in describe.recipes(cls).items())])
    return Facts(
        summary=registry.summary(cls),
        recipe=recipes,
        settings=describe.published(cls),
        differences=[Differing(**each.model_dump()) for each in differences(name)],
    )


def look(path: Path, name: str, draw: bool) -> Look:
    """Open the file of a set. name: under which it is loaded, without its ending; draw: whether to draw it."""
    try:
        synthetic, manifest = load_artefact(path)
        code = loader(f"{name}.safetensors", synthetic.parametrisation)
    except ValueError as error:
        return Look(missing=str(error))
    if not draw:
        return Look(code)
    with tempfile.TemporaryDirectory() as folder, nothing_fetched():
        target = Path(folder) / "set.png"
        try:
            plot_set(to_pixels(synthetic.images, manifest["preprocessing"]), manifest["class_names"], target)
        except (ValueError, KeyError, TypeError) as error:
            return Look(code, missing=str(error))
        return Look(code, target.read_bytes())
