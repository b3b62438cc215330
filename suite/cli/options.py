"""Options of several commands."""

import errno
import os
import tempfile
from pathlib import Path
from typing import Annotated, Literal

import typer

from suite.external import Kind
from suite.records.remote.place import url_of

Data = Annotated[
    Path | None,
    typer.Option(help="The data folder.", show_default="$RATBENCH_DATA, or else ./data"),
]
Cpus = Annotated[int, typer.Option(min=1, help="CPU threads.")]
Gpu = Annotated[
    bool | None,
    typer.Option("--gpu/--cpu", help="Run on a GPU or the CPU.", show_default="a GPU if there is one"),
]
Artefact = Annotated[
    Path,
    typer.Argument(
        help="A set: its address, such as results:rat_bptt/ipc10/seed1 (`ratbench list artefacts STORE`), or "
        "a .safetensors file."
    ),
]
Inline = Annotated[
    bool, typer.Option("--inline", help="Run one cell after another in this process, without Ray.")
]
Address = Annotated[
    str | None,
    typer.Option(
        help="An existing Ray cluster: `auto` or HEAD:6379. Run the command on one of its nodes.",
    ),
]
CpusPerTrial = Annotated[int, typer.Option(min=1, help="CPUs and threads of each trial.")]
GpusPerTrial = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        help="GPUs of each trial; trials with a fraction share a GPU.",
        show_default="1 if there is a GPU",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a value of the grid, such as method.rat_bptt.window=40. Repeatable."),
]
Compile = Annotated[bool, typer.Option("--compile/--no-compile", help="Compile steps if that saves time.")]
TimeLimit = Annotated[
    str | None,
    typer.Option(
        help="Stop within this time: 90s, 9m, 1h30m, 00:09:00 or seconds. Running trials write a "
        "checkpoint, and the same command continues the run. The limit reserves twice the usual seconds "
        "of a step and a checkpoint, and 10 s (or a tenth of a short limit) for the board.",
        show_default="none",
    ),
]
StepTimeout = Annotated[
    str | None,
    typer.Option(
        help="Stop an outer step, the start of a cell, or an evaluation that takes longer than this (90s, "
        "9m, 1h30m, 00:09:00 or seconds); its cell then counts as failed.",
        show_default="none",
    ),
]
Deterministic = Annotated[
    bool,
    typer.Option(
        "--deterministic",
        help="Give the same bits in each run on the same kind of device, even on a GPU. This is slower, "
        "since nothing is compiled.",
    ),
]
Log = Annotated[
    Literal["tensorboard", "wandb", "mlflow"] | None,
    typer.Option(
        help="Also log losses, accuracies and device-seconds there; files are in the store's log/.",
        show_default="none",
    ),
]
Signers = Annotated[
    Path | None,
    typer.Option(
        help="Whose signatures count: a file of names and SSH keys, in the format of git's allowed_signers.",
        show_default="none",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="List the cells with their status; run nothing.")]

SetTask = Annotated[str, typer.Option("--task", help="A task from `ratbench list tasks`.")]
SetIpc = Annotated[int, typer.Option("--ipc", min=1, help="Images per class.")]
Network = Annotated[
    str | None,
    typer.Option(help="The network to train.", show_default="by image size: convnet-d3-w128-in"),
]
Preprocessing = Annotated[
    Literal["task", "raw"] | None,
    typer.Option(
        help="task: the images are already preprocessed; raw: pixels in [0, 1] or bytes.",
        show_default="inferred from the values",
    ),
]
Mean = Annotated[
    str | None,
    typer.Option(
        help="The images were normalised with this mean, one value per channel: 0.4914,0.4822,0.4465.",
        show_default="the task's",
    ),
]
Std = Annotated[
    str | None,
    typer.Option(help="The standard deviation that belongs to --mean.", show_default="the task's"),
]
Labels = Annotated[
    Kind | None,
    typer.Option(
        help="The kind of learned labels. weights: rows with any sum; centred: 1 / classes was subtracted; "
        "centred-scaled: as in FRePo's files.",
        show_default="probabilities; weights in .h5 and RaT-Bench's files",
    ),
]
TrustLabels = Annotated[
    bool,
    typer.Option(
        "--trust-labels",
        help="Accept classes by number, and labels that do not agree with the training images.",
    ),
]
Run = Annotated[
    int | None,
    typer.Option(min=0, help="Which run to read, if the file has several.", show_default="the last one"),
]
Factor = Annotated[
    int | None,
    typer.Option(
        min=1, help="Decode multi-formations, such as IDC's: factor × factor images in each stored one."
    ),
]
Rate = Annotated[
    float | None,
    typer.Option(
        "--lr", help="The learned rate of the set, for recipes that use it.", show_default="the file's"
    ),
]


def folder_only(store: Path) -> Path:
    """Return the folder of a store that a command changes; raises ValueError for a URL."""
    if url := url_of(store):
        raise ValueError(
            f"{url}: this command changes only local folders; `ratbench merge {url} --output FOLDER` "
            "makes one"
        )
    return store


def set_data(data: Path | None) -> None:
    """Set the data folder of this process and its children, if `data` is given."""
    if data is not None:
        os.environ["RATBENCH_DATA"] = str(data.resolve())


def writable(target: Path) -> Path:
    """Return the file that a command is to write, with its folder; raises ValueError if it cannot be."""
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        no_folder = isinstance(error, FileExistsError)
        reason = os.strerror(errno.ENOTDIR) if no_folder else error.strerror
        raise ValueError(f"{target} cannot be written: {reason}; choose another --output") from None
    return target
