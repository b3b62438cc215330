"""The frozen recipes for retraining networks.

A recipe never changes: a changed recipe gets a new name (a test pins the digest of each recipe), so that
`dsa-1000` means the same in every release. Recipes use float32 products. Append `:bf16` or `:tf32` for
reduced precision: `dsa-1000:bf16` is a separate recipe, with separate records and columns.
The file of a plug-in adds recipes as `RECIPES = (Recipe(...),)`, an installed package by the entry point
group `ratbench.recipes`.
"""

from collections.abc import Sequence
from dataclasses import replace

from suite.core.names import Table, UnknownName, did_you_mean
from suite.core.precision import PRECISIONS
from suite.core.training.recipes.kinds import (
    FifthsRecipe,
    KLRecipe,
    Recipe,
    RegressionRecipe,
    StepDecayRecipe,
)
from suite.core.training.recipes.relabelled import RELABELLED


def _sgd(name: str, source: str, epochs: int, augment: str, batch: int = 256) -> Recipe:
    # The rate falls before epoch `epochs // 2 + 1`, counted from 0. In the papers' code it falls after that
    # epoch, one epoch more is run than stated, and the momentum is reset when the rate falls.
    return Recipe(name, source, "sgd", 0.01, augment, 0.9, 5e-4, epochs, epochs // 2 + 1, batch)


def _idc(name: str, what: str, augment: str) -> Recipe:
    source = f"IDC, arXiv 2205.14959: SGD, 1000 epochs, {what}"
    sgd = StepDecayRecipe(name, source, "sgd", 0.01, augment, 0.9, 5e-4, 1000, batch=64)
    return replace(sgd, factor=0.2)


def _ncfm(epochs: int) -> Recipe:
    source = f"NCFM, arXiv 2502.20653: AdamW, {epochs} epochs, augmentation of idc-1000-v2"
    augment = "flip+color+move+cutmix"
    plain = FifthsRecipe(f"ncfm-{epochs}", source, "adamw", 1e-3, augment, weight_decay=0.01, epochs=epochs)
    return replace(plain, batch=128, factor=0.5)


_RDED = KLRecipe(
    "rded-stored-300",
    "RDED, arXiv 2312.03526: AdamW, the set's soft labels at temperature 20, 300 epochs, flip, CutMix",
    "adamw",
    1e-3,
    "flip-cutmix",
    weight_decay=0.01,
    epochs=300,
    batch=50,
    temperature=20.0,
)

_FREPO = RegressionRecipe(
    "frepo-40000-v2",
    "FRePo, arXiv 2206.00719: Adam, squared error to centred labels, warm-up, cosine; FRePo's augmentation",
    "adam",
    3e-4,
    "frepo",
    batch=500,
    steps=40_000,
    warm_up=500,
    floor=0.01,
    # 200 images, as Tiny-ImageNet has at one per class, are an exception of the authors' table.
    lengths=((10, 1000), (100, 2000), (199, 5000), (200, 20_000), (500, 5000), (1000, 10_000)),
)

_RCIG = RegressionRecipe(
    "rcig-2000",
    "RCIG, arXiv 2302.06755: as frepo-40000-v2, at a third of the rate, 1000 steps for 10 images, else 2000",
    "adam",
    1e-4,
    "frepo",
    batch=256,
    steps=2000,
    warm_up=500,
    floor=0.01,
    lengths=((10, 1000),),
)

_OURS = (
    _sgd("dc-300", "Dataset Condensation, arXiv 2006.05929: SGD, 300 epochs, no augmentation", 300, "none"),
    _sgd(
        "dc-mnist-1000",
        "Dataset Condensation, arXiv 2006.05929, on MNIST: 1000 epochs; crop, scale or rotate each image",
        1000,
        "crop-scale-rotate",
    ),
    _sgd(
        "dsa-1000",
        "DSA, arXiv 2102.08259: SGD, 1000 epochs, DSA augmentation per image, on digits without flip",
        1000,
        "dsa",
    ),
    _sgd("datadam-1800", "DataDAM, arXiv 2310.00093: as dsa-1000; 1800 epochs, batch 64", 1800, "dsa", 64),
    Recipe(
        "rat-bptt-1000",
        "RaT-BPTT, arXiv 2311.07025: Adam, the method's own minibatches, flip-rotate; 1000 steps, fixed",
        "adam",
        1e-3,
        "flip-rotate",
        steps=1000,
    ),
    Recipe(
        "rtp-300",
        "RTP, arXiv 2206.02916: SGD without decay of rate or weights, 300 epochs, no augmentation",
        "sgd",
        0.01,
        "none",
        momentum=0.9,
        epochs=300,
        batch=640,
    ),
    _idc(
        "idc-1000-v2",
        "flip (not on digits), colour, and one of crop, scale and rotate; CutMix",
        "flip+color+move+cutmix",
    ),
    _idc("idc-mnist-1000", "for IDC on MNIST: colour, and one of crop, scale and rotate", "color+move"),
    _idc(
        "idc-svhn-1000",
        "for IDC-I on SVHN at one image: colour, one of crop, scale and rotate, cutout",
        "color+move+cutout",
    ),
    _RDED,
    replace(
        _RDED,
        name="rded-300-v2",
        source="RDED, arXiv 2312.03526: as rded-stored-300, but a teacher labels every augmented batch",
        teacher_epochs=20,
    ),
    replace(
        _sgd(
            "mtt-1000",
            "MTT, arXiv 2203.11932: as dsa-1000, at the learning rate that the set brings",
            1000,
            "dsa",
        ),
        learned_lr=True,
    ),
    replace(
        _sgd("datm-1000", "DATM, arXiv 2310.05773: as mtt-1000, in batches of 128", 1000, "dsa", 128),
        learned_lr=True,
    ),
    *map(_ncfm, (2000, 300, 40)),
    _FREPO,
    replace(
        _FREPO,
        name="frepo-mnist-40000",
        source=f"{_FREPO.source}; for MNIST and Fashion-MNIST, without flip",
        augment="frepo-unmirrored",
    ),
    _RCIG,
    replace(
        _RCIG,
        name="rcig-mnist-2000",
        source="RCIG, arXiv 2302.06755: as rcig-2000; for MNIST and Fashion-MNIST, without flip and colour",
        augment="frepo-uncoloured",
    ),
)

RECIPES: Table[Recipe] = Table("recipe", {each.name: each for each in (*_OURS, *RELABELLED)})

_ROUNDED = [precision for precision in PRECISIONS if precision != "float32"]


def recipe_on_real(name: str) -> Recipe:
    """Return the recipe named `name` for training on real images.

    Raises ValueError as `recipe` does, and for one with a teacher, which labels small sets, or with the
    learned rate of a set.
    """
    found = recipe(name)
    if found.learned_lr:
        raise ValueError(
            f"recipe {name!r} trains at the learned rate of a set, and train has none; use 'dsa-1000', or "
            "another one with a rate of its own"
        )
    if found.teacher_epochs:
        raise ValueError(f"recipe {name!r} has a teacher that labels the images; use one without for train")
    return found


def recipe_of_labels(name: str) -> Recipe:
    """Return the recipe named `name` for networks that train on the labels that they are given.

    Raises ValueError as `recipe` does, and for one whose teacher labels every batch in their place.
    """
    found = recipe(name)
    if found.teacher_epochs:
        raise ValueError(
            f"recipe {name!r} has a teacher that labels every batch in place of the given labels; choose one "
            "without, such as 'dsa-1000'"
        )
    return found


def recipe(name: str, *, besides: Sequence[str] = ()) -> Recipe:
    """Return the recipe named `name`, such as `dsa-1000` or `dsa-1000:bf16`.

    besides: other allowed words, for the error message.
    Raises ValueError for an unknown, former or corrected name, or an unknown precision.
    """
    base, colon, precision = name.partition(":")
    if base not in RECIPES:
        raise UnknownName(f"unknown recipe {name!r}; {did_you_mean(base, [*RECIPES, *besides])}")
    if not colon:
        return RECIPES[base]
    if found := [each for each in _ROUNDED if each == precision]:
        return replace(RECIPES[base], name=name, precision=found[0])
    raise ValueError(f"recipe {name!r}: {precision!r} is none of {', '.join(_ROUNDED)}; {base!r} is float32")
