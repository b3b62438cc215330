"""The command line: `ratbench`, also `python -m suite`."""

import signal
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

from suite.cli import sets
from suite.cli.console import console, errors, readable
from suite.cli.sets import Data, set_data

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False
)
RESULTS = Path("results")


@app.callback()
def main() -> None:
    """Distil datasets, retrain networks from scratch on what was made, publish the leaderboard."""


@app.command()
@readable
def run(
    grid: Annotated[
        str, typer.Argument(help="A name that `ratbench list grids` shows, or a path to a .toml.")
    ],
    store: Annotated[
        Path | None, typer.Option(help="Where records go.", show_default="runs/<grid name>")
    ] = None,
    inline: Annotated[
        bool, typer.Option("--inline", help="One after another in this process, without Ray.")
    ] = False,
    address: Annotated[
        str | None, typer.Option(help="An existing Ray cluster, such as `auto` or ray://head:10001.")
    ] = None,
    cpus_per_trial: Annotated[int, typer.Option(min=1, help="CPUs of a trial; also its threads.")] = 1,
    gpus_per_trial: Annotated[
        float | None,
        typer.Option(
            min=0.0, help="GPUs of a trial; fractions share one.", show_default="1 where there is a GPU"
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a value of the grid: method.rat_bptt.window=40. Repeatable."),
    ] = None,
    compile: Annotated[
        bool, typer.Option("--compile/--no-compile", help="Compile steps where that saves time.")
    ] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the cells, done and to do; run nothing.")
    ] = False,
    data: Data = None,
) -> None:
    """Run a grid; run it again to continue. Exit code 0 only if every cell is done.

    [bold]ratbench run demo[/]

    [bold]ratbench run fashion-mnist-small --gpus-per-trial 0.25 --set method.rat_bptt.window=40[/]

    [bold]ratbench run my-grid.toml --store runs/mine --address auto[/]
    """
    from suite.cli import driver

    set_data(data)
    signal.signal(signal.SIGTERM, _interrupt)
    request = driver.Request(
        grid=grid,
        settings=tuple(set_ or ()),
        store=store,
        inline=inline,
        address=address,
        cpus=cpus_per_trial,
        gpus=gpus_per_trial,
        compile=compile,
    )
    if dry_run:
        driver.dry_run(request, console)
        return
    try:
        complete = driver.run(request, console)
    except KeyboardInterrupt:
        console.print("interrupted; run the same command again to continue")
        raise typer.Exit(130) from None
    raise typer.Exit(0 if complete else 1)


def _interrupt(*_: Any) -> NoReturn:
    raise KeyboardInterrupt


@app.command("list")
@readable
def list_(
    what: Annotated[Literal["methods", "tasks", "evaluators", "recipes", "grids"], typer.Argument()],
) -> None:
    """List what there is, with a line about each.

    [bold]ratbench list methods[/]
    """
    from suite.cli import describe

    console.print(describe.table(what))


@app.command()
@readable
def show(name: Annotated[str, typer.Argument(help="A method, evaluator, task, recipe or grid.")]) -> None:
    """Show hyper-parameters with types and defaults, the paper, and the paper's settings.

    [bold]ratbench show rat_bptt[/]
    """
    from suite.cli import describe

    for part in describe.details(name):
        console.print(part)


@app.command()
@readable
def leaderboard(
    stores: Annotated[
        list[Path] | None, typer.Argument(help="Stores to read; else results/.", show_default=False)
    ] = None,
    format: Annotated[Literal["md", "csv", "json"], typer.Option(help="What to write.")] = "md",
    output: Annotated[
        Path | None,
        typer.Option(help="A file; Markdown puts its plots/ and pictures/ beside it. Else the terminal."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Fail where the file is not what the records give.")
    ] = False,
    label_weight: Annotated[float, typer.Option(min=0.0, max=1.0, help="Of IOR against HLR in LRS.")] = 0.5,
    augmentation_weight: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Of training with augmentation in ARS.")
    ] = 0.5,
) -> None:
    """Make the leaderboard from records.

    [bold]ratbench leaderboard runs/demo[/]

    [bold]ratbench leaderboard results --output results/leaderboard.md --check[/]
    """
    from suite.board import files
    from suite.board.dd_ranking import Weights

    sources, weights = stores or [RESULTS], Weights(label_weight, augmentation_weight)
    if output is None and not check:
        sys.stdout.write(files.render(files.load(sources, weights), format))
        return
    target = output or sources[0] / f"leaderboard.{format}"
    if not check:
        from suite.figures.publish import publish  # torch, for the pictures

        for path in publish(sources, target, format, weights):
            console.print(f"wrote {path}", markup=False, highlight=False, soft_wrap=True)
    elif difference := files.check(files.load(sources, weights), target, format):
        errors.print(difference, markup=False, highlight=False, soft_wrap=True)
        hint = f"{target} is not what the records give; write it with --output {target}"
        errors.print(hint, markup=False, soft_wrap=True)
        raise typer.Exit(1)


