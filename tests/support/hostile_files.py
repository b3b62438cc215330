"""Files that no reader may believe, made for tests: each attacks, lies, or is not what it must be.

They are for a task of ten classes of 8×8 grey images, and two images per class, as `digits` has them.
"""

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import torch
from PIL import Image
from pyarrow import parquet
from safetensors.torch import save_file
from torch import Tensor

COUNT, SHAPE = 20, (1, 8, 8)


def images() -> Tensor:
    """Return images that are fine."""
    return torch.randn(COUNT, *SHAPE, generator=torch.Generator().manual_seed(0))


def labels() -> Tensor:
    return torch.arange(10).repeat_interleave(2)


class Payload:
    """Touches a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


def pair(folder: Path, own: object, targets: object | None = None) -> Path:
    folder.mkdir()
    torch.save(own, folder / "images_best.pt")
    torch.save(labels() if targets is None else targets, folder / "labels_best.pt")
    return folder


def payload_zip(folder: Path) -> Path:
    torch.save({"data": Payload(folder / "ran")}, folder / "set.pt")
    return folder / "set.pt"


def payload_legacy(folder: Path) -> Path:
    torch.save([Payload(folder / "ran")], folder / "set.pt", _use_new_zipfile_serialization=False)
    return folder / "set.pt"


def payload_raw(folder: Path) -> Path:
    (folder / "set.pt").write_bytes(pickle.dumps(Payload(folder / "ran"), protocol=2))
    return folder / "set.pt"


def payload_in_labels(folder: Path) -> Path:
    return pair(folder / "set", images(), Payload(folder / "ran"))


PAYLOADS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "payload in a zip": (payload_zip, "none of it was executed"),
    "payload in an old file": (payload_legacy, "none of it was executed"),
    "payload without a file": (payload_raw, "none of it was executed"),
    "payload in labels": (payload_in_labels, "none of it was executed"),
}
"""Pickles that run a command; by name, as `MISTAKES`."""


def _deflate_bomb(folder: Path) -> Path:
    """A small file that unpacks to 100 MiB."""
    torch.save(torch.zeros(1), folder / "small.pt")
    with zipfile.ZipFile(folder / "small.pt") as small, zipfile.ZipFile(folder / "set.pt", "w") as bomb:
        for name in small.namelist():
            bomb.writestr(name, small.read(name))
        with bomb.open(zipfile.ZipInfo("small/data/1"), "w") as member:
            member.write(b"")
        info = zipfile.ZipInfo("small/data/2")
        info.compress_type = zipfile.ZIP_DEFLATED
        with bomb.open(info, "w") as member:
            for _ in range(100):
                member.write(bytes(2**20))
    return folder / "set.pt"


def _billion_laughs(folder: Path) -> Path:
    """Lists of lists, 2⁶⁰ of them to whoever walks through."""
    laughs: list[Any] = ["ha"]
    for _ in range(60):
        laughs = [laughs, laughs]
    torch.save({"data": laughs}, folder / "set.pt")
    return folder / "set.pt"


def _endless_hash(folder: Path) -> Path:
    """A key whose hash takes 2⁶⁰ steps."""
    laughs = b"\x80\x02}(K\x01" + b"".join(b"q%ch%c\x86" % (at, at) for at in range(60)) + b"K\x01u."
    with zipfile.ZipFile(folder / "set.pt", "w") as file:
        file.writestr("set/data.pkl", laughs)
        file.writestr("set/version", "3\n")
        file.writestr("set/byteorder", "little")
    return folder / "set.pt"


def _legacy_giant(folder: Path) -> Path:
    """A legacy file whose storage claims 4 GiB."""
    buffer = io.BytesIO()
    torch.save(torch.zeros(9999), buffer, _use_new_zipfile_serialization=False)
    small, giant = b"M" + (9999).to_bytes(2, "little"), b"J" + (2**30).to_bytes(4, "little")
    (folder / "set.pt").write_bytes(buffer.getvalue().replace(small, giant))
    return folder / "set.pt"


def _h5(folder: Path, **datasets: Any) -> Path:
    with h5py.File(folder / "set.h5", "w") as file:
        for name, value in datasets.items():
            file[name] = value
    return folder / "set.h5"


def _npz(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "set.npz", **arrays)
    return folder / "set.npz"


def _npz_bomb(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "set.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        file.writestr("images.npy", bytes(300 * 2**20))
    return folder / "set.npz"


def _h5_virtual(folder: Path) -> Path:
    layout = h5py.VirtualLayout((COUNT, 64), "f4")
    layout[:] = h5py.VirtualSource(_h5(folder, data=images().flatten(1).numpy()), "data", (COUNT, 64))
    with h5py.File(folder / "virtual.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    return folder / "virtual.h5"


def _h5_outside(folder: Path) -> Path:
    (folder / "secret").write_bytes(bytes(COUNT * 64 * 4))
    with h5py.File(folder / "set.h5", "w") as file:
        file.create_dataset("data", (COUNT, 64), "f4", external=[(folder / "secret", 0, COUNT * 64 * 4)])
    return folder / "set.h5"


def _h5_giant(folder: Path) -> Path:
    with h5py.File(folder / "set.h5", "w") as file:
        file.create_dataset("data", (2**20, 2**20), "f4", chunks=(1024, 1024), compression="gzip")
    return folder / "set.h5"


def _folders(folder: Path, *, classes: int = 10, each: int = 2, mode: str = "L", size: int = 8) -> Path:
    for label in range(classes):
        (folder / "set" / str(label)).mkdir(parents=True)
        for number in range(each):
            Image.new(mode, (size, size)).save(folder / "set" / str(label) / f"{number}.png")
    return folder / "set"


def _bomb_picture(folder: Path) -> Path:
    made = _folders(folder)
    Image.new("1", (9000, 9000)).save(made / "3" / "1.png")
    return made


def _wrong_picture(folder: Path) -> Path:
    made = _folders(folder)
    (made / "3" / "1.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n")
    return made


def _truncated(folder: Path, source: Path) -> Path:
    source.write_bytes(source.read_bytes()[:-200])
    return source if source.parent == folder else source.parent


def _safetensors(folder: Path, **tensors: Tensor) -> Path:
    save_file(tensors, folder / "set.safetensors")
    return folder / "set.safetensors"


def _empty(folder: Path) -> Path:
    (folder / "set.pt").touch()
    return folder / "set.pt"


def _nan(count: int) -> Tensor:
    found = images()
    found[count] = torch.nan
    return found


def _parquet(folder: Path, rows: dict[str, list[Any]]) -> Path:
    parquet.write_table(pa.table(rows), folder / "set.parquet")
    return folder / "set.parquet"


def _parquet_bomb(folder: Path) -> Path:
    """Kilobytes that unpack to twenty images of 40 MiB."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells = pa.array([{"bytes": bytes(40 * 2**20), "path": None}], kind)
    table = pa.table({"image": cells, "label": [0]})
    with parquet.ParquetWriter(folder / "set.parquet", table.schema, compression="zstd") as writer:
        for _ in range(COUNT):
            writer.write_table(table)
    return folder / "set.parquet"


