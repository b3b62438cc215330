"""Submissions on digits as tests hand them in, and as somebody would forge them."""

import json
import tomllib
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import Result

from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Examples, Scores, Task
from suite.records.submission import MANIFEST, README, SET, Submission, sha256
from suite.submissions.pages import readme
from tests.support import foreign_sets
from tests.support.command_line import ratbench

NETWORK, RECIPE = "mlp-w64", "dc-300"
ABOUT = ("--paper", "https://arxiv.org/abs/2006.05929", "--code", "https://github.com/me/mine")
SIGNED = ("--signed-off-by", "Ada Lovelace <ada@example.org>")


def submit(file: Path, *more: str, name: str = "mine", ipc: int = 2) -> Result:
    """Pack a set; without --claim it is measured."""
    size = ("--task", "digits", "--ipc", str(ipc), "--method", name, "--cpu")
    given = (*size, *ABOUT, *SIGNED, "--network", NETWORK, "--recipe", RECIPE)
    return ratbench("submit", file, *given, *more)


def packed(folder: Path, *more: str, name: str = "mine", claim: str = "70") -> Path:
    """Return the folder of a submission whose claim is only stated, below `folder`."""
    (folder / "from").mkdir()
    file = foreign_sets.mtt(folder / "from")
    result = submit(file, "--claim", claim, "--output", str(folder / "submissions"), *more, name=name)
    assert result.exit_code == 0, result.output
    return folder / "submissions" / name


def signed(folder: Path, *, page: str | None = None, **changes: Any) -> Path:
    """Sign a folder as it is now, as who forges it can. page: another README.md than that of the facts."""
    old = tomllib.loads((folder / "submission.toml").read_text())
    made = Submission.model_validate({**old, **changes})
    (folder / README).write_text(readme(made) if page is None else page)
    made = made.sealed({name: sha256(folder / name) for name in (SET, MANIFEST, README)})
    (folder / "submission.toml").write_text(made.to_toml())
    return folder


def with_images(folder: Path, images: torch.Tensor, **more: torch.Tensor) -> Path:
    """Put other images into a submission, and sign it again."""
    tensors = load_file(folder / SET)
    tensors["images"] = images.reshape(tensors["images"].shape).contiguous()
    save_file({**tensors, **more}, folder / SET)
    return with_manifest(folder)


def with_manifest(folder: Path, **facts: Any) -> Path:
    """Let the manifest be that of the set as it is, and sign it again."""
    old = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**old, **facts, "sha256": sha256(folder / SET)}))
    return signed(folder)


def drawn(examples: Examples, ipc: int, seed: int = 0) -> SyntheticSet:
    """Return random real images as a set."""
    rng = torch.Generator().manual_seed(seed)
    rows = torch.stack([own[torch.randperm(len(own), generator=rng)[:ipc]] for own in examples.by_class()])
    return SyntheticSet(examples.images[rows], one_hot(examples.classes, ipc))


def know_seeds(patch: pytest.MonkeyPatch) -> None:
    """Let verifications take the seeds 2 ** 46, 2 ** 46 + 1, … instead of secret ones."""
    seeds = count(2**46)
    patch.setattr("suite.submissions.verify.secrets.randbits", lambda bits: next(seeds))


def retrained(name: str, trainings: dict[str, Any], task: Task, *, copies: int, seed: int) -> Scores:
    """Return accuracies around 70% in place of `suite.core.training.retrain_together.retrain`."""
    rng = np.random.default_rng(seed)
    assert len(task.test) > 0  # a read of the test split
    values = {label: tuple(rng.normal(0.7, 0.005, copies).tolist()) for label in trainings}
    return Scores({**values, "seconds": (0.0,) * copies})
