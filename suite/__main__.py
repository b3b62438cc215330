"""The command line: `ratbench`, also `python -m suite`."""

from typing import Annotated

import typer

from suite.cli.commands import inspect, papers, profile, publish, run, sets, stores, submissions, tune
from suite.cli.commands.trust import audit, sign
from suite.cli.console import add, say

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        say(f"ratbench {version('rat-bench')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Distil datasets, retrain networks on the result, publish the leaderboard."""


add(app, run.run)
add(app, tune.tune)
add(app, papers.reproduce)
add(app, inspect.list_, "list")
add(app, inspect.show)
add(app, inspect.check)
add(app, profile.profile)
add(app, publish.leaderboard)
add(app, publish.site)
add(app, publish.release)
add(app, papers.atlas)
add(app, publish.figure)
add(app, publish.picture)
add(app, sets.evaluate)
add(app, sets.export)
add(app, sets.subset)
add(app, submissions.submit)
add(app, submissions.verify)
add(app, audit.audit)
add(app, sign.sign)
add(app, stores.status)
add(app, stores.compare)
add(app, stores.merge)
add(app, stores.forget)
add(app, stores.migrate)

if __name__ == "__main__":
    app()
