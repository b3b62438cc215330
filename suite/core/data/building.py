"""Prepare a task for the cache: as floats, or as bytes where floats would be too large."""

import hashlib
import json
import logging
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from suite.core.data import cache, identity
from suite.core.data.cache import Building, Facts, Tensors
from suite.core.data.found import find
from suite.core.data.preprocessing import ZCA, KorniaZCA, Normalise, Whitening
from suite.core.data.reading.readers import CHUNK, Raw, Source, Splits, in_memory
from suite.core.data.task_info import TaskInfo
from suite.core.examples import hash_tensor

REGULARISATION = 0.1
"""Added to the eigenvalues of every `-zca` task, as a share of their mean."""
KORNIA_EPS = 0.1
"""Added to the eigenvalues of every `-kornia` task."""

_LOG = logging.getLogger(__name__)


def recipe(info: TaskInfo) -> dict[str, Any]:
    """Return the kind of preprocessing, before it is fitted."""
    if info.preprocessing == "zca":
        return {"kind": "zca", "regularisation": REGULARISATION}
    if info.preprocessing == "kornia":
        return {"kind": "kornia", "eps": KORNIA_EPS}
    return {"kind": "normalise", "mean": list(info.mean), "std": list(info.std)}


def building(info: TaskInfo, source: Source, store: Path | None, device: torch.device | str) -> Building:
    """Return the entry of a task: `train_images`, `train_labels`, and those of test.

    Images are prepared float32; or bytes, decoded one by one into the entry, if floats would be larger than
    `cache.LARGE`. store: the folder of the cache, where whitenings are saved; device: where they are fitted.
    Raises ValueError for files that are not the task's.
    """
    values = torch.Size(info.shape).numel() * (info.train + info.test)
    dtype = torch.uint8 if 4 * values > cache.LARGE else torch.float32
    if source.fetch:
        source.fetch()
    if store is not None:
        need = values * dtype.itemsize / 1e9
        size = f" and takes {need:.1f} GB in {store}" if need >= 1 else ""
        _LOG.info("%s: not prepared yet; reading its files, which is done once%s", info.name, size)
    layout: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {}
    for split, count in (("train", info.train), ("test", info.test)):
        layout[f"{split}_images"] = dtype, (count, *info.shape)
        layout[f"{split}_labels"] = torch.int64, (count,)
    return Building(layout, partial(_fill, info, source, store, device))


def _fill(
    info: TaskInfo, source: Source, store: Path | None, device: torch.device | str, tensors: Tensors
) -> Facts:
    def own_room(split: str, shape: tuple[int, ...]) -> Tensor:
        found = tensors[f"{split}_images"]
        identity.check_shape(info, split, len(found), shape)
        return found

    as_bytes = tensors["train_images"].dtype == torch.uint8
    contents = source.read(own_room if as_bytes else in_memory)
    identity.check_complete(info, contents)
    identity.check(info, contents)
    if note := identity.unverified(info):
        contents = replace(contents, notes=(note, *contents.notes))
    preprocessing = _fit(info, contents.train, device)
    if store is not None and isinstance(preprocessing, Whitening):
        preprocessing.save(store)
    for split, raw in (("train", contents.train), ("test", contents.test)):
        tensors[f"{split}_labels"].copy_(raw.labels)
        if as_bytes:
            tensors[f"{split}_images"].copy_(raw.images)  # nothing to do where they were decoded into it
        else:
            prepared = (preprocessing.apply(chunk.to(device)) for chunk in raw.chunks())
            for part, images in zip(tensors[f"{split}_images"].split(CHUNK), prepared, strict=True):
                part.copy_(images)
    return {
        "task": info.name,
        "source": _digest(info, contents),
        "preprocessing": preprocessing.describe(),
        "class_names": list(contents.class_names),
        "found": asdict(find(contents)),
    }


def _fit(info: TaskInfo, train: Raw, device: torch.device | str) -> Normalise | Whitening:
    if info.preprocessing == "zca":
        return ZCA.fit(train.chunks(), regularisation=REGULARISATION, device=device)
    if info.preprocessing == "kornia":
        return KorniaZCA.fit(train.chunks(), eps=KORNIA_EPS, device=device)
    return Normalise(info.mean, info.std) if info.mean else Normalise.fit(train.chunks())


def _digest(info: TaskInfo, contents: Splits) -> str:
    digest = hashlib.sha256(json.dumps(recipe(info), sort_keys=True).encode())
    for raw in (contents.train, contents.test):
        digest.update(json.dumps([list(raw.images.shape), raw.white]).encode())
        hash_tensor(digest, raw.images)
        hash_tensor(digest, raw.labels)
    return digest.hexdigest()
