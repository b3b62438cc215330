"""The command that runs a grid: `ratbench run`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from suite.cli.console import exit_with
from suite.cli.options import (
    Address,
    Compile,
    CpusPerTrial,
    Data,
    Deterministic,
    DryRun,
    GpusPerTrial,
    Inline,
    Log,
    Set,
    StepTimeout,
    TimeLimit,
    set_data,
)
from suite.cli.running.deadline import Deadline


def run(
    grid: Annotated[
        str, typer.Argument(help="A name from `ratbench list grids`, or the path of a .toml file.")
    ],
    store: Annotated[
        Path | None, typer.Option(help="The folder for records.", show_default="runs/GRID")
    ] = None,
    inline: Inline = False,
    address: Address = None,
    cpus_per_trial: CpusPerTrial = 1,
    gpus_per_trial: GpusPerTrial = None,
    set_: Set = None,
    compile: Compile = True,
    deterministic: Deterministic = False,
    time_limit: TimeLimit = None,
    step_timeout: StepTimeout = None,
    log: Log = None,
    dry_run: DryRun = False,
    data: Data = None,
) -> None:
    """Run a grid. Run it again to continue.

    The exit code is 0 only if every cell is done, and 75 if --time-limit, SIGTERM, SIGUSR1 or SIGHUP stopped
    the run. It is 2 after an error, or if the time limit is too short for a first outer step.

    [bold]ratbench run demo[/]

    [bold]ratbench run fashion-mnist-small --gpus-per-trial 0.25 --set method.rat_bptt.window=40[/]

    [bold]ratbench run my-grid.toml --store runs/mine --address auto --time-limit 1h30m[/]
    """
    deadline = Deadline(time_limit)  # counts from here, before slow imports

    def go() -> bool:
        from suite.cli.running import runner
        from suite.cli.running.request import Request
        from suite.experiments.resources import Resources

        set_data(data)
        request = Request(
            grid=grid,
            settings=tuple(set_ or ()),
            store=store,
            inline=inline,
            address=address,
            resources=replace(
                Resources.choose(
                    cpus_per_trial, gpus_per_trial, compile=compile, deterministic=deterministic
                ),
                packed=gpus_per_trial is None,
            ),
            step_timeout=step_timeout,
            log=log,
        )
        if dry_run:
            from suite.cli.running import preview

            preview.dry_run(request)
            return True
        return runner.run(request, deadline)

    with deadline.watched():
        exit_with(go)
