"""The command that checks whether the records of stores can be believed: `ratbench audit`."""

import json
import logging
from pathlib import Path
from typing import Annotated, Literal

import typer

from suite.cli.console import say, write
from suite.cli.options import Data, Signers, TimeLimit, set_data


def audit(
    stores: Annotated[list[Path], typer.Argument(help="The stores; they are only read.")],
    rescore: Annotated[
        int, typer.Option(min=0, help="Repeat this number of random evaluations on this machine.")
    ] = 0,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="The seed of that choice.", show_default="drawn, and printed"),
    ] = None,
    time_limit: TimeLimit = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what --rescore would repeat, and how long that took.")
    ] = False,
    signers: Signers = None,
    format: Annotated[
        Literal["text", "json"], typer.Option(help="text: a line for each finding; json: one object.")
    ] = "text",
    data: Data = None,
) -> None:
    """Check whether the records of stores can be believed: every hash, every link, every figure.

    An error is an impossible value, or a broken hash or link; a doubt may be correct, but somebody should
    look at it. The command writes nothing, so it works during a run. The exit code is 0 without errors, 1
    with errors.

    [bold]ratbench audit results[/]

    [bold]ratbench audit results --rescore 5 --time-limit 30m[/]
    """
    from suite.cli.trust import auditing
    from suite.cli.trust.rescoring import Wanted

    wanted = Wanted(rescore, seed, time_limit, dry_run)
    set_data(data)
    if format == "json":
        logging.getLogger("suite").setLevel(logging.WARNING)  # it logs to the standard output
    report = auditing.audited(stores, wanted, signers, say if format == "text" else auditing.unsaid)
    if format == "json":
        write(json.dumps(report.fields, indent=1, ensure_ascii=False) + "\n")
    raise typer.Exit(0 if report.sound else 1)
