"""The catalogue of tasks: facts, sources of the files, and preprocessing."""

from dataclasses import replace
from typing import Literal

from suite.core.data.task_info import Hub, TaskInfo

DIGIT_NAMES = tuple("0123456789")
FASHION_NAMES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
IMAGENET_LICENCE = "ImageNet terms of access: non-commercial research and education"
COUNTED = "unverified: the numbers of images and classes; a commit pins files that are fetched"
CLASSED = "unverified: the numbers of images and the class names; a commit pins files that are fetched"

_IMAGENET = TaskInfo(
    name="imagenet-64",
    classes=1000,
    shape=(3, 64, 64),
    train=1_281_167,
    test=50_000,
    format="images",
    source="https://www.image-net.org/",
    licence=IMAGENET_LICENCE,
    class_names_from="the label names of the files, or the folders",
    checksum=COUNTED,
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
    folders=("imagenet-64", "imagenet", "benjamin-paine/imagenet-1k-64x64"),
    # It was not checked that this commit is complete; the numbers of images are checked when it is read.
    hub=Hub("benjamin-paine/imagenet-1k-64x64", "f12246fedf1127d5b34bea760b61ef00e0f3d603", "validation"),
)

_PLAIN = (
    TaskInfo(
        name="digits",
        classes=10,
        shape=(1, 8, 8),
        train=1501,  # Every sixth image of a class, in the published order, is a test image.
        test=296,
        format="digits",
        source="scikit-learn's load_digits: the test part of UCI's Optical Recognition of Handwritten Digits",
        licence="CC BY 4.0 (UCI)",
        class_names_from="the digits",
        checksum="sha256 of images and labels",
        class_names=DIGIT_NAMES,
        mirrored=False,
    ),
    TaskInfo(
        name="mnist",
        classes=10,
        shape=(1, 28, 28),
        train=60_000,
        test=10_000,
        format="idx",
        source="http://yann.lecun.com/exdb/mnist/",
        licence="CC BY-SA 3.0",
        class_names_from="the digits",
        checksum="MD5 of the unpacked files",
        mean=(0.1307,),
        std=(0.3081,),
        folders=("MNIST/raw", "mnist"),
        class_names=DIGIT_NAMES,
        mirrored=False,
        torchvision="MNIST",
    ),
    TaskInfo(
        name="fashion-mnist",
        classes=10,
        shape=(1, 28, 28),
        train=60_000,
        test=10_000,
        format="idx",
        source="https://github.com/zalandoresearch/fashion-mnist",
        licence="MIT",
        class_names_from="its README",
        checksum="MD5 of the unpacked files",
        mean=(0.2861,),
        std=(0.3530,),
        # The absolute path is that of Debian's package dataset-fashion-mnist.
        folders=("FashionMNIST/raw", "fashion-mnist", "/usr/share/datasets/fashion-mnist"),
        class_names=FASHION_NAMES,
        torchvision="FashionMNIST",
    ),
    TaskInfo(
        name="svhn",
        classes=10,
        shape=(3, 32, 32),
        train=73_257,
        test=26_032,
        format="torchvision",
        source="http://ufldl.stanford.edu/housenumbers/",
        licence="non-commercial use only",
        class_names_from="the digits; the files' label 10 is 0",
        checksum="MD5 of both files, checked by torchvision",
        mean=(0.4377, 0.4438, 0.4728),
        std=(0.1980, 0.2010, 0.1970),
        folders=(".", "SVHN", "svhn"),
        class_names=DIGIT_NAMES,
        mirrored=False,
        torchvision="SVHN",
    ),
    TaskInfo(
        name="cifar10",
        classes=10,
        shape=(3, 32, 32),
        train=50_000,
        test=10_000,
        format="torchvision",
        source="https://www.cs.toronto.edu/~kriz/cifar.html",
        licence="none stated; cite Krizhevsky 2009",
        class_names_from="batches.meta",
        checksum="MD5 of every batch, checked by torchvision",
        mean=(0.4914, 0.4822, 0.4465),
        # Over all pixels. The code of DC, DSA, DM, MTT, IDC and RaT-BPTT has (0.2023, 0.1994, 0.2010), the
        # mean of the deviations within images: contrasts are 22 to 30 % higher there.
        std=(0.2470, 0.2435, 0.2616),
        folders=(".", "CIFAR10", "cifar10"),
        torchvision="CIFAR10",
    ),
    TaskInfo(
        name="cifar10-jpeg",  # not the published pixels, so results are those of another task
        classes=10,
        shape=(3, 32, 32),
        train=50_000,
        test=10_000,
        format="images",
        source="the images of CIFAR-10, each compressed as JPEG, in parquet files",
        licence="none stated; cite Krizhevsky 2009",
        class_names_from="the label names of the files",
        checksum="sha256 of the JPEG files and labels",
        folders=("cifar10-jpeg",),
        like="cifar10",
    ),
    TaskInfo(
        name="cifar100",
        classes=100,
        shape=(3, 32, 32),
        train=50_000,
        test=10_000,
        format="torchvision",
        source="https://www.cs.toronto.edu/~kriz/cifar.html",
        licence="none stated; cite Krizhevsky 2009",
        class_names_from="the fine labels of meta",
        checksum="MD5 of every file, checked by torchvision",
        mean=(0.5071, 0.4866, 0.4409),
        std=(0.2673, 0.2564, 0.2762),
        folders=(".", "CIFAR100", "cifar100"),
        torchvision="CIFAR100",
    ),
    TaskInfo(
        name="tiny-imagenet",
        classes=200,
        shape=(3, 64, 64),
        train=100_000,
        test=10_000,  # the published validation images: the labels of the test images are secret
        format="images",
        source="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
        licence=IMAGENET_LICENCE,
        # Of 200 WordNet ids, the hub's edition has 18 that the archive lacks, and its own order.
        class_names_from="words.txt, or the WordNet ids; in the order of the ids",
        checksum=CLASSED,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        folders=("tiny-imagenet-200", "tiny-imagenet", "zh-plus/tiny-imagenet"),
        hub=Hub("zh-plus/tiny-imagenet", "b427d143d5e9bf39d5132c552063f3c5ba3facd6", test="valid"),
    ),
    TaskInfo(
        name="cub200-32",
        classes=200,
        shape=(3, 32, 32),
        train=5_994,
        test=5_794,
        format="images",
        source="https://www.vision.caltech.edu/datasets/cub_200_2011/",
        licence="non-commercial research and education",
        class_names_from="the label names of the files, or the folders",
        checksum=COUNTED,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        folders=("cub200", "bentrevett/caltech-ucsd-birds-200-2011"),
        hub=Hub("bentrevett/caltech-ucsd-birds-200-2011", "1ef09e021b0b65b40337f6f285909656f407f6e0"),
    ),
    TaskInfo(
        name="imagenette-128",
        classes=10,
        shape=(3, 128, 128),
        train=9_469,
        test=3_925,
        format="images",
        source="https://github.com/fastai/imagenette",
        licence=IMAGENET_LICENCE,
        class_names_from="the label names of the files, or the folders",
        checksum=CLASSED,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        folders=("imagenette2", "imagenette", "frgfm/imagenette"),
        # A commit of refs/convert/parquet, since main has a script that `datasets` no longer runs.
        hub=Hub(
            "frgfm/imagenette",
            "823b9fdada70ebfa6486d411b6d9f2cb96cb9117",
            test="validation",
            config="full_size",
        ),
    ),
    TaskInfo(
        name="imagewoof-128",
        classes=10,
        shape=(3, 128, 128),
        train=9_025,
        test=3_929,
        format="images",
        source="https://github.com/fastai/imagenette",
        licence=IMAGENET_LICENCE,
        class_names_from="the label names of the files, or the folders",
        checksum=CLASSED,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        folders=("imagewoof2", "imagewoof", "frgfm/imagewoof"),
        hub=Hub(
            "frgfm/imagewoof",
            "af6c57baa87510beab1f205fa6bd0d90b5ef2a71",
            test="validation",
            config="full_size",
        ),
    ),
    _IMAGENET,
    *(
        replace(
            _IMAGENET,
            name=f"imagenet-{side}",
            shape=(3, side, side),
            folders=("imagenet", "imagenet-1k", "ILSVRC/imagenet-1k"),
            like="imagenet-1k",
            # The hub asks for an account, and for the terms of access to be accepted there.
            hub=Hub("ILSVRC/imagenet-1k", "49e2ee26f3810fb5a7536bbf732a7b07389a47b5", "validation"),
        )
        for side in (128, 224)
    ),
)

# Whitened as RaT-BPTT's authors do it (`-zca`), and as MTT, TESLA and DATM do it (`-kornia`).
_WHITENED: dict[Literal["zca", "kornia"], tuple[str, ...]] = {
    "zca": ("cifar10", "cifar10-jpeg", "cifar100", "svhn", "tiny-imagenet", "cub200-32"),
    "kornia": ("cifar10", "cifar10-jpeg", "cifar100", "tiny-imagenet"),
}

CATALOGUE = {info.name: info for info in _PLAIN} | {
    f"{info.name}-{kind}": replace(info, name=f"{info.name}-{kind}", preprocessing=kind, mean=(), std=())
    for kind, names in _WHITENED.items()
    for info in _PLAIN
    if info.name in names
}
