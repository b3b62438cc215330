"""A set becomes a folder for a pull request: everything in it, nothing else, and signed."""

import json
from pathlib import Path

import pytest
import torch

import suite
from suite.core.sets.artefacts import load_artefact, save_set
from suite.core.sets.parametrisations import MultiFormation
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet
from suite.records.submission import HANDED_IN, Submission
from suite.submissions import pack
from tests.support import foreign_sets
from tests.support.command_line import refused
from tests.support.submissions import packed, submit

pytestmark = pytest.mark.usefixtures("elsewhere", "read_here")


def test_the_folder_has_the_set_exactly(tmp_path: Path) -> None:
    folder = packed(tmp_path, "--device-seconds", "12.5", "--device", "NVIDIA H100", "--title", "Mine, 2026")
    assert sorted(path.name for path in folder.iterdir()) == sorted(HANDED_IN)
    synthetic, manifest = load_artefact(folder / "set.safetensors")
    assert torch.equal(synthetic.images, foreign_sets.digits().images) and synthetic.hard
    assert manifest["trial"]["method"] == "external:mine" and 'name = "set"' in manifest["loader"]
    own = Submission.read(folder)
    assert own.claim.accuracy == 0.7 and not own.claim.measured and own.claim.copies == 5
    assert own.signed_off_by == "Ada Lovelace <ada@example.org>" and own.device == "NVIDIA H100"
    assert own.data == manifest["data"] and own.versions["torch"] == torch.__version__
    text = (folder / "README.md").read_text()
    for part in ("# Mine, 2026", "70.0%", "as stated by its authors", "12.5 device-seconds on NVIDIA H100"):
        assert part in text


def test_every_field_of_our_own_artefact_is_kept(tmp_path: Path) -> None:
    """Also when a submission is itself handed in."""
    plain, minibatch = foreign_sets.digits(), Minibatch(per_class=1)
    soft = plain.labels + torch.rand(plain.labels.shape, generator=torch.Generator().manual_seed(0)) / 2
    code = MultiFormation(plain.images, 2)
    sets = [
        SyntheticSet(plain.images, soft, minibatch, None, 0.02),
        SyntheticSet.from_parametrisation(code, minibatch),
        SyntheticSet(plain.images, soft, minibatch).quantised(4),
    ]
    for kind, made in enumerate(sets):
        file = tmp_path / f"{kind}.safetensors"
        save_set(made, file, foreign_sets.task())
        for name in (f"one{kind}", f"two{kind}"):
            result = submit(file, "--claim", "50", "--trust-labels", name=name)
            assert result.exit_code == 0, result.output
            file = Path("results/submissions") / name / "set.safetensors"
            found = suite.load_set(file)
            assert (found.lr, found.minibatch) == (made.lr, minibatch)
            assert torch.equal(found.labels, made.labels) and torch.equal(found.images, made.images)
            assert (found.parametrisation is None) == (made.parametrisation is None)


@pytest.mark.parametrize(
    ("more", "parts"),
    [
        (("--method", "My Set"), ("--method: 'My Set' is not a name",)),
        (("--method", "../mine"), ("--method: '../mine' is not a name",)),
        (("--paper", "javascript:alert(1)"), ("--paper: 'javascript:alert(1)' is not a URL",)),
        (("--code", "github.com/me"), ("--code: 'github.com/me' is not a URL",)),
        (("--title", "<b>"), ("--title: '<b>' must be one line of plain text",)),
        (("--licence", "my own"), ("--licence: 'my own'",)),
        (("--author", "Ada"), ("--signed-off-by: 'Ada' must be a name and an email address",)),
        (("--device", ""), ("--device: '' must be one line",)),
        (("--claim", "0.71"), ("--claim 0.71: give the mean accuracy in percent, such as 71.2",)),
        (("--claim", "101"), ("in percent",)),
        (("--claim", "nan"), ("in percent",)),
        (("--recipe", "dc300"), ("did you mean 'dc-300'?",)),
        (("--task", "folder:mine"), ("task 'folder:mine'",)),
        (("--task", "digits:holdout"), ("a submission is for a task of `ratbench list tasks`",)),
        (("--ipc", "3"), ("10 classes of 3 images make 30",)),
        (("--mean", "0.5"), ("--mean and --std belong together",)),
    ],
)
def test_a_mistake_is_told_and_nothing_is_written(
    more: tuple[str, str], parts: tuple[str, ...], tmp_path: Path
) -> None:
    claim = () if "--claim" in more else ("--claim", "70")
    refused(submit(foreign_sets.mtt(tmp_path), *claim, *more), *parts)
    assert not Path("results").exists() and not Path("runs").exists()


def test_a_name_is_given_once_in_any_case(tmp_path: Path) -> None:
    folder = packed(tmp_path)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    taken = ("--claim", "90", "--output", str(folder.parent))
    refused(submit(tmp_path / "from", *taken), "there is a submission 'mine'", "choose another --method")
    refused(submit(tmp_path / "from", *taken, name="dm"), "--method dm: that is a method of RaT-Bench")
    folder.rename(folder.with_name("MINE"))
    refused(submit(tmp_path / "from", *taken), "there is a submission 'MINE'")
    assert list(before.values()) == [
        folder.with_name("MINE").joinpath(path.name).read_bytes() for path in before
    ]


def test_who_signs_is_git_s_user_or_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, str(tmp_path / "gitconfig"))
    (tmp_path / "gitconfig").write_text("")
    with pytest.raises(ValueError, match=r"nobody signs this off.*--signed-off-by"):
        pack.signature(None)
    (tmp_path / "gitconfig").write_text("[user]\nname = Ada\nemail = ada@example.org\n")
    assert pack.signature(None) == "Ada <ada@example.org>"
    assert pack.signature("Eve <eve@example.org>") == "Eve <eve@example.org>"
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match="nobody signs"):
        pack.signature(None)


def test_a_measured_claim_is_the_evaluation(tmp_path: Path) -> None:
    result = submit(foreign_sets.mtt(tmp_path), "--copies", "2")
    assert result.exit_code == 0, result.output
    assert "wrote results/submissions/mine" in result.stdout and "ratbench verify" in result.stdout
    claim = Submission.read(Path("results/submissions/mine")).claim
    path = Path("runs/external/records").glob("*/*/*.json")
    records = [json.loads(each.read_text()) for each in path]
    (values,) = (each["scores"]["accuracy"] for each in records if each["scores"])
    assert list(claim.accuracies) == values and claim.accuracy == pytest.approx(sum(values) / 2)
    assert (claim.low, claim.high) == pytest.approx((min(values), max(values)))
    assert "measured by `ratbench submit`" in Path("results/submissions/mine/README.md").read_text()