ATTACKS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "deflate bomb": (_deflate_bomb, "compressed parts"),
    "billion laughs": (_billion_laughs, "are a list, not a tensor"),
    "endless hash": (_endless_hash, "too much time"),
    "legacy giant": (_legacy_giant, "more memory than a foreign set may take"),
    "stride 0": (
        lambda at: pair(at / "set", torch.zeros(1).expand(10, 3, 2**18, 2**18)),
        "its storage has 4",
    ),
    "stride 0, right shape": (
        lambda at: pair(at / "set", torch.zeros(1).expand(COUNT, *SHAPE)),
        "its storage has 4",
    ),
    "sparse": (
        lambda at: pair(
            at / "set", torch.sparse_coo_tensor(torch.zeros(2, 1), torch.ones(1), (2**20, 2**20))
        ),
        "a sparse_coo tensor",
    ),
    "meta": (lambda at: pair(at / "set", torch.zeros(COUNT, *SHAPE, device="meta")), "a meta tensor"),
    "quantized": (
        lambda at: pair(at / "set", torch.quantize_per_tensor(images(), 0.1, 0, torch.qint8)),
        "a quantized tensor",
    ),
    "h5 giant": (_h5_giant, "claims"),
    "h5 virtual": (_h5_virtual, "links to another file or dataset"),
    "npz bomb": (_npz_bomb, "unpacks to 300 MiB"),
    "decompression bomb": (_bomb_picture, "1.png is 9000×9000 pixels"),
    "parquet bomb": (_parquet_bomb, "memory"),
}
"""Files that would take time, memory or what lies elsewhere; by name, as `MISTAKES`."""

