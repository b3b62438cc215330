"""The command that runs a grid: `ratbench run`."""

from pathlib import Path
from typing import Annotated

import typer

from suite.cli.console import exit_with
from suite.cli.deadline import Deadline
from suite.cli.options import Data, set_data


def run(
    grid: Annotated[
        str, typer.Argument(help="A name from `ratbench list grids`, or the path of a .toml file.")
    ],
    store: Annotated[
        Path | None, typer.Option(help="The folder for records.", show_default="runs/GRID")
    ] = None,
    inline: Annotated[
        bool, typer.Option("--inline", help="Run one cell after another in this process, without Ray.")
    ] = False,
    address: Annotated[
        str | None, typer.Option(help="An existing Ray cluster: `auto`, or HEAD:6379, on one of its nodes.")
    ] = None,
    cpus_per_trial: Annotated[int, typer.Option(min=1, help="CPUs, and threads, of each trial.")] = 1,
    gpus_per_trial: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="GPUs of each trial; trials with a fraction share a GPU.",
            show_default="1 if there is a GPU",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Change a value of the grid, such as method.rat_bptt.window=40. Repeatable."
        ),
    ] = None,
    compile: Annotated[
        bool, typer.Option("--compile/--no-compile", help="Compile steps if that saves time.")
    ] = True,
    time_limit: Annotated[
        str | None,
        typer.Option(
            help="Stop within 90s, 9m, 1h30m, 00:09:00 or seconds: running trials write a checkpoint, and "
            "the same command goes on. Time is left for a step and a checkpoint of twice the usual seconds, "
            "and 10 s, or a tenth of a short limit, for the board.",
            show_default="none",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the cells with their status; run nothing.")
    ] = False,
    data: Data = None,
) -> None:
    """Run a grid. Run it again to continue.

    The exit code is 0 only if every cell is done, and 75 if the run was stopped by --time-limit, SIGTERM or
    SIGUSR1.

    [bold]ratbench run demo[/]

    [bold]ratbench run fashion-mnist-small --gpus-per-trial 0.25 --set method.rat_bptt.window=40[/]

    [bold]ratbench run my-grid.toml --store runs/mine --address auto --time-limit 1h30m[/]
    """
    deadline = Deadline(time_limit)  # counts from here, before slow imports

    from suite.cli import runner
    from suite.experiments.resources import Resources

    set_data(data)
    request = runner.Request(
        grid=grid,
        settings=tuple(set_ or ()),
        store=store,
        inline=inline,
        address=address,
        resources=Resources.choose(cpus_per_trial, gpus_per_trial, compile=compile),
    )
    if dry_run:
        runner.dry_run(request)
        return
    with deadline.watched():
        exit_with(lambda: runner.run(request, deadline))
