"""Known data are identified by checksums and class names, not by the numbers of images alone.

Fashion-MNIST has the shapes and counts of MNIST, and Imagewoof ten classes as Imagenette has.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping

import torch

from suite.core.data.catalogue import CATALOGUE
from suite.core.data.reading.readers import Splits
from suite.core.data.task_info import TaskInfo

CHECKSUMS: dict[str, Mapping[str, str]] = {
    # sha256 of images and labels, made with scikit-learn 1.9.
    "digits": {
        "images": "8f26b2bd9d135c256808f68f14fdabddde6d9c7f869ae419704b051f0f14b3b3",
        "labels": "8ba4f891220f5e4c9c819638d1602d74b83618f167043c6da52a2a247841ddf0",
    },
    # MD5 of the unpacked files: archives of the same files differ in their headers.
    "mnist": {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    "fashion-mnist": {
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
    # sha256 of the JPEG files and the labels in their order, however the parquet files are written.
    "cifar10-jpeg": {
        "train": "a7a960472b39404570df6b4890e4efcedcebb21d5f99a2f21f9c3eec87a81e90",
        "test": "60ced8d786f08e2fcaeb7e384cbb1567716401c43c76ea352c16681145516e28",
    },
}
"""Checksums of the published files or their contents, by task; torchvision checks those of CIFAR and SVHN."""

_IMAGENETTE = {
    "n01440764": "tench",
    "n02102040": "English springer",
    "n02979186": "cassette player",
    "n03000684": "chain saw",
    "n03028079": "church",
    "n03394916": "French horn",
    "n03417042": "garbage truck",
    "n03425413": "gas pump",
    "n03445777": "golf ball",
    "n03888257": "parachute",
}
_IMAGEWOOF = {
    "n02086240": "Shih-Tzu",
    "n02087394": "Rhodesian ridgeback",
    "n02088364": "beagle",
    "n02089973": "English foxhound",
    "n02093754": "Border terrier",
    "n02096294": "Australian terrier",
    "n02099601": "golden retriever",
    "n02105641": "Old English sheepdog",
    "n02111889": "Samoyed",
    "n02115641": "dingo",
}


def hash_classes(names: Iterable[str]) -> str:
    """Return a sha256 of class names in any order: WordNet ids, or words by their first synonym."""
    words = (name.partition(",")[0].replace("_", " ").replace("-", " ").casefold() for name in names)
    return hashlib.sha256("\n".join(sorted(word.strip() for word in words)).encode()).hexdigest()


CLASSES: Mapping[str, frozenset[str]] = {
    "imagenette-128": frozenset(map(hash_classes, (_IMAGENETTE, _IMAGENETTE.values()))),
    "imagewoof-128": frozenset(map(hash_classes, (_IMAGEWOOF, _IMAGEWOOF.values()))),
    # The 200 ids of the archive, and those of the hub's edition, which differ in 18.
    "tiny-imagenet": frozenset(
        (
            "add4bf0c8712ef7fb4bca98e3bbaf07101636c5db62cce486fd2af71cc11caf8",
            "2986c9d88db568ce5ad7ac733fa50b40c27cb38e9e976691b58905e80d2daadf",
        )
    ),
}
"""`hash_classes` of the known classes of a task."""

_REMEDY = "put its published files there; own data are a task folder:/path or hf:/path"


def check(info: TaskInfo, contents: Splits) -> None:
    """Raise ValueError for other files than those of a catalogued task, saying whose they are if known."""
    if info.family in CATALOGUE:
        _check_sums(info, contents.checksums)
        _check_classes(info, contents.class_ids)


def check_complete(info: TaskInfo, contents: Splits) -> None:
    """Raise ValueError for files that are not the complete published data with a label for each image."""
    for split, raw, expected in (("train", contents.train, info.train), ("test", contents.test, info.test)):
        where = f"{info.name}: {split}"
        check_shape(info, split, expected, raw.images.shape)
        if len(raw.labels) != expected:
            raise ValueError(f"{where} has {expected} images and {len(raw.labels)} labels")
        present = torch.unique(raw.labels)
        if len(present) != info.classes or present[0] < 0 or present[-1] >= info.classes:
            raise ValueError(
                f"{where} has {len(present)} classes from {int(present[0])} to {int(present[-1])}, "
                f"not {info.classes} from 0"
            )
    if len(contents.class_names) != info.classes:
        raise ValueError(f"{info.name}: {len(contents.class_names)} class names for {info.classes} classes")


def check_shape(info: TaskInfo, split: str, expected: int, shape: tuple[int, ...]) -> None:
    """Raise ValueError for images of another shape or number than those of a task."""
    if shape[0] != expected:
        raise ValueError(f"{info.name}: {split} has {shape[0]} images, not the {expected} of {info.source}")
    if tuple(shape[1:]) != info.shape:
        raise ValueError(f"{info.name}: {split} has images of shape {tuple(shape[1:])}, not {info.shape}")


def unverified(info: TaskInfo) -> str:
    """Return a note on a catalogued task without a checksum; "" if its files are identified."""
    return info.checksum if info.checksum.startswith("unverified") else ""


def _check_sums(info: TaskInfo, found: Mapping[str, str]) -> None:
    published = CHECKSUMS.get(info.family, {})
    wrong = [name for name, checksum in published.items() if found.get(name) != checksum]
    if wrong:
        owner = next(
            (task for task, own in CHECKSUMS.items() if found.get(wrong[0]) == own.get(wrong[0])), None
        )
        whose = f"the files are those of {owner}" if owner else f"{wrong[0]} has another checksum"
        raise ValueError(f"these are not the data of {info.name}: {whose}; {_REMEDY}")


def _check_classes(info: TaskInfo, names: tuple[str, ...]) -> None:
    digest = hash_classes(names)
    owner = next((task for task, known in CLASSES.items() if digest in known), None)
    if owner == info.family or (owner is None and info.family not in CLASSES):
        return
    if owner:
        raise ValueError(
            f"these are not the data of {info.name}: the classes are those of {owner}; {_REMEDY}"
        )
    if all(re.fullmatch(r"n\d{8}", name) for name in names):
        raise ValueError(
            f"these are not the data of {info.name}, whose classes have other WordNet ids than "
            f"{names[0]}, …; {_REMEDY}"
        )
