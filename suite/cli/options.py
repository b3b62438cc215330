"""Options of several commands."""

import os
from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None,
    typer.Option(help="The data folder.", show_default="$RATBENCH_DATA, or else ./data"),
]
Cpus = Annotated[int, typer.Option(min=1, help="CPU threads.")]
Gpu = Annotated[
    bool | None,
    typer.Option("--gpu/--cpu", help="Run on a GPU or the CPU.", show_default="a GPU if there is one"),
]
Artefact = Annotated[Path, typer.Argument(help="A .safetensors file from a store's artefacts/.")]


def set_data(data: Path | None) -> None:
    """Set the data folder of this process and its children, if `data` is given."""
    if data is not None:
        os.environ["RATBENCH_DATA"] = str(data.resolve())
