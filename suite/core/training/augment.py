"""Augmentations in two steps: sample parameters from a generator, then apply them to images.

The same parameters can be applied twice, for example to real and synthetic images. Augmentations are
differentiable. Parameters sampled for one image broadcast over a batch.
The file of a plug-in adds augmentations as `AUGMENTATIONS = {"name": MyAugmentation()}`.
A name such as `color+move+cutout` has the parts in their order; `move` is a crop, scale or rotation.
Sources: DSA, arXiv 2102.08259; `+`, IDC, arXiv 2205.14959; flip-rotate, arXiv 2311.07025; crop-scale-rotate,
DC, arXiv 2006.05929; CutMix, arXiv 1905.04899; mixup, arXiv 1710.09412.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from suite.core.examples import Examples
from suite.core.names import Table
from suite.core.training.augmentation.mixing import CutMix as CutMix
from suite.core.training.augmentation.mixing import Mixup
from suite.core.training.augmentation.single import Augmentation as Augmentation
from suite.core.training.augmentation.single import AugmentParams as AugmentParams
from suite.core.training.augmentation.single import EachOneOf as EachOneOf
from suite.core.training.augmentation.single import Identity, ResizedCrop
from suite.core.training.augmentation.single import OneOf as OneOf
from suite.core.training.augmentation.single import Size as Size


def apply_each(augment: Augmentation, images: Tensor, params: Sequence[AugmentParams]) -> Tensor:
    """Augment batches (batches, n, …), each by its own parameters; images of one operation are done together.

    augment: one that does not mix images.
    """
    if len(images) == 1:
        return augment.apply(images[0], params[0])[None]
    batches, count, seen = images.unbind(), images.shape[1], dict[int, Tensor]()
    for operation in dict.fromkeys(each.operation for each in params):
        places = [place for place, each in enumerate(params) if each.operation == operation]
        uniform = torch.cat([params[place].uniform.expand(count, -1) for place in places])
        joined = torch.cat([batches[place] for place in places])
        changed = augment.apply(joined, AugmentParams(operation, uniform))
        seen |= dict(zip(places, changed.split(count), strict=True))
    return torch.stack([seen[place] for place in range(len(params))])


def augment_each(
    augment: Augmentation, images: Tensor, targets: Tensor, params: Sequence[AugmentParams]
) -> tuple[Tensor, Tensor]:
    """Augment batches of images (batches, n, …) and of targets (batches, n, …), each by its own parameters.

    targets: probabilities (batches, n, classes) if the augmentation mixes images.
    """
    if not augment.mixes:
        return apply_each(augment, images, params), targets
    size = images.shape[-2], images.shape[-1]
    seen = [augment.apply(batch, own) for batch, own in zip(images, params, strict=True)]
    mixed = [augment.mix(target, own, size) for target, own in zip(targets, params, strict=True)]
    return torch.stack(seen), torch.stack(mixed)


_MOVES = ("crop", "scale", "rotate")  # of which IDC draws one
_DSA = ("color", "crop", "cutout", "flip", "scale", "rotate")
_FREPO = tuple(f"frepo-{name}" for name in ("color", "crop", "rotate", "translate", "cutout"))

_OURS: dict[str, Augmentation] = {
    "none": Identity(),
    "dsa": OneOf(_DSA),
    "dsa-unmirrored": OneOf(tuple(name for name in _DSA if name != "flip")),
    "flip-rotate": OneOf(("flip", "rotate")),
    "frepo": OneOf(("flip", *_FREPO)),
    "frepo-unmirrored": OneOf(_FREPO),
    "frepo-uncoloured": OneOf(_FREPO[1:]),
    "crop-scale-rotate": EachOneOf(("dc-crop", "dc-scale", "dc-rotate")),
    "color+crop": OneOf(("crop",), before=("color",)),
    "color+crop+cutout": OneOf(("crop",), before=("color",), after=("cutout",)),
    "color+crop+cutmix": CutMix(OneOf(("crop",), before=("color",)), 0.5),
    "color+move": OneOf(_MOVES, before=("color",)),
    "color+move+cutout": OneOf(_MOVES, before=("color",), after=("cutout",)),
    "color+move+cutmix": CutMix(OneOf(_MOVES, before=("color",)), 0.5),
    "flip+color+move+cutmix": CutMix(OneOf(_MOVES, before=("flip", "color")), 0.5),
    "flip-cutmix": CutMix(OneOf(("flip",)), 1.0),
    "cutmix": CutMix(OneOf(("none",)), 1.0),
    "crop+flip": OneOf(("flip",), before=("crop",)),
    "crop": OneOf(("crop",)),
    "crop+flip+mixup": Mixup(OneOf(("flip",), before=("crop",)), 0.8),
    "crop+mixup": Mixup(OneOf(("crop",)), 0.8),
    "resize+flip": ResizedCrop(0.08),
    "resize": ResizedCrop(0.08, mirrors=False),
    "resize+flip+cutmix": CutMix(ResizedCrop(0.08), 1.0),
    "resize+cutmix": CutMix(ResizedCrop(0.08, mirrors=False), 1.0),
    "resize-25+flip+cutmix": CutMix(ResizedCrop(0.25), 1.0),
    "resize-25+cutmix": CutMix(ResizedCrop(0.25, mirrors=False), 1.0),
}

AUGMENTATIONS: Table[Augmentation] = Table("augmentation", _OURS)

_UNMIRRORED = {
    "dsa": "dsa-unmirrored",
    "frepo": "frepo-unmirrored",
    "flip+color+move+cutmix": "color+move+cutmix",
    "flip-cutmix": "cutmix",
    "crop+flip": "crop",
    "crop+flip+mixup": "crop+mixup",
    "resize+flip": "resize",
    "resize+flip+cutmix": "resize+cutmix",
    "resize-25+flip+cutmix": "resize-25+cutmix",
}
"""Augmentations with a flip -> those without. flip-rotate has none: its authors flip digits as well."""


def augment_for(name: str, train: Examples) -> str:
    """Return the augmentation `name`, or the one without flips if mirrored images may change their class."""
    return name if train.mirrored else _UNMIRRORED.get(name, name)


def augmentation(name: str, *, mixing: bool = False) -> Augmentation:
    """Return the augmentation named `name`.

    mixing: whether it may mix images, as CutMix does; then the caller must mix the targets.
    Raises ValueError for an unknown name, or for mixing that is not allowed.
    """
    found = AUGMENTATIONS[name]
    if found.mixes and not mixing:
        raise ValueError(
            f"augmentation {name!r} mixes images and labels; use one without, such as 'dsa',"
            " where only images are augmented"
        )
    return found
