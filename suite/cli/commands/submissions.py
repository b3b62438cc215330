"""The commands for sets that are handed in: `ratbench submit`, `verify`."""

from pathlib import Path
from typing import Annotated

import typer

from suite.cli.console import exit_with, say, wrote
from suite.cli.options import (
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
    folder_only,
    set_data,
)
from suite.records.cells import STANDARD_RECIPE


def submit(
    file: Annotated[
        Path,
        typer.Argument(
            help="A set in any format that `ratbench evaluate` reads, or the address of a set in a store."
        ),
    ],
    task: SetTask,
    ipc: SetIpc,
    *,
    method: Annotated[
        str, typer.Option(help="The submission's name: lower-case letters, digits, - _ and dots.")
    ],
    paper: Annotated[str, typer.Option(help="The address of the paper.")],
    code: Annotated[str, typer.Option(help="The address of the code.")],
    title: Annotated[
        str | None, typer.Option(help="The method's title.", show_default="the submission's name")
    ] = None,
    licence: Annotated[str, typer.Option(help="The set's licence, as SPDX names it.")] = "MIT",
    signed_off_by: Annotated[
        str | None,
        typer.Option(
            "--signed-off-by",
            "--author",
            help="Who certifies that the set may be handed in (developercertificate.org): 'Name <address>'.",
            show_default="the user of git",
        ),
    ] = None,
    device_seconds: Annotated[
        float | None,
        typer.Option(min=0.0, help="Device-seconds of the distillation.", show_default="not stated"),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="The device of the distillation.", show_default="not stated")
    ] = None,
    claim: Annotated[
        float | None,
        typer.Option(
            help="A mean accuracy in percent that was measured elsewhere.", show_default="measured here"
        ),
    ] = None,
    recipe: Annotated[str, typer.Option(help="The retraining recipe of the claim.")] = STANDARD_RECIPE,
    network: Network = None,
    copies: Annotated[int, typer.Option(min=1, help="Retrained networks of the claim.")] = 5,
    output: Annotated[Path, typer.Option(help="The folder of submissions.")] = Path("results/submissions"),
    store: Annotated[Path, typer.Option(help="The folder for records of the measurement.")] = Path(
        "runs/external"
    ),
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
    """Pack a distilled set into a folder for a pull request.

    The folder has the set, its signed facts and a claimed accuracy, which is measured as by `ratbench
    evaluate` unless --claim states it. Nothing is sent anywhere.

    [bold]ratbench submit images_best.pt --task cifar10 --ipc 10 --method my-method --paper
    https://arxiv.org/abs/2311.07025 --code https://github.com/me/my-method[/]
    """
    from suite.cli.running import runner
    from suite.core.data import tasks
    from suite.core.networks.named import standard
    from suite.experiments.resources import Resources
    from suite.external.evaluate import Request
    from suite.external.preprocess import constants
    from suite.records.store import Store
    from suite.records.stores.addresses import find
    from suite.submissions import pack

    set_data(data)
    folder_only(store)
    folder, resources = output / method, Resources.choose(cpus, gpu)
    about = pack.facts(
        folder,
        name=method,
        title=method if title is None else title,
        paper=paper,
        code=code,
        licence=licence,
        signed_off_by=pack.signature(signed_off_by),
        task=task,
        ipc=ipc,
        trust_labels=trust_labels,
        device_seconds=device_seconds,
        device=device,
    )
    trained = network or standard(tasks.describe(task).shape)
    made = None if claim is None else pack.stated(claim, copies, recipe, trained)
    request = Request(
        path=find(file),
        task=task,
        ipc=ipc,
        recipes=[recipe],
        network=trained,
        copies=copies,
        name=method,
        preprocessing=preprocessing,
        normalised=constants(mean, std),
        labels=labels,
        run=run,
        factor=factor,
        lr=lr,
        trust_labels=trust_labels,
    )

    def complete() -> bool:
        found = runner.read(request, resources)
        measured = made
        if measured is None:
            if not runner.retrain(found, store, resources):
                return False
            record = Store(store).record(found.job.evaluations[0].id, found.job.data)
            assert record is not None
            measured = pack.measured(record, recipe, trained)
        pack.write(found, about, measured, folder, resources)
        wrote(folder)
        say(
            f"next: ratbench verify {folder} --output report, then open a pull request that adds the first "
            "folder and nothing else"
        )
        return True

    exit_with(complete)


def verify(
    folder: Annotated[Path, typer.Argument(help="A folder that `ratbench submit` wrote.")],
    output: Annotated[
        Path | None,
        typer.Option(help="The folder for the report and the records.", show_default="FOLDER/verification"),
    ] = None,
    copies: Annotated[int, typer.Option(min=1, help="Networks to retrain; at least 5.")] = 5,
    recipe: Annotated[
        list[str] | None,
        typer.Option(help="A further recipe besides the claim's. Repeatable.", show_default="none"),
    ] = None,
    cpus: Cpus = 1,
    gpu: Gpu = None,
    data: Data = None,
) -> None:
    """Verify a submission: search the set for test images, retrain networks, judge the claim.

    The command draws new seeds, and reads the set in a confined child process. Exit code 0: verified; 1:
    refused, with the reason in the report; 2: the folder has changed since it was packed.

    Before a pull request, write the report elsewhere: only maintainers add it to the folder.

    [bold]ratbench verify results/submissions/my-method --output report[/]
    """
    from suite.cli.running import runner
    from suite.experiments.resources import Resources
    from suite.records.submission import VERIFICATION
    from suite.submissions import verify

    set_data(data)
    target = output or folder / VERIFICATION
    if output is None and target.exists():
        raise ValueError(
            f"{folder} is verified already; use --output to write another report, or remove {target}"
        )

    def complete() -> bool:
        outcome = verify.verify(folder, copies, recipe or [], Resources.choose(cpus, gpu), runner.work)
        if outcome.reason:
            say(f"refused: {outcome.reason}")
        if output is not None or not outcome.reason:  # a refusal leaves the folder as it was
            for path in verify.write(outcome, target):
                wrote(path)
        if not outcome.reason:
            say(f"verified: {verify.told(outcome)}")
        return not outcome.reason

    exit_with(complete)