MISTAKES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "complex": (lambda at: pair(at / "set", images().to(torch.complex64)), "the images are complex64"),
    "nan": (lambda at: pair(at / "set", _nan(3)), "not finite"),
    "too large for float32": (lambda at: pair(at / "set", images().double() * 1e300), "not finite"),
    "no images": (lambda at: pair(at / "set", torch.zeros(0, *SHAPE)), "0 images"),
    "wrong count": (lambda at: pair(at / "set", images()[:19], labels()[:19]), "19 images; 10 classes of 2"),
    "wrong class count": (
        lambda at: pair(at / "set", images(), labels().clamp(max=8)),
        "class 8 has 4 images",
    ),
    "label too large": (lambda at: pair(at / "set", images(), labels() + 1), "run from 1 to 10"),
    "label negative": (lambda at: pair(at / "set", images(), labels() - 1), "run from -1 to 8"),
    "label between": (lambda at: pair(at / "set", images(), labels() + 0.5), "neither whole numbers"),
    "labels too few": (lambda at: pair(at / "set", images(), labels()[:5]), "5 labels for 20 images"),
    "labels of other classes": (lambda at: pair(at / "set", images(), torch.eye(20)), "the labels are 20×20"),
    "targets not finite": (
        lambda at: pair(at / "set", images(), torch.eye(10)[labels()] / 0),
        "not finite",
    ),
    "colour": (lambda at: pair(at / "set", torch.zeros(COUNT, 3, 8, 8)), "3 channels, those of the task 1"),
    "another size": (
        lambda at: pair(at / "set", torch.zeros(COUNT, 1, 9, 9)),
        "1×9×9, those of the task 1×8×8",
    ),
    "no numbers": (lambda at: pair(at / "set", ["images"]), "neither a tensor nor"),
    "truncated pt": (lambda at: _truncated(at, pair(at / "set", images()) / "images_best.pt"), "damaged zip"),
    "truncated h5": (
        lambda at: _truncated(at, _h5(at, data=np.zeros((COUNT, 64)))),
        "damaged, or not an HDF5",
    ),
    "truncated safetensors": (
        lambda at: _truncated(at, _safetensors(at, images=images(), labels=labels())),
        "damaged, or not a safetensors",
    ),
    "empty": (_empty, "is empty"),
    "h5 external link": (
        lambda at: _h5(at, data=h5py.ExternalLink("/etc/passwd", "data")),
        "links to another file or dataset",
    ),
    "h5 soft link": (
        lambda at: _h5(at, data=h5py.SoftLink("/label"), label=labels()),
        "links to another file or dataset",
    ),
    "h5 external storage": (_h5_outside, "links to another file or dataset"),
    "h5 strings": (lambda at: _h5(at, data=["a"]), "of type object"),
    "h5 without data": (
        lambda at: _h5(at, pixels=np.zeros(3)),
        "no field of images, such as 'images'; it has 'pixels' (numbers 3)",
    ),
    "h5 of no images": (lambda at: _h5(at, images=np.zeros(3)), "the images are no images"),
    "h5 of both": (lambda at: _h5(at, images=np.zeros(3), data=np.zeros(3)), "images as 'images', 'data'"),
    "npz of objects": (lambda at: _npz(at, images=np.array([{}], dtype=object)), "none of it was executed"),
    "npz without images": (lambda at: _npz(at, pixels=np.zeros(3)), "it has 'pixels' (an array)"),
    "no npz": (lambda at: _h5(at, data=0).rename(at / "set.npz"), "damaged, or not a file by numpy.savez"),
    "safetensors without labels": (lambda at: _safetensors(at, images=images()), "no tensor 'labels'"),
    "folder without a class": (lambda at: _folders(at, classes=9), "the 9 folders 0, 1, 2, 3, … are not"),
    "folder with too few": (lambda at: _folders(at, each=1), "the set has 10 images"),
    "folder in colour": (lambda at: _folders(at, mode="RGB"), "is of mode RGB"),
    "no picture": (_wrong_picture, "1.png cannot be read as an image"),
    "empty folder": (lambda at: at, "holds no distilled set"),
    "nowhere": (lambda at: at / "set.pt", "no file or folder"),
    "another ending": (lambda at: _h5(at, data=0).rename(at / "set.csv"), "an unknown ending"),
    "parquet without images": (lambda at: _parquet(at, {"label": [0] * COUNT}), "lacks the column 'image'"),
    "parquet of paths": (
        lambda at: _parquet(
            at, {"image": [{"bytes": None, "path": "/etc/passwd"}] * COUNT, "label": [0] * COUNT}
        ),
        "does not hold the images' bytes",
    ),
    "parquet too long": (lambda at: _parquet(at, {"image": [b""] * 21, "label": [0] * 21}), "has 21 images"),
}
"""Files by name: how each is made below a folder, and a part of the sentence that refuses it."""