@app.command()
@readable
def check(method: Annotated[str, typer.Argument(help="A method's name, or a path to its .py file.")]) -> None:
    """Check that a method keeps the contract: seconds on a CPU, each failure says what to change.

    [bold]ratbench check my_method.py[/]
    """
    from suite.plugins import conformance, registry

    failures = 0
    cls = registry.method(method)
    for test in conformance.CHECKS:
        problem = conformance.problem(test, cls)
        failures += bool(problem)
        console.print(
            "[red]fail[/]" if problem else "[green]ok[/]  ", conformance.title(test), highlight=False
        )
        if problem:
            console.print(f"      {problem}", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1 if failures else 0)


@app.command()
@readable
def profile(
    method: Annotated[str, typer.Argument(help="A method's name, or a path to its .py file.")],
    task: Annotated[str, typer.Option(help="A task that `ratbench list tasks` shows.")],
    ipc: Annotated[int, typer.Option(min=1, help="Images per class.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A hyper-parameter: window=40. Repeatable.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Outer steps to record, after a first one.")] = 5,
    cpus: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    gpu: Annotated[
        bool | None, typer.Option("--gpu/--cpu", help="Where.", show_default="a GPU where there is one")
    ] = None,
    compile: Annotated[
        bool, typer.Option("--compile/--no-compile", help="Compile the inner steps, as a long trial does.")
    ] = True,
    data: Data = None,
) -> None:
    """Show where an outer step's time and memory go: what to run before a long job.

    [bold]ratbench profile rat_bptt --task cifar10-zca --ipc 10 --set window=40[/]
    """
    from suite.cli import profiling

    set_data(data)
    where = profiling.place(gpu, cpus, compile=compile)
    with errors.status("the first outer step, which may compile for minutes; then the ones that count"):
        found = profiling.profile(
            method, profiling.settings(set_ or ()), task=task, ipc=ipc, steps=steps, place=where
        )
    console.print(profiling.table(found, f"{method} on {task}, {ipc} images per class"))
    console.print(profiling.summary(found), markup=False, highlight=False, soft_wrap=True)


@app.command()
@readable
def picture(
    artefact: Annotated[Path, typer.Argument(help="A .safetensors file in a store's artefacts/.")],
    output: Annotated[
        Path | None, typer.Option(help="The PNG to write.", show_default="<artefact>.png")
    ] = None,
    columns: Annotated[int, typer.Option(min=1, help="Images of each class to show.")] = 10,
    data: Data = None,
) -> None:
    """Plot a synthetic set, one row per class, with the preprocessing undone.

    [bold]ratbench picture runs/demo/artefacts/0a1b….safetensors --output set.png[/]
    """
    from suite.figures.publish import plot_artefact

    set_data(data)
    target = output or artefact.with_suffix(".png")
    plot_artefact(artefact, target, columns=columns)
    console.print(f"wrote {target}", markup=False, highlight=False, soft_wrap=True)


@app.command()
@readable
def figure(
    what: Annotated[Literal["budget-curve", "curve", "gradient-study"], typer.Argument()],
    stores: Annotated[list[Path], typer.Argument(help="Stores with the records that it is drawn from.")],
    output: Annotated[
        Path | None, typer.Option(help="The PNG to write.", show_default="<figure>.png")
    ] = None,
) -> None:
    """Draw what stores have measured, and print it as a table.

    budget-curve: accuracy against images per class, of sets distilled at each size, prefixes and random
    subsets, with areas, gaps and costs; curve: accuracy against outer steps and seconds, of grids with
    `snapshots`; gradient-study: norm, spread, cosine to full BPTT and cost of meta-gradients against the
    unroll. The table is written beside the picture, too, as Markdown.

    [bold]ratbench figure gradient-study runs/gradient-study[/]
    """
    from suite.figures import budget_curve, gradient_study, snapshots

    module = {"budget-curve": budget_curve, "curve": snapshots, "gradient-study": gradient_study}[what]
    measured, target = module.measured(stores), output or Path(f"{what}.png")
    table = module.summary(measured).to_markdown(index=False, floatfmt=".3g") + "\n"
    sys.stdout.write(table)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(module.plot(measured))
    target.with_suffix(".md").write_text(f"{table}\n![{what}]({target.name})\n")
    for path in (target, target.with_suffix(".md")):
        console.print(f"wrote {path}", markup=False, highlight=False, soft_wrap=True)


app.command()(sets.evaluate)
app.command()(sets.export)
app.command()(sets.subset)

if __name__ == "__main__":
    app()
