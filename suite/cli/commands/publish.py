"""The commands that publish results: `ratbench leaderboard`, `site`, `release`, `figure`, `picture`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from suite.cli.console import console, errors, say, write, wrote
from suite.cli.options import Artefact, Data, Signers, set_data, writable
from suite.core.files.atomic_write import write_output
from suite.core.names import counted

if TYPE_CHECKING:
    from suite.records.record import Record
    from suite.site.details.papers import Aids

RESULTS = Path("results")


def leaderboard(
    stores: Annotated[
        list[Path] | None, typer.Argument(help="Stores to read.", show_default="results/")
    ] = None,
    format: Annotated[
        Literal["md", "csv", "json", "html"] | None,
        typer.Option(help="The format.", show_default="tables in a terminal, else md"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="The file to write; Markdown also writes plots/ and pictures/ beside it.",
            show_default="the terminal",
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Write nothing; fail if the file is not up to date, or if one task's name has records of "
            "several data.",
        ),
    ] = False,
    label_weight: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Weight of IOR in LRS; HLR gets the rest.")
    ] = 0.5,
    augmentation_weight: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Weight of the augmented term in ARS.")
    ] = 0.5,
    signers: Signers = None,
) -> None:
    """Make the leaderboard from the records of one or more stores.

    In a terminal its tables are short: rank, method, accuracy with its 95% interval, gap to the next better
    rank, device time of one distillation. Elsewhere, and with --output, it is complete.

    [bold]ratbench leaderboard runs/demo[/]

    [bold]ratbench leaderboard results --output results/leaderboard.md --check[/]
    """
    from suite.board import files
    from suite.board.dd_ranking import Weights
    from suite.board.render.terminal import terminal
    from suite.records.remote.mirror import STORE
    from suite.records.remote.reading import RECORDS, all_here

    scope = RECORDS if output is None and not check else STORE  # with sets, for pictures
    sources, weights = all_here(stores or [RESULTS], scope), Weights(label_weight, augmentation_weight)
    if output is None and not check:
        if format is None and console.is_terminal:
            for table in terminal(files.load(sources, weights, signers), console.width):
                console.print(table)
        else:
            write(files.render(files.load(sources, weights, signers), format or "md"))
        return
    format = format or "md"
    target = output or sources[0] / f"leaderboard.{format}"
    if not check:
        from suite.figures.publish import publish

        for path in publish(sources, writable(target), format, weights, signers):
            wrote(path)
        return
    board = files.load(sources, weights, signers)
    if difference := files.check(board, target, format):
        say(difference, to=errors)
        say(f"{target} does not match the records; write it with --output {target}", to=errors)
    for line in board.mixed:
        say(f"not to be published as one: {line}; keep each in a separate store", to=errors)
    if difference or board.mixed:
        raise typer.Exit(1)


def site(
    stores: Annotated[
        list[Path] | None, typer.Argument(help="Stores to read.", show_default="results/")
    ] = None,
    *,
    output: Annotated[Path, typer.Option(help="The folder to write, new or of an earlier site.")],
    signers: Signers = None,
) -> None:
    """Make a static site of one or more stores: the leaderboard to sort, filter and search.

    The site loads nothing from other hosts, and works from a folder or on any server. Other files in the
    folder stay.

    [bold]ratbench site results --output build/board[/]
    """
    from suite.records.remote.reading import all_here
    from suite.site.build import build

    written = build(all_here(stores or [RESULTS]), output, _aids, signers)
    say(f"wrote {counted(len(written), 'file')}; open {output / 'index.html'}")


def _aids(stores: Sequence[Path], records: "Sequence[Record]") -> "Aids":
    from suite.cli.publishing import aids  # torch, after the stores are read without a fault

    return aids(stores, records)


def release(
    name: Annotated[
        str | None, typer.Argument(help="The release, by its year and month: 2026.12, or 2026.12.1.")
    ] = None,
    stores: Annotated[
        list[Path] | None, typer.Argument(help="Stores to read.", show_default="results/")
    ] = None,
    output: Annotated[Path, typer.Option(help="The folder of all releases.")] = RESULTS / "releases",
    check: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write nothing; fail if the files of this release have changed."),
    ] = None,
) -> None:
    """Freeze the board: tables, atlas, records with hashes, checksums, changes since the last release.

    The same records give the same bytes, and a release is never overwritten. `sha256sum -c SHA256SUMS` also
    checks it.

    [bold]ratbench release 2026.12 results --output results/releases[/]

    [bold]ratbench release --check results/releases/2026.12[/]
    """
    from suite.board.releases import frozen

    if check is not None:
        if name is not None:
            raise ValueError("--check DIR takes neither a name nor stores; leave them out")
        found = frozen.problems(check)
        for problem in found:
            say(f"{check}: {problem}", to=errors)
        if found:
            raise typer.Exit(1)
        say(f"{check} is as it was released")
        return
    if name is None:
        raise ValueError("name the release by its year and month, such as 2026.12, or use --check DIR")
    frozen.number(name)

    from importlib.metadata import version

    from suite.board.releases.release import Made, release
    from suite.cli.reproducing.reproduction import published
    from suite.experiments.provenance import commit
    from suite.records.remote.reading import all_here

    sources = all_here(stores or [RESULTS])
    made = Made(version("rat-bench"), commit(), published(sources))
    wrote(release(name, sources, output, made))


def picture(
    artefact: Artefact,
    output: Annotated[
        Path | None, typer.Option(help="The PNG to write.", show_default="ROW-ipcN-seedN-ID.png")
    ] = None,
    columns: Annotated[int, typer.Option(min=1, help="Images of each class to show.")] = 10,
    nearest: Annotated[
        bool,
        typer.Option(
            "--nearest", help="Show the nearest train image below each image, and print a table of both."
        ),
    ] = False,
    data: Data = None,
) -> None:
    """Plot a synthetic set: one row for each class, with the preprocessing undone.

    --nearest also writes the table as Markdown beside the picture. Distances are root mean square differences
    of pixels in [0, 1]. An image is a copy if its nearest train image is at most as far from it as from all
    other train images.

    [bold]ratbench picture runs/demo:rat_bptt/ipc10/seed0 --output set.png[/]

    [bold]ratbench picture runs/demo:rat_bptt/ipc10/seed0 --nearest[/]
    """
    from suite.figures.publish import plot_artefact
    from suite.records.stores.addresses import find, made_of

    set_data(data)
    path = find(artefact)
    target = writable(output or made_of(path, ".png"))
    if not nearest:
        plot_artefact(path, target, columns=columns)
        wrote(target)
        return
    from suite.figures.nearest import plot_nearest

    table = plot_nearest(path, target, columns=columns).to_markdown(index=False, floatfmt=".3f") + "\n"
    _beside(target, "nearest images of train", table)


def _beside(target: Path, name: str, table: str) -> None:
    """Print a table, and write it beside the picture `target`, called `name`, that was written."""
    write(table)
    write_output(target.with_suffix(".md"), f"{table}\n![{name}]({target.name})\n".encode())
    for path in (target, target.with_suffix(".md")):
        wrote(path)


def figure(
    figure: Annotated[
        Literal["budget-curve", "curve", "gradient-study", "loss"],
        typer.Argument(metavar="FIGURE", help="budget-curve, curve, gradient-study or loss."),
    ],
    stores: Annotated[list[Path], typer.Argument(help="The stores to read.")],
    output: Annotated[Path | None, typer.Option(help="The PNG to write.", show_default="FIGURE.png")] = None,
    task: Annotated[str | None, typer.Option(help="Show this task only.", show_default="all")] = None,
    ipc: Annotated[int | None, typer.Option(min=1, help="Show this size only.", show_default="all")] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="Show this method only. Repeatable.", show_default="all")
    ] = None,
) -> None:
    """Plot results from one or more stores, and print them as a table.

    [bold]budget-curve[/]: accuracy against images per class, for sets distilled at each size, prefixes
    and random subsets, with areas, gaps and costs.

    [bold]curve[/]: accuracy against outer steps and seconds, for grids with `snapshots` or budgets.

    [bold]gradient-study[/]: norm, spread, cosine to full BPTT and cost of meta-gradients against the
    length of the unroll.

    [bold]loss[/]: loss against outer steps, a panel for each method.

    The command also writes the table as Markdown beside the picture.

    [bold]ratbench figure gradient-study runs/gradient-study[/]
    """
    from suite.figures import budget_curve, gradient_study, loss, narrowing, snapshots
    from suite.records.remote.reading import RECORDS, all_here

    modules = {
        "budget-curve": budget_curve,
        "curve": snapshots,
        "gradient-study": gradient_study,
        "loss": loss,
    }
    module, target = modules[figure], writable(output or Path(f"{figure}.png"))
    wanted: dict[str, Sequence[str | int]] = {
        "task": [task] if task else [],
        "ipc": [ipc] if ipc else [],
        "method": method or [],
    }
    measured = narrowing.narrowed(module.measured(all_here(stores, RECORDS)), wanted, module.NARROWED, figure)
    table = module.summary(measured).to_markdown(index=False, floatfmt=".3g") + "\n"
    write_output(target, module.plot(measured))
    _beside(target, figure, table)
