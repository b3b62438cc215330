"""The commands for distilled sets in files: `ratbench evaluate`, `export`, `subset`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from suite.cli.console import exit_with, say, wrote
from suite.cli.options import (
    Artefact,
    Cpus,
    Data,
    Factor,
    Gpu,
    Labels,
    Mean,
    Network,
    Preprocessing,
    Rate,
    Run,
    SetIpc,
    SetTask,
    Std,
    TrustLabels,
    set_data,
)


def evaluate(
    file: Annotated[
        Path,
        typer.Argument(
            help="A torch file, .h5, .npz, .safetensors or .parquet, a folder of images or torch files, or "
            "the address of a set in a store."
        ),
    ],
    task: SetTask,
    ipc: SetIpc,
    recipe: Annotated[
        list[str] | None,
        typer.Option(help="A retraining recipe. Repeatable.", show_default="dsa-1000, the leaderboard's"),
    ] = None,
    network: Network = None,
    copies: Annotated[
        int, typer.Option(min=1, help="Number of networks to train, each from a fresh initialisation.")
    ] = 5,
    name: Annotated[
        str | None, typer.Option(help="The set's name on the leaderboard.", show_default="the file's name")
    ] = None,
    store: Annotated[Path, typer.Option(help="The folder for records.")] = Path("runs/external"),
    preprocessing: Preprocessing = None,
    mean: Mean = None,
    std: Std = None,
    labels: Labels = None,
    trust_labels: TrustLabels = False,
    run: Run = None,
    factor: Factor = None,
    lr: Rate = None,
    cpus: Cpus = 1,
    gpu: Gpu = None,
    data: Data = None,
) -> None:
    """Retrain networks on a distilled set from other software.

    It reads MTT's images_best.pt with labels_best.pt and lr_best.pt, the .pt files of DC, DSA, DM, DataDAM
    and IDC, a dict of tensors, RaT-BPTT's .h5, numpy's .npz, a folder of images for each class, a Hugging
    Face image dataset, and RaT-Bench's .safetensors. Code in the file is never executed. Labels are compared
    with the training images.

    [bold]ratbench evaluate images_best.pt --task cifar10 --ipc 10[/]
    """
    from suite.cli.running import runner
    from suite.core.data import tasks
    from suite.core.networks.named import standard
    from suite.experiments.resources import Resources
    from suite.external.evaluate import Request
    from suite.external.preprocess import constants
    from suite.records.cells import STANDARD_RECIPE
    from suite.records.stores.addresses import find, made_of

    set_data(data)
    path = find(file)
    request = Request(
        path=path,
        task=task,
        ipc=ipc,
        recipes=recipe or [STANDARD_RECIPE],
        network=network or standard(tasks.describe(task).shape),
        copies=copies,
        name=name if path == file else name or str(made_of(path, "")),
        preprocessing=preprocessing,
        normalised=constants(mean, std),
        labels=labels,
        run=run,
        factor=factor,
        lr=lr,
        trust_labels=trust_labels,
    )
    resources = Resources.choose(cpus, gpu)
    exit_with(lambda: runner.retrain(runner.read(request, resources), store, resources))


def export(
    artefact: Artefact,
    format: Annotated[
        Literal["hf", "folder", "pt", "safetensors"],
        typer.Option(
            help="hf: a Hugging Face dataset; folder: PNGs by class; pt: MTT's torch files; safetensors: the "
            "set as RaT-Bench stores it."
        ),
    ] = "safetensors",
    bits: Annotated[
        int | None,
        typer.Option(
            metavar="8|4|2",
            help="Quantise the set to this many bits per value; --format hf, folder and pt write the decoded "
            "images.",
            show_default="32",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="The folder to write; it must be new or empty.", show_default="ROW-ipcN-seedN-ID-FORMAT"
        ),
    ] = None,
    push: Annotated[
        str | None,
        typer.Option(
            metavar="OWNER/NAME",
            help="Also upload it to the Hugging Face hub as this dataset; with --format hf.",
        ),
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="With --push: only you and your organisation see the dataset.")
    ] = False,
    data: Data = None,
) -> None:
    """Write a synthetic set in a format for other software, with a card and code that loads it.

    The card has the set's scores in its store. --push needs a token: run `hf auth login`, or set HF_TOKEN.

    [bold]ratbench export results:rat_bptt/ipc10/seed1 --format hf --output my-set[/]

    [bold]ratbench export results:rat_bptt/ipc10/seed1 --format hf --push me/my-set[/]

    [bold]ratbench export results:rat_bptt/ipc10/seed1 --bits 4 --output small[/]
    """
    if private and push is None:
        raise ValueError("--private belongs to --push; give both")
    from suite.external.export import export
    from suite.external.writers.hub import Repository
    from suite.records.stores.addresses import find, made_of

    set_data(data)
    path, repository = find(artefact), Repository(push, private) if push is not None else None
    target = output or made_of(path, f"-{format}" if bits is None else f"-{format}-{bits}bits")
    for line in (*export(path, format, target, push=repository, bits=bits), f"wrote {target}"):
        say(line)


def subset(
    artefact: Artefact,
    ipc: Annotated[int, typer.Option(min=1, help="Images per class to keep: the first ones.")],
    output: Annotated[
        Path | None,
        typer.Option(help="The .safetensors to write.", show_default="ROW-ipcN-seedN-ID-ipcN.safetensors"),
    ] = None,
) -> None:
    """Write the first images of each class as a separate artefact.

    Compare such a prefix with sets distilled at its size only if the method orders its images, as the boosted
    methods do.

    [bold]ratbench subset results:boosted_dm/ipc10/seed0 --ipc 5[/]
    """
    from suite.core.sets import subsets
    from suite.records.stores.addresses import find, made_of

    path = find(artefact)
    target = output or made_of(path, f"-ipc{ipc}.safetensors")
    subsets.write_prefix(path, ipc, target)
    wrote(target)
