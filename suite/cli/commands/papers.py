"""The commands that compare with papers: `ratbench atlas` and `reproduce`."""

from pathlib import Path
from typing import Annotated

import typer

from suite.cli.commands.publish import RESULTS
from suite.cli.console import console, errors, exit_with, say, write, wrote
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
    writable,
)
from suite.cli.running.deadline import Deadline
from suite.core.files.atomic_write import write_output

REPRODUCTIONS = Path("runs/reproductions")


def atlas(
    stores: Annotated[
        list[Path] | None, typer.Argument(help="Stores to read.", show_default="results/")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="The Markdown file to write.", show_default="the terminal")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if the file is not up to date.")
    ] = False,
) -> None:
    """Compare every accuracy printed in a paper with the records of one or more stores.

    The printed accuracies come from `reported.toml` in a store, or else from the package.

    [bold]ratbench atlas results --output results/atlas.md[/]

    [bold]ratbench atlas results --output results/atlas.md --check[/]
    """
    from suite.board import files
    from suite.cli.reproducing.reproduction import published
    from suite.records.remote.reading import all_here

    sources = all_here(stores or [RESULTS])
    text = published(sources)
    target = output or sources[0] / "atlas.md"
    if not check and output is None:
        write(text)
    elif not check:
        write_output(writable(target), text.encode())
        wrote(target)
    elif difference := files.difference(target, text):
        say(difference, to=errors)
        say(f"{target} does not match the records; write it with --output {target}", to=errors)
        raise typer.Exit(1)


def reproduce(
    method: Annotated[str, typer.Argument(help="A method with printed accuracies.")],
    task: Annotated[str, typer.Argument(help="A task, or its family: cifar10 for cifar10-zca.")],
    ipc: Annotated[int, typer.Argument(min=1, help="Images per class.")],
    store: Annotated[
        Path, typer.Option(help="The folder for records; several reproductions can share it.")
    ] = REPRODUCTIONS,
    seeds: Annotated[int, typer.Option(min=1, help="Sets to distil; a single one decides nothing.")] = 3,
    copies: Annotated[int, typer.Option(min=1, help="Networks to retrain on each set.")] = 5,
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
    """Run one cell for which a paper prints an accuracy, and compare the accuracies.

    The method has its published settings. Network, retraining and preprocessing are those of the printed
    accuracy. The command prints that accuracy with its source, the method's differences from its paper, and
    the estimated cost. It then runs like `ratbench run`, and ends with the status. With --set the cell is
    another one, which is shown beside the printed accuracy but not compared.

    [bold]ratbench reproduce dm cifar10 10 --dry-run[/]

    [bold]ratbench reproduce rat_bptt cifar10 10 --seeds 2 --time-limit 8h[/]
    """
    deadline = Deadline(time_limit)  # counts from here, before slow imports

    def go() -> bool:
        from suite.cli import describe
        from suite.cli.reproducing import reproduction
        from suite.cli.running import preview, runner
        from suite.cli.running.request import Request
        from suite.experiments.resources import Resources
        from suite.plugins.differences import differences

        set_data(data)
        found = reproduction.find(method, task, ipc)
        request = Request(
            grid=found.name,
            made=found.grid(seeds, copies, set_ or ()),
            store=store,
            inline=inline,
            address=address,
            resources=Resources.choose(
                cpus_per_trial, gpus_per_trial, compile=compile, deterministic=deterministic
            ),
            step_timeout=step_timeout,
        )
        for line in found.before(seeds):
            say(line)
        if own := differences(method):
            console.print(describe.difference_table(own))
        done = True
        if dry_run:
            preview.dry_run(request)
        else:
            done = runner.run(request, deadline)
        for line in found.after(store):
            say(line)
        return done

    with deadline.watched():
        exit_with(go)
