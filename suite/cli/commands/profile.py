"""The command that times a method's outer step: `ratbench profile`."""

from typing import Annotated

import typer

from suite.cli.console import console, errors, say
from suite.cli.options import Cpus, Data, Gpu, set_data


def profile(
    method: Annotated[str, typer.Argument(help="A method's name, or the path of its .py file.")],
    task: Annotated[str, typer.Option(help="A task from `ratbench list tasks`.")],
    ipc: Annotated[int, typer.Option(min=1, help="Images per class.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Set a hyper-parameter, such as window=40. Repeatable.")
    ] = None,
    steps: Annotated[
        int,
        typer.Option(
            min=1, help="Outer steps to measure whole, and as many again by phase, after a first outer step."
        ),
    ] = 5,
    cpus: Cpus = 1,
    gpu: Gpu = None,
    compile: Annotated[
        bool, typer.Option("--compile/--no-compile", help="Compile the inner steps, as in a long trial.")
    ] = True,
    data: Data = None,
) -> None:
    """Show the time of an outer step, and the time and memory of its phases, before a long run.

    [bold]ratbench profile rat_bptt --task cifar10-zca --ipc 10 --set window=40[/]
    """
    from suite.cli import profiling
    from suite.experiments.resources import Resources

    set_data(data)
    resources = Resources.choose(cpus, gpu, compile=compile)
    with errors.status("measuring; compiling in the first outer step may take minutes"):
        found = profiling.profile(
            method, profiling.settings(set_ or ()), task=task, ipc=ipc, steps=steps, resources=resources
        )
    console.print(profiling.table(found, f"{method} on {task}, {ipc} images per class"))
    say(profiling.summary(found))
