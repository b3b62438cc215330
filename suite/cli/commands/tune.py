"""The command that chooses the settings of a grid's methods: `ratbench tune`."""

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
    Set,
    StepTimeout,
    TimeLimit,
    set_data,
)
from suite.cli.running.deadline import Deadline


def tune(
    grid: Annotated[
        str, typer.Argument(help="A name from `ratbench list grids`, or the path of a .toml file.")
    ],
    tries: Annotated[int, typer.Option(min=1, help="Tries of each row, task and size.")],
    seconds: Annotated[
        float | None,
        typer.Option(
            help="Device-seconds that a set may cost. A few outer steps of each row are timed; its number of "
            "outer steps is what fits, and at most that of the grid.",
            show_default="no limit",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="The seed by which tries are sampled.")] = 0,
    output: Annotated[
        Path | None, typer.Option(help="The settings file to write.", show_default="STORE/settings.toml")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="The folder for records.", show_default="runs/GRID-tuning")
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
    dry_run: DryRun = False,
    data: Data = None,
) -> None:
    """Choose the settings of a grid's methods on the holdout, by one rule. Run it again to continue.

    Every row has the same number of tries at each task and size. The first has the settings of the grid; the
    others are sampled from the method's search space. Each try is distilled from train without the holdout,
    with the grid's first seed, and scored on the holdout by the grid's first evaluator. The test split is
    never read. The try with the best mean accuracy is chosen, or the earliest of several. The grid reads the
    file by its key `settings`.

    The exit codes are those of `ratbench run`.

    [bold]ratbench tune demo --tries 4 --seconds 10[/]

    [bold]ratbench tune my-grid.toml --tries 6 --seconds 60 --output my-grid.settings.toml --time-limit 1h[/]
    """
    deadline = Deadline(time_limit)  # counts from here, before slow imports

    def go() -> bool:
        from suite.cli.running import tuning
        from suite.cli.running.request import Request
        from suite.experiments.resources import Resources
        from suite.experiments.tuning.tries import Rule

        set_data(data)
        run = Request(
            grid=grid,
            settings=tuple(set_ or ()),
            store=store,
            inline=inline,
            address=address,
            resources=Resources.choose(
                cpus_per_trial, gpus_per_trial, compile=compile, deterministic=deterministic
            ),
            step_timeout=step_timeout,
        )
        rule = Rule(tries, seed, seconds, charge=run.resources.charged(1.0))
        request = tuning.TuningRequest(run, rule, output)
        if dry_run:
            tuning.dry_run(request)
            return True
        return tuning.tune(request, deadline)

    with deadline.watched():
        exit_with(go)
