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
    what: Annotated[
        str,
        typer.Argument(
            metavar="GRID|METHOD",
            help="A grid: a name from `ratbench list grids`, or the path of a .toml file. Or a method: a "
            "name from `ratbench list methods`, or the path of a .py file, with --task and --ipc.",
        ),
    ],
    tries: Annotated[int, typer.Option(min=1, help="Tries of each row, task and size.")],
    task: Annotated[str | None, typer.Option(help="The task of a method.", show_default=False)] = None,
    ipc: Annotated[
        int | None, typer.Option(min=1, help="Images per class of a method's set.", show_default=False)
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            help="Device-seconds that a set may cost. For a grid, a few outer steps of each row are timed; a "
            "row gets as many outer steps as fit, at most the grid's number. The tries of a single method, "
            "and those of --halving, stop when the seconds are spent.",
            show_default="no limit",
        ),
    ] = None,
    halving: Annotated[
        bool,
        typer.Option(
            "--halving",
            help="Run all tries for a ninth of --seconds, or of the grid's last budget, the best third of "
            "them for a third of it, and the best third of these for all of it.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="The seed that samples the tries.")] = 0,
    output: Annotated[
        Path | None, typer.Option(help="The settings file to write.", show_default="STORE/settings.toml")
    ] = None,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep",
            help="Keep the settings in --output; choose only for the other rows, tasks and sizes.",
        ),
    ] = False,
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
    """Choose the settings of methods on the holdout, by one rule. Run it again to continue.

    Every row has the same number of tries at each task and size. The first try has the settings of the grid;
    the others are sampled from the method's search space. Each try is distilled from the training split
    without the holdout, with the grid's first seed, and scored on the holdout by the grid's first evaluator.
    The test split is never read. The try with the best mean accuracy is chosen; of equal tries, the first. A
    try that diverges or fails counts as a try. The grid's key `settings` names the file.

    The exit codes are those of `ratbench run`.

    [bold]ratbench tune demo --tries 4 --seconds 10[/]

    [bold]ratbench tune my-grid.toml --tries 6 --seconds 60 --output my-grid.settings.toml --time-limit 1h[/]

    [bold]ratbench tune dm --task fashion-mnist --ipc 10 --tries 9 --seconds 90 --halving[/]
    """
    deadline = Deadline(time_limit)  # counts from here, before slow imports

    def go() -> bool:
        from suite.cli.running import tuning
        from suite.cli.running.request import Request, one_method
        from suite.experiments.resources import Resources
        from suite.experiments.tuning.tries import Rule

        set_data(data)
        alone = one_method(what, task, ipc, set_ or ())
        run = Request(
            grid=alone.title if alone else what,
            settings=() if alone else tuple(set_ or ()),
            made=alone,
            store=store,
            inline=inline,
            address=address,
            resources=Resources.choose(
                cpus_per_trial, gpus_per_trial, compile=compile, deterministic=deterministic
            ),
            step_timeout=step_timeout,
        )
        by_time = halving or (seconds is not None and alone is not None)
        rule = Rule(tries, seed, seconds, by_time, halving, charge=run.resources.charged(1.0))
        request = tuning.TuningRequest(run, rule, output, keep)
        if dry_run:
            tuning.dry_run(request)
            return True
        return tuning.tune(request, deadline)

    with deadline.watched():
        exit_with(go)
