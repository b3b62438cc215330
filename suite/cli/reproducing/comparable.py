"""Find the cell of ours that repeats a printed figure, or say why there is none."""

from collections.abc import Sequence

from suite.board.atlas.targets import Printed, Target, each_figure
from suite.board.reported import Reported
from suite.core.data import tasks
from suite.core.networks import named
from suite.core.spec import UNPUBLISHED, Method
from suite.experiments import grid, reproduction
from suite.plugins import registry
from suite.records.cells import Trial, canonical_json


def printed(entries: Sequence[Reported]) -> list[Printed]:
    """Return every figure with its target, in the order of the atlas."""
    return [Printed(entry, figure, target(entry, figure[0])) for entry, figure in each_figure(entries)]


def target(entry: Reported, ipc: int) -> Target | str:
    """Return the cell that repeats the figure of an entry, or the reason why none does."""
    if reason := _incomparable(entry, ipc):
        return reason
    made = reproduction.one_cell(
        entry.method, entry.variant, ipc, network=entry.network, recipes=[entry.our_recipe]
    )
    job = grid.jobs(made)[0]
    assert isinstance(job.cell, Trial)  # a grid of one method has no other cells
    cls = registry.method(entry.method)
    method: Method = registry.stored(cls, job.cell.hyperparameters, where=f"method.{entry.method}")
    return Target(
        task=entry.variant,
        method=entry.method,
        hyperparameters=canonical_json(job.cell.hyperparameters),
        ipc=ipc,
        recipe=str(job.evaluations[0].settings["recipe"]),
        network=entry.network,
        steps=method.outer_steps,
    )


def _incomparable(entry: Reported, ipc: int) -> str:
    """Return why no cell of ours repeats a figure; "" if one does."""
    if ipc == 0:
        return "the source does not say how it trains on all images"
    if entry.method not in registry.names("method"):
        return f"{entry.method} is not a method here"
    if not entry.our_recipe:
        return "no recipe here is that of the source"
    if entry.preprocessing is None:
        return "the source does not say how its images are preprocessed"
    if entry.variant not in tasks.names():
        return f"no task here has its preprocessing, {entry.preprocessing}"
    info = tasks.describe(entry.variant)
    try:
        named.network(entry.network, info.shape, info.classes)
    except ValueError:
        return "no network here is that of the source"
    source = registry.source_of_settings(registry.method(entry.method), info.published_as, ipc)
    return "no settings are published for this size" if source == UNPUBLISHED else ""
