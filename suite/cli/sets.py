"""The commands about distilled sets in files: `ratbench evaluate`, `ratbench export`, `ratbench subset`."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from suite.cli.console import console, readable

Data = Annotated[
    Path | None, typer.Option(help="The data folder; else $RATBENCH_DATA, else ./data.", show_default=False)
]


def set_data(data: Path | None) -> None:
    """Let the data folder be `data`, if one was named, for this process and its children."""
    if data is not None:
        os.environ["RATBENCH_DATA"] = str(data.resolve())


@readable
def evaluate(
    file: Annotated[
        Path,
        typer.Argument(
            help="Tensors of torch, .h5, .safetensors, .parquet, or a folder of images or tensors."
        ),
    ],
    task: Annotated[str, typer.Option(help="A task that `ratbench list tasks` shows.")],
    ipc: Annotated[int, typer.Option(min=1, help="Images per class, for every class.")],
    recipe: Annotated[
        list[str] | None, typer.Option(help="A recipe. Repeatable.", show_default="dsa, which ranks")
    ] = None,
    network: Annotated[
        str | None, typer.Option(help="The network retrained.", show_default="the board's standard")
    ] = None,
    copies: Annotated[int, typer.Option(min=1, help="Fresh networks.")] = 5,
    name: Annotated[
        str | None, typer.Option(help="Its name on the board.", show_default="the file's")
    ] = None,
    store: Annotated[Path, typer.Option(help="Where records go.")] = Path("runs/external"),
    preprocessing: Annotated[
        Literal["task", "raw"] | None,
        typer.Option(
            help="task: as the task has its images; raw: pixels in [0, 1] or bytes.",
            show_default="inferred, and said",
        ),
    ] = None,
    cpus: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    gpu: Annotated[
        bool | None, typer.Option("--gpu/--cpu", help="Where.", show_default="a GPU where there is one")
    ] = None,
    data: Data = None,
) -> None:
    """Evaluate a distilled set that was made elsewhere. Nothing in the file is executed.

    Read are the pair images_best.pt and labels_best.pt, the dict of DC, DSA and DM, RaT-BPTT's .h5, a
    folder of images per class, a Hugging Face image dataset, and our own .safetensors.

    [bold]ratbench evaluate images_best.pt --task cifar10 --ipc 10[/]
    """
    from suite.cli import profiling
    from suite.core.networks.named import STANDARD
    from suite.external import evaluate
    from suite.records.cells import STANDARD_RECIPE

    set_data(data)
    request = evaluate.Request(
        path=file,
        task=task,
        ipc=ipc,
        recipes=recipe or [STANDARD_RECIPE],
        network=network or STANDARD,
        copies=copies,
        store=store,
        name=name,
        preprocessing=preprocessing,
    )
    try:
        complete = evaluate.evaluate(request, profiling.place(gpu, cpus, compile=True), console)
    except KeyboardInterrupt:
        console.print("interrupted; run the same command again to continue")
        raise typer.Exit(130) from None
    raise typer.Exit(0 if complete else 1)


@readable
def export(
    artefact: Annotated[Path, typer.Argument(help="A .safetensors file in a store's artefacts/.")],
    format: Annotated[
        Literal["hf", "folder", "pt"],
        typer.Option(help="hf: a Hugging Face dataset; folder: PNGs per class; pt: tensors, as MTT's."),
    ],
    output: Annotated[Path, typer.Option(help="The folder to write, new or empty.")],
    data: Data = None,
) -> None:
    """Write a synthetic set in a format that other code reads.

    [bold]ratbench export results/artefacts/0a1b….safetensors --format hf --output my-set[/]
    """
    from suite.external import export

    set_data(data)
    for line in (*export.export(artefact, format, output), f"wrote {output}"):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


@readable
def subset(
    artefact: Annotated[Path, typer.Argument(help="A .safetensors file in a store's artefacts/.")],
    ipc: Annotated[int, typer.Option(min=1, help="Images of each class to keep: the first so many.")],
    output: Annotated[
        Path | None, typer.Option(help="The .safetensors to write.", show_default="<artefact>-ipc<ipc>")
    ] = None,
) -> None:
    """Write the prefix of a synthetic set as an artefact of its own, a manifest beside it.

    It is worth a set distilled at that size only where the method ordered its images: boosted ones do.

    [bold]ratbench subset results/artefacts/0a1b….safetensors --ipc 5[/]
    """
    from suite.core.sets import subsets

    target = output or artefact.with_name(f"{artefact.stem}-ipc{ipc}.safetensors")
    subsets.write_prefix(artefact, ipc, target)
    console.print(f"wrote {target}", markup=False, highlight=False, soft_wrap=True)
