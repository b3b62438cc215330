"""The commands that describe and check methods and other things: `ratbench list`, `show`, `check`."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.text import Text

from suite.cli.commands.publish import RESULTS
from suite.cli.console import console, say, write, wrote
from suite.cli.options import Data, set_data

Kind = Literal[
    "methods", "evaluators", "studies", "tasks", "networks", "recipes", "augmentations", "grids", "artefacts"
]


def list_(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    stores: Annotated[
        list[Path] | None, typer.Argument(help="For artefacts: the stores.", show_default="results/")
    ] = None,
    format: Annotated[
        Literal["table", "csv", "json"], typer.Option(help="The format; csv and json are for artefacts.")
    ] = "table",
) -> None:
    """List methods, tasks, networks or other things, with one line about each.

    Artefacts are the sets in stores. Each is listed with its address, which other commands take.

    [bold]ratbench list methods[/]

    [bold]ratbench list artefacts runs/demo[/]
    """
    if kind == "artefacts":
        from suite.cli.stores import listing

        found = listing.listed(stores or [RESULTS])
        if format == "table":
            console.print(listing.table(found))
        else:
            write(listing.text(found, format))
        return
    if stores or format != "table":
        raise ValueError(f"list {kind} takes neither a store nor --format; they are for `list artefacts`")

    from suite.cli import describe

    console.print(describe.table(kind))


def show(
    name: Annotated[
        str,
        typer.Argument(
            help="A name from `ratbench list`, a network, a task such as folder:/path or hf:/path, or the "
            "path of a plug-in."
        ),
    ],
    samples: Annotated[
        Path | None, typer.Option(help="A PNG to write, with one training image of each class of a task.")
    ] = None,
    data: Data = None,
) -> None:
    """Show one method, evaluator, study, task, network, recipe, augmentation or grid.

    For a grid: its file. `ratbench show demo > mine.toml` gives you one to change.

    For a method: its paper, recipe, hyper-parameters, the paper's settings, and our differences from the
    paper. For a task: its classes in order, images per class, what reading its files skipped or changed, and
    its fingerprint.

    [bold]ratbench show rat_bptt[/]

    [bold]ratbench show folder:/path/to/pets?size=32 --samples pets.png[/]
    """
    from suite.cli import describe

    set_data(data)
    if not console.is_terminal and samples is None and (file := describe.grid_file(name)):
        typer.echo(file.read_bytes(), nl=False)
        return
    for part in describe.details(name):
        console.print(part, soft_wrap=isinstance(part, Text))
    if samples is not None:
        describe.plot_samples(name, samples)
        wrote(samples)


def check(
    name: Annotated[str, typer.Argument(help="A method or an evaluator: its name, or the path of its file.")],
) -> None:
    """Check that a method or an evaluator fulfils its contract.

    The checks take seconds on a CPU. Each failed check says what to change.

    [bold]ratbench check my_method.py[/]
    """
    from suite.plugins import conformance

    failures = 0
    for promise, problem in conformance.check(name):
        failures += bool(problem)
        console.print(Text("fail", "red") if problem else Text("ok  ", "green"), promise)
        if problem:
            say(f"      {problem}")
    raise typer.Exit(1 if failures else 0)
