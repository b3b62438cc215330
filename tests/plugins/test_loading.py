"""Plug-ins' files: what they bring, when they are loaded again, and what is refused."""

from pathlib import Path

import pytest

from suite.core.networks.named import network
from suite.core.sets.parametrisations import PARAMETRISATIONS
from suite.core.training.augment import augmentation
from suite.core.training.recipes import recipe
from suite.plugins.loading import load

BRINGS = '''
"""A recipe, an augmentation, a network and a parametrisation."""

from dataclasses import dataclass, replace

from suite.core.networks.architectures import mlp
from suite.core.networks.named import Architecture
from suite.core.sets.parametrisations import Linear
from suite.core.training.augment import OneOf
from suite.core.training.recipes import RECIPES as KNOWN


@dataclass(frozen=True)
class Doubled(Linear):
    """Twice its bases."""

    kind = "NAME-doubled"

    def decode(self):
        return 2 * super().decode()


RECIPES = (replace(KNOWN["dc-300"], name="NAME-3", epochs=3),)
AUGMENTATIONS = {"NAME-flip": OneOf(("flip",))}
NETWORKS = {"NAME": Architecture("an MLP", r"w(?P<width>[1-9]\\d*)", "NAME-w8", mlp)}
PARAMETRISATIONS = (Doubled,)
'''


def written(folder: Path, name: str, text: str = BRINGS) -> Path:
    path = folder / f"{name}.py"
    path.write_text(text.replace("NAME", name))
    return path


def test_a_file_brings_one_of_each(tmp_path: Path) -> None:
    load(written(tmp_path, "all"))
    assert recipe("all-3").epochs == 3 and recipe("all-3:tf32").precision == "tf32"
    assert augmentation("all-flip").operations == ("flip",)  # type: ignore[attr-defined]
    assert network("all-w16", (1, 8, 8), 10).size == network("mlp-w16", (1, 8, 8), 10).size
    assert PARAMETRISATIONS["all-doubled"].kind == "all-doubled"


def test_a_file_is_loaded_again_if_it_has_changed(tmp_path: Path) -> None:
    path = written(tmp_path, "edited")
    first = load(path)
    assert load(path) is first
    path.write_text(path.read_text().replace("epochs=3", "epochs=4"))
    assert load(path) is not first and recipe("edited-3").epochs == 4


def test_two_files_of_one_name_are_two_modules(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    one = load(written(tmp_path, "same", "VALUE = 1"))
    other = load(written(tmp_path / "a", "same", "VALUE = 2"))
    assert (one.VALUE, other.VALUE) == (1, 2) and one.__name__ != other.__name__


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_module", "cannot be imported: ModuleNotFoundError"),
        ("def broken(:", "cannot be imported: SyntaxError"),
        ("raise SystemExit(0)", "cannot be imported: SystemExit"),
        ("NETWORKS = ('mlp',)", "NETWORKS must be a dict"),
        ("RECIPES = 'dsa-1000'", "RECIPES must be a tuple"),
        (
            "from suite.core.training.recipes import RECIPES as KNOWN\nRECIPES = (KNOWN['dsa-1000'],)",
            "recipe 'dsa-1000' of .* is taken by RaT-Bench; rename it",
        ),
    ],
)
def test_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(written(tmp_path, "refused", text))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no file .*absent\.py"):
        load(tmp_path / "absent.py")


def test_a_recipe_that_cannot_train_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "slow", BRINGS.replace("epochs=3", "lr=-1.0"))
    with pytest.raises(ValueError, match="recipe 'slow-3': give lr above 0"):
        load(path)
