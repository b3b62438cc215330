"""Downloads of published files, by torchvision and from the Hugging Face hub.

Without a network, downloads fail within two seconds. torchvision is imported in this file only.
"""

import importlib
import os
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, partial
from pathlib import Path
from types import ModuleType

from filelock import FileLock
from torch.library import Library

PATIENCE = 1.0
"""Seconds after which a server without an answer counts as unreachable."""


class DataMissing(ValueError):
    """Data are missing and cannot be downloaded; the message lists the files and their folders."""


# The servers that torchvision tries first; copied, since importing torchvision takes seconds.
_ADDRESSES = {
    "CIFAR10": "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    "CIFAR100": "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    "SVHN": "http://ufldl.stanford.edu/housenumbers/train_32x32.mat",
    "MNIST": "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz",
    "FashionMNIST": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-images-idx3-ubyte.gz",
}


_FETCHING = ContextVar("fetching", default=True)


@contextmanager
def nothing_fetched() -> Iterator[None]:
    """Raise DataMissing for missing data, with the address from which they would be fetched."""
    before = _FETCHING.set(False)
    try:
        yield
    finally:
        _FETCHING.reset(before)


def reachable(url: str) -> bool:
    """Return whether `url` answers within PATIENCE, through the proxies of the environment."""
    answers: list[bool] = []
    # In a thread, since the lookup of a host name has no time limit.
    thread = threading.Thread(target=lambda: answers.append(_answers(url)), daemon=True)
    thread.start()
    thread.join(1.5 * PATIENCE)
    return bool(answers and answers[0])


def torchvision_datasets() -> ModuleType:
    """Import `torchvision.datasets`, even if torch has no CUDA and torchvision was built for it."""
    try:
        return importlib.import_module("torchvision.datasets")
    except RuntimeError as error:
        if "operator torchvision::nms does not exist" not in str(error):
            raise
    _define_missing_operators()
    return importlib.import_module("torchvision.datasets")


def download_torchvision(kind: str, root: Path, remedy: str) -> None:
    """Download or unpack torchvision's data set `kind` below `root`.

    Raises DataMissing, whose message ends with `remedy`, without a network or if `root` is not writable.
    """
    present = _archives_present(kind, root)
    if not (present or _FETCHING.get()):
        raise DataMissing(f"not here; a run would fetch {_ADDRESSES[kind]}. {remedy}")
    if not (present or reachable(_ADDRESSES[kind])):
        raise DataMissing(f"{_ADDRESSES[kind]} cannot be reached. {remedy}")
    published = getattr(torchvision_datasets(), kind)
    splits = [{"split": "train"}, {"split": "test"}] if kind == "SVHN" else [{}]
    try:
        (root / ".ratbench").mkdir(parents=True, exist_ok=True)
        with FileLock(root / ".ratbench" / f"{kind}.lock"):
            for split in splits:
                published(root, download=True, **split)
    except (OSError, RuntimeError, EOFError) as error:
        raise DataMissing(f"{kind} could not be fetched into {root} ({error}). {remedy}") from error


def download_hub(
    name: str, revision: str | None, choose: Callable[[Path, list[str]], Iterable[str]], remedy: str
) -> Path:
    """Return the folder of a dataset in the Hugging Face cache; without a network, what is there already.

    choose: which files to fetch, given a folder with the dataset's card and the paths of all its files.
    Raises DataMissing, ending in `remedy`, where they cannot be fetched, and what `choose` raises.
    """
    from huggingface_hub import HfApi, constants, snapshot_download

    endpoint = constants.ENDPOINT
    offline = os.environ.get("HF_HUB_OFFLINE", "0").upper() in {"1", "TRUE", "YES", "ON"}
    online = _FETCHING.get() and not offline and reachable(endpoint)
    fetch = partial(snapshot_download, name, repo_type="dataset", revision=revision)
    called = f"{name} at {revision or 'main'}"
    try:
        if not online:
            return Path(fetch(local_files_only=True))
        paths = HfApi().list_repo_files(name, repo_type="dataset", revision=revision)
        root = Path(fetch(allow_patterns=["README.md"]))
    except Exception as error:  # The hub's HTTP library, and therefore its errors, differ between versions.
        if not _FETCHING.get():
            raise DataMissing(f"not here; a run would fetch {endpoint}/datasets/{name}. {remedy}") from error
        state = f"could not be fetched ({error})" if online else f"needs {endpoint}, which cannot be reached"
        raise DataMissing(f"{called} {state}. {remedy}") from error
    wanted = list(choose(root, paths))
    try:
        return Path(fetch(allow_patterns=["README.md", *wanted]))
    except Exception as error:
        raise DataMissing(f"{called} could not be fetched ({error}). {remedy}") from error


def _answers(url: str) -> bool:
    try:
        request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "ratbench"})
        with urllib.request.urlopen(request, timeout=PATIENCE):  # nosec B310 # the answer is dropped
            return True
    except (OSError, ValueError):
        return False


@cache  # keep the library alive: torch removes the operators of a deleted library
def _define_missing_operators() -> Library:
    library = Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


_ARCHIVES = {"CIFAR10": "cifar-10-python.tar.gz", "CIFAR100": "cifar-100-python.tar.gz"}


def _archives_present(kind: str, root: Path) -> bool:
    """Return whether `root` has the published archive, which torchvision can unpack."""
    path = root / _ARCHIVES.get(kind, ".")
    if not path.is_file():
        return False
    published = getattr(torchvision_datasets(), kind)
    check = importlib.import_module("torchvision.datasets.utils").check_integrity
    return bool(check(path, published.tgz_md5))
