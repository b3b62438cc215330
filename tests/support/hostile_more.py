"""More files that no reader may believe, by format; see `hostile_files.py`."""

import io
import json
import os
import pickle
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import torch
from PIL import Image
from pyarrow import parquet
from safetensors.torch import save

from tests.support.hostile_files import (
    COUNT,
    SHAPE,
    Payload,
    _folders,
    _h5,
    _safetensors,
    images,
    labels,
    pair,
)

Make = Callable[[Path], Path]

DEEP = 100_000
ODD = "\x1b]0;owned\x07\x1b[31m\n\r\u202egnp.\u2066<script>alert(1)</script>|`[red]"
"""Text that would change a terminal, a table or a page that shows it as it is."""


# Pickles.


def zipped(folder: Path, content: bytes, **more: bytes) -> Path:
    """Write a file as torch does, with any pickle."""
    with zipfile.ZipFile(folder / "set.pt", "w") as file:
        for name, value in {"data.pkl": content, "version": b"3\n", "byteorder": b"little", **more}.items():
            file.writestr(f"set/{name}", value)
    return folder / "set.pt"


def _text(text: str | bytes) -> bytes:
    content = text.encode() if isinstance(text, str) else text
    return b"X" + struct.pack("<I", len(content)) + content


def _calling(build: Callable[[bytes], bytes]) -> Make:
    """A pickle that makes the folder `ran` if it is believed."""
    return lambda folder: zipped(folder, build(_text(bytes(folder / "ran"))))


_STORAGE = b"(" + _text("storage") + b"ctorch\nFloatStorage\n" + _text("0") + _text("cpu")
_REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n("


def _tensor(size: bytes, stride: bytes, *, numel: bytes = b"K\x10", offset: bytes = b"K\x00") -> Make:
    """A tensor of a storage of 64 bytes, with any claims on it."""
    claims = numel + b"tQ" + offset + size + stride + b"\x89ccollections\nOrderedDict\n)RtR."
    return lambda folder: zipped(folder, b"\x80\x02" + _REBUILD + _STORAGE + claims, **{"data/0": bytes(64)})


def _legacy(folder: Path, pickled: bytes) -> Path:
    (folder / "set.pt").write_bytes(pickled)
    return folder / "set.pt"


def _inside_itself(folder: Path) -> Path:
    own: list[Any] = []
    own.append(own)
    torch.save({"data": own, "images": own}, folder / "set.pt")
    return folder / "set.pt"


def _members(folder: Path, count: int) -> Path:
    return zipped(folder, b"\x80\x02N.", **{str(number): b"" for number in range(count)})


def _two_directories(folder: Path) -> Path:
    """One name twice: a check of the first is no check of the second."""
    with zipfile.ZipFile(zipped(folder, b"\x80\x02N."), "a") as file:
        file.writestr("set/data.pkl", pickle.dumps(Payload(folder / "ran"), protocol=2))
    return folder / "set.pt"


def _lying_sizes(folder: Path) -> Path:
    """Sizes of 4 GiB in the directory of a zip file of a few hundred bytes."""
    content = bytearray(zipped(folder, b"\x80\x02N.", big=b"xxxx").read_bytes())
    at = content.rindex(b"PK\x01\x02")
    content[at + 20 : at + 28] = b"\xfe\xff\xff\xff" * 2
    (folder / "set.pt").write_bytes(content)
    return folder / "set.pt"


def _script(folder: Path) -> Path:
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(folder / "set.pt"))
    return folder / "set.pt"


def _traversing(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "set.pt", "w") as file:
        for name in ("../../ran", "/tmp/ran", "set/../../ran"):
            file.writestr(name, b"ran")
    return folder / "set.pt"


def _inner(folder: Path) -> Path:
    """A zip file in a zip file in …, each of the size of its contents."""
    content = zipped(folder, b"\x80\x02N.").read_bytes()
    for _ in range(50):
        content = zipped(folder, b"\x80\x02N.", inner=content).read_bytes()
    return folder / "set.pt"


_MKDIR = b"cos\nmkdir\n"
PICKLES: dict[str, tuple[Make, str]] = {
    "REDUCE": (_calling(lambda ran: b"\x80\x02" + _MKDIR + ran + b"\x85R."), "executed"),
    "INST": (_calling(lambda ran: b"(" + ran + b"ios\nmkdir\n."), "not a file of tensors"),
    "OBJ": (_calling(lambda ran: b"\x80\x02(" + _MKDIR + ran + b"o."), "executed"),
    "NEWOBJ": (_calling(lambda ran: b"\x80\x02" + _MKDIR + ran + b"\x85\x81."), "executed"),
    "NEWOBJ_EX": (_calling(lambda ran: b"\x80\x04" + _MKDIR + ran + b"\x85}\x92."), "executed"),
    "STACK_GLOBAL": (
        _calling(lambda ran: b"\x80\x04\x8c\x02os\x8c\x05mkdir\x93" + ran + b"\x85R."),
        "not a file of tensors",
    ),
    "BUILD": (
        _calling(
            lambda ran: b"\x80\x02ccollections\nOrderedDict\n)R}" + _text("__setstate__") + _MKDIR + b"sb."
        ),
        "executed",
    ),
    "EXT1": (lambda at: zipped(at, b"\x80\x02\x82\x01."), "not a file of tensors"),
    "PERSID": (lambda at: zipped(at, b"Pos.mkdir\n."), "not a file of tensors"),
    "BINPERSID": (_calling(lambda ran: b"\x80\x02" + ran + b"Q."), "not a file of tensors"),
    "getattr": (_calling(lambda ran: b"\x80\x02cbuiltins\ngetattr\n" + ran + ran + b"\x86R."), "executed"),
    "eval": (_calling(lambda ran: b"\x80\x02cbuiltins\neval\n" + ran + b"\x85R."), "executed"),
    "load": (_calling(lambda ran: b"\x80\x02ctorch.serialization\nload\n" + ran + b"\x85R."), "executed"),
    "stand-in": (
        _calling(lambda ran: b"\x80\x02cnumpy.core.multiarray\nscalar\n" + ran + b"\x85R."),
        "neither a tensor nor",
    ),
    "storage of a tebibyte": (
        lambda at: zipped(at, b"\x80\x02ctorch\nFloatStorage\n\x8a\x06\x00\x00\x00\x00\x00\x01\x85R."),
        "set.pt",
    ),
    "text of a tebibyte": (
        lambda at: zipped(at, b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"abc."),
        "not a file of tensors",
    ),
    "number of a gigabyte": (
        lambda at: zipped(at, b"\x80\x02\x8b" + struct.pack("<i", 2**30) + b"abc."),
        "not a file of tensors",
    ),
    "memo of two billion": (lambda at: zipped(at, b"\x80\x02Nr\xff\xff\xff\x7f."), "neither a tensor nor"),
    "deep lists": (lambda at: zipped(at, b"\x80\x02" + b"]" * DEEP + b"a" * (DEEP - 1) + b"."), "neither a"),
    "deep tuples": (lambda at: zipped(at, b"\x80\x02N" + b"\x85" * DEEP + b"."), "neither a tensor nor"),
    "deep, thrown away": (
        lambda at: zipped(at, b"\x80\x02N" + b"\x85" * DEEP + b"0" + b"N."),
        "not a file of tensors",
    ),
    "inside itself": (_inside_itself, "neither a tensor nor"),
    "wide": (lambda at: zipped(at, b"\x80\x02](" + b"N" * 2**20 + b"e."), "neither a tensor nor"),
    "size beyond": (_tensor(b"(K\x14K\x01K\x08K\x08t", b"(K@K@K\x08K\x01t"), "not a file of tensors"),
    "size of 2**62": (_tensor(b"\x8a\x08" + struct.pack("<q", 2**62) + b"\x85", b"K\x00\x85"), "set.pt"),
    "size below 0": (_tensor(b"K\x01J\xff\xff\xff\xff\x86", b"K\x01K\x01\x86"), "not a file of tensors"),
    "stride below 0": (_tensor(b"K\x10\x85", b"J\xff\xff\xff\xff\x85"), "not a file of tensors"),
    "offset beyond": (_tensor(b"K\x10\x85", b"K\x01\x85", offset=b"K\x7f"), "not a file of tensors"),
    "storage claimed larger": (
        _tensor(b"M\xe7\x03\x85", b"K\x01\x85", numel=b"M\xe7\x03"),
        "not a file of tensors",
    ),
    "10,001 parts": (lambda at: _members(at, 10_001), "at most 10000 are read"),
    "a name twice": (_two_directories, "one name for each part"),
    "sizes that lie": (_lying_sizes, "set.pt"),
    "paths out of a zip": (_traversing, "not a file of tensors"),
    "zip in zip": (_inner, "neither a tensor nor"),
    "TorchScript": (_script, "compressed parts"),
    "compressed sparse": (
        lambda at: pair(at / "set", images().flatten(1).to_sparse_csr()),
        "a sparse_csr tensor",
    ),
    "nested": (
        lambda at: pair(at / "set", torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])),
        "set",
    ),
    "one opcode": (lambda at: _legacy(at, b"."), "not a file of tensors"),
    "a frame of an exbibyte": (
        lambda at: _legacy(at, b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"N."),
        "not a file of tensors",
    ),
    "labels with stride 0": (
        lambda at: pair(at / "set", images(), torch.zeros(1, dtype=torch.long).expand(2**40)),
        "its storage has 8",
    ),
    "labels of booleans": (lambda at: pair(at / "set", images(), labels() > 3), "the labels are bool"),
}
"""Pickles in files of torch: each way to call what they name, and claims on sizes and depths."""


# Arrays.


def _header(folder: Path, header: bytes, body: bytes = b"") -> Path:
    (folder / "set.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + body)
    return folder / "set.safetensors"


def _about(shape: str, offsets: str, dtype: str = "F32") -> str:
    return f'{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}'


def _npy(folder: Path, header: str, body: bytes = b"", version: bytes = b"\x01\x00") -> Path:
    size = struct.pack("<H" if version == b"\x01\x00" else "<I", len(header) + 1)
    with zipfile.ZipFile(folder / "set.npz", "w") as file:
        file.writestr("images.npy", b"\x93NUMPY" + version + size + header.encode() + b"\n" + body)
    return folder / "set.npz"


def _described(descr: str = "'<f4'", shape: str = "(20, 64)") -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"


def _h5_made(fill: Callable[[h5py.File], object]) -> Make:
    def make(folder: Path) -> Path:
        with h5py.File(folder / "set.h5", "w") as file:
            fill(file)
        return folder / "set.h5"

    return make


def _plugin(file: h5py.File) -> None:
    """Compressed by a filter that the library would look for on disk."""
    plain = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plain.set_chunk((COUNT, 64))
    plain.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (3,))
    space = h5py.h5s.create_simple((COUNT, 64))
    made = h5py.h5d.create(file.id, b"data", h5py.h5t.IEEE_F32LE, space, plain)
    made.write_direct_chunk((0, 0), bytes(100), 0)


def _bomb_in_chunks(file: h5py.File) -> None:
    """Labels that unpack to 200 MiB of names, a quarter of a megabyte on disk."""
    file["data"] = images().flatten(1).numpy()
    packed = {"chunks": (2**12,), "compression": "gzip", "compression_opts": 1}
    file.create_dataset("label", (2**18,), "S800", **packed)[:] = b"x"


def _many(file: h5py.File) -> None:
    for number in range(5_000):
        file[str(number)] = 0


def _circle(file: h5py.File) -> None:
    file["data"] = file["/"]


ARRAYS: dict[str, tuple[Make, str]] = {
    "safetensors of an exbibyte": (
        lambda at: _legacy(at, struct.pack("<Q", 2**60) + b"{}").rename(at / "x.safetensors"),
        "damaged",
    ),
    "safetensors with a deep header": (lambda at: _header(at, b'{"a":' + b"[" * DEEP), "damaged"),
    "safetensors with a header of 100 MB": (
        lambda at: _header(at, b"{" + b" " * 100_000_001 + b"}"),
        "damaged",
    ),
    "safetensors with a name twice": (
        lambda at: _header(
            at, f'{{"images":{_about("[1]", "[0,4]")},"images":{_about("[1]", "[0,4]")}}}'.encode(), bytes(4)
        ),
        "set.safetensors",
    ),
    "safetensors that overlap": (
        lambda at: _header(
            at, f'{{"images":{_about("[1]", "[0,4]")},"labels":{_about("[1]", "[2,6]")}}}'.encode(), bytes(8)
        ),
        "damaged",
    ),
    "safetensors beyond the end": (
        lambda at: _header(at, f'{{"images":{_about("[1048576]", "[0,4194304]")}}}'.encode(), bytes(8)),
        "damaged",
    ),
    "safetensors whose size overflows": (
        lambda at: _header(at, f'{{"images":{_about(f"[{2**33},{2**33}]", "[0,4]")}}}'.encode(), bytes(4)),
        "damaged",
    ),
    "safetensors of another type": (
        lambda at: _header(at, f'{{"images":{_about("[1]", "[0,4]", "PY")}}}'.encode(), bytes(4)),
        "damaged",
    ),
    "safetensors with deep metadata": (
        lambda at: _legacy(
            at, save({"images": images(), "labels": labels()}, {"class_names": "[" * DEEP})
        ).rename(at / "set.safetensors"),
        "the class names in 'class_names' are a str",
    ),
    "npy header that is code": (
        lambda at: _npy(at, f"__import__('os').mkdir({str(at / 'ran')!r})"),
        "none of it was executed",
    ),
    "npy header that is deep": (lambda at: _npy(at, "(" * 9_000), "set.npz"),
    "npy header of a megabyte": (
        lambda at: _npy(at, " " * 2**20, version=b"\x02\x00"),
        "none of it was executed",
    ),
    "npy of a tebibyte": (lambda at: _npy(at, _described(shape=f"({2**40},)"), bytes(64)), "set.npz"),
    "npy of 2**63": (lambda at: _npy(at, _described(shape=f"({2**63},)")), "set.npz"),
    "npy below 0": (lambda at: _npy(at, _described(shape="(-1, 64)"), bytes(64)), "set.npz"),
    "npy of large items": (lambda at: _npy(at, _described("'|V2147483647'", "(20,)")), "set.npz"),
    "npy of structs": (lambda at: _npy(at, _described("[('a', '<f4', (9999, 9999, 9))]")), "set.npz"),
    "npz of 30,000 members": (lambda at: _members(at, 30_000).rename(at / "set.npz"), "set.npz"),
    "npz of paths": (lambda at: _traversing(at).rename(at / "set.npz"), "no field of images"),
    "npz of another compression": (
        lambda at: _legacy(
            at,
            _npy(at, _described())
            .read_bytes()
            .replace(b"\x14\x00\x00\x00\x00\x00", b"\x14\x00\x00\x00\x63\x00"),
        ).rename(at / "set.npz"),
        "damaged",
    ),
    "h5 with a filter from elsewhere": (_h5_made(_plugin), "set.h5"),
    "h5 bomb": (_h5_made(_bomb_in_chunks), "needs more than 576 MiB"),
    "h5 of 5,000 arrays": (_h5_made(_many), "no field of images"),
    "h5 in a circle": (_h5_made(_circle), "links to another file"),
    "h5 of references": (
        _h5_made(lambda file: file.create_dataset("data", (COUNT,), h5py.ref_dtype)),
        "of type object",
    ),
    "h5 of structs": (
        _h5_made(lambda file: file.create_dataset("data", (COUNT,), np.dtype([("a", "f4", (999, 999))]))),
        "numbers are read",
    ),
    "h5 of nothing": (
        _h5_made(lambda file: file.create_dataset("data", data=h5py.Empty("f4"))),
        "numbers are read",
    ),
    "h5 with a soft link out": (
        lambda at: _h5(at, data=h5py.SoftLink("/../../../etc/passwd")),
        "links to another file",
    ),
}
"""Arrays of safetensors, numpy and HDF5."""


# Pictures and tables.


def _picture(content: bytes | Image.Image, name: str = "1.png", **saved: Any) -> Make:
    def make(folder: Path) -> Path:
        made = _folders(folder)
        (made / "3" / "1.png").unlink()
        if isinstance(content, bytes):
            (made / "3" / name).write_bytes(content)
        else:
            content.save(made / "3" / name, **saved)
        return made

    return make


def _instead(put: Callable[[Path], object], name: str = "1.png") -> Make:
    """A folder of images, in which something else has the name of one."""

    def make(folder: Path) -> Path:
        made = _folders(folder)
        (made / "3" / "1.png").unlink()
        put(made / "3" / name)
        return made

    return make


def _bound(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(here)


def _png(*chunks: tuple[bytes, bytes]) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    start = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + start + b"".join(chunk(*each) for each in chunks) + chunk(b"IEND", b"")


_PIXELS = zlib.compress(bytes(72))
_BOMB = zlib.compress(bytes(100 * 2**20), 1)
_FRAMES = [Image.new("L", (8, 8), shade) for shade in range(200)]


def _bytes_of(image: Image.Image, kind: str, **saved: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **saved)
    return buffer.getvalue()


def _tiff_circle() -> bytes:
    """Directories of TIFF that follow each other for ever."""
    content = bytearray(_bytes_of(Image.new("L", (8, 8)), "TIFF"))
    at = struct.unpack_from("<I", content, 4)[0]
    entries = struct.unpack_from("<H", content, at)[0]
    struct.pack_into("<I", content, at + 2 + 12 * entries, at)
    return bytes(content)


def _schema(folder: Path, kind: Any, cell: Any) -> Path:
    table = pa.table({"image": pa.array([cell] * COUNT, kind), "label": [0] * COUNT})
    parquet.write_table(table, folder / "set.parquet")
    return folder / "set.parquet"


def _nested_schema(folder: Path, depth: int = 200) -> Path:
    kind = pa.int8()
    cell: Any = 0
    for _ in range(depth):
        kind, cell = pa.struct([("a", kind)]), {"a": cell}
    return _schema(folder, kind, cell)


def _dictionary(folder: Path) -> Path:
    """A dictionary of one cell of 300 MiB, in a few kilobytes, that stands for each image."""
    cells = pa.array([bytes(300 * 2**20)], pa.binary()).dictionary_encode()
    table = pa.table(
        {
            "image": pa.DictionaryArray.from_arrays(pa.array([0] * COUNT), cells.dictionary),
            "label": [0] * COUNT,
        }
    )
    parquet.write_table(table, folder / "set.parquet", compression="zstd", store_schema=False)
    return folder / "set.parquet"


def _table(folder: Path, metadata: dict[bytes, bytes]) -> Path:
    cell = _bytes_of(Image.new("L", (8, 8)), "PNG")
    made = pa.table({"image": [cell] * COUNT, "label": [number // 2 for number in range(COUNT)]})
    parquet.write_table(made.replace_schema_metadata(metadata), folder / "set.parquet")
    return folder / "set.parquet"


def _extension(folder: Path) -> Path:
    """A type of Arrow that is described by a pickle."""
    own = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickle.dumps(Payload(folder / "ran")),
    }
    cell = _bytes_of(Image.new("L", (8, 8)), "PNG")
    fields = [pa.field("image", pa.binary(), metadata=own), pa.field("label", pa.int64())]
    made = pa.table(
        [pa.array([cell] * COUNT), pa.array([number // 2 for number in range(COUNT)])], pa.schema(fields)
    )
    (folder / "set").mkdir()
    with (
        pa.OSFile(str(folder / "set" / "data.arrow"), "wb") as file,
        pa.ipc.new_stream(file, made.schema) as stream,
    ):
        stream.write_table(made)
    return folder / "set"


def _footer(folder: Path) -> Path:
    (folder / "set.parquet").write_bytes(b"PAR1" + b"\x19" * 2**20 + struct.pack("<I", 2**20) + b"PAR1")
    return folder / "set.parquet"


def _arrow(folder: Path, content: bytes) -> Path:
    (folder / "set").mkdir()
    (folder / "set" / "data.arrow").write_bytes(content)
    return folder / "set"


def _odd_names(folder: Path) -> Path:
    made = _folders(folder)
    (made / "3").rename(made / ODD.replace("/", " "))
    return made


def _damaged(folder: Path) -> Path:
    """Folders whose pictures are damaged, the first with an odd name."""
    made = _odd_names(folder)
    for path in made.glob("*/0.png"):
        path.rename(path.with_name(ODD.replace("/", " ")[:60] + ".png")).write_bytes(b"no picture")
    return made


PICTURES: dict[str, tuple[Make, str]] = {
    "zeros behind the pixels": (_picture(_png((b"IDAT", _BOMB))), ""),
    "a colour profile of 100 MiB": (
        _picture(_png((b"iCCP", b"x\0\0" + _BOMB), (b"IDAT", _PIXELS))),
        "1.png cannot be read",
    ),
    "a text of 100 MiB": (_picture(_png((b"zTXt", b"x\0\0" + _BOMB), (b"IDAT", _PIXELS))), "1.png"),
    "a text of 300 MiB, in many": (
        _picture(_png(*[(b"zTXt", b"x\0\0" + zlib.compress(bytes(2**20)))] * 300, (b"IDAT", _PIXELS))),
        "1.png",
    ),
    "EXIF data of a megabyte": (
        _picture(_png((b"eXIf", b"II*\0\x08\0\0\0\xff\xff" + bytes(2**20)), (b"IDAT", _PIXELS))),
        "",
    ),
    "two billion pixels": (
        _picture(_png().replace(struct.pack(">II", 8, 8), struct.pack(">II", 2**31 - 1, 2**31 - 1))),
        "1.png",
    ),
    "SVG named PNG": (
        _picture(b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>"),
        "1.png cannot be read as an image",
    ),
    "a page of PostScript": (
        _picture(b"%!PS\n(ran) (w) file closefile\n%%BoundingBox: 0 0 8 8"),
        "1.png cannot be read as an image",
    ),
    "truncated JPEG": (
        _picture(_bytes_of(Image.effect_noise((8, 8), 99), "JPEG")[:-60], "1.jpg"),
        "1.jpg cannot be read",
    ),
    "animated": (
        _picture(_FRAMES[0], "1.gif", save_all=True, append_images=_FRAMES[1:]),
        "1.gif holds 200 pictures",
    ),
    "CMYK": (_picture(Image.new("CMYK", (8, 8)), "1.jpg"), "is of mode CMYK"),
    "16 bits": (_picture(Image.new("I;16", (8, 8))), "more than 8 bits"),
    "TIFF in a circle": (_picture(_tiff_circle(), "1.tif"), ""),
    "a pipe": (_instead(os.mkfifo), "has 19 images"),
    "a socket": (_instead(_bound), "has 19 images"),
    "a link to zeros": (_instead(lambda path: path.symlink_to("/dev/zero")), "has 19 images"),
    "a link to a file": (
        _instead(lambda path: path.symlink_to("/etc/passwd")),
        "1.png cannot be read as an image",
    ),
    "a link to itself": (_instead(lambda path: path.symlink_to(path.name)), "has 19 images"),
    "a folder in a circle": (_instead(lambda path: path.symlink_to(path.parent.parent)), "has 19 images"),
    "a folder": (_instead(Path.mkdir), "has 19 images"),
    "names that are odd": (_odd_names, ""),
    "names that are odd, damaged": (_damaged, "cannot be read as an image"),
    "a nested schema": (_nested_schema, "too deeply nested"),
    "a dictionary of 300 MiB": (_dictionary, "memory"),
    "lists of lists": (
        lambda at: _schema(at, pa.list_(pa.list_(pa.int8())), [[1] * 9] * 999),
        "does not hold",
    ),
    "deep features": (lambda at: _table(at, {b"huggingface": b'{"info":' * DEEP}), ""),
    "features that are none": (
        lambda at: _table(
            at, {b"huggingface": b'{"info":{"features":{"image":3,"label":{"_type":{},"names":9e999}}}}'}
        ),
        "the class names",
    ),
    "a footer of a megabyte": (_footer, "cannot be read"),
    "a pickled type": (_extension, ""),
    "a message of two gigabytes": (
        lambda at: _arrow(at, b"\xff\xff\xff\xff" + struct.pack("<i", 2**31 - 1) + bytes(64)),
        "memory",
    ),
    "a message below 0": (
        lambda at: _arrow(at, b"\xff\xff\xff\xff" + struct.pack("<i", -5) + bytes(64)),
        "cannot be read",
    ),
}
"""Pictures and tables of pictures; "" stands for a set that is read all the same."""


# Manifests.


def _with_manifest(text: str | bytes, **tensors: torch.Tensor) -> Make:
    def make(folder: Path) -> Path:
        import hashlib

        path = _safetensors(
            folder,
            **(
                tensors
                or {
                    "images": images().view(10, 2, *SHAPE),
                    "labels": torch.eye(10).repeat_interleave(2, 0).view(10, 2, 10),
                }
            ),
        )
        content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        path.with_suffix(".json").write_bytes(content.replace(b"SHA", digest.encode()))
        return path

    return make


def _facts(**facts: Any) -> str:
    return json.dumps({"preprocessing": {}, "sha256": "SHA", **facts})


def _linear(**settings: int) -> Make:
    about = {"kind": "linear", "settings": settings}
    code = {"bases": torch.zeros(1, 1, 2, 2), "coefficients": torch.zeros(10, 2, 1)}
    return _with_manifest(_facts(parametrisation=about), **code)


def _much(count: int) -> Make:
    about = {"kind": "linear", "settings": {"height": 8, "width": 8}}
    code = {"bases": torch.zeros(1, 1, 2, 2), "coefficients": torch.zeros(10, count, 1)}
    return _with_manifest(_facts(parametrisation=about), **code)


MANIFESTS: dict[str, tuple[Make, str]] = {
    "deep": (_with_manifest('{"a":' + "[" * DEEP), "is not JSON"),
    "large": (_with_manifest(" " * (2**20 + 1)), "larger than a manifest"),
    "a number of 10,000 digits": (
        _with_manifest('{"preprocessing": {}, "lr": ' + "9" * 10_000 + "}"),
        "is not JSON",
    ),
    "no number": (_with_manifest(_facts(lr=float("nan"))), "the learned rate is nan"),
    "endless": (_with_manifest(_facts(lr=float("inf"))), "the learned rate is inf"),
    "a rate of 1e400": (
        _with_manifest('{"preprocessing": {}, "sha256": "SHA", "lr": 1e400}'),
        "the learned rate is inf",
    ),
    "half a character": (
        _with_manifest('{"preprocessing": {}, "sha256": "SHA", "class_names": ["\\ud800"]}'),
        "",
    ),
    "bytes that are no text": (_with_manifest(b"\xff\xfe\x00{"), "is not JSON"),
    "a name twice": (_with_manifest('{"preprocessing": {}, "sha256": "SHA", "lr": 1, "lr": 2}'), ""),
    "a minibatch of 2**70": (_with_manifest(_facts(minibatch={"per_class": 2**70})), "minibatch"),
    "a minibatch of 0": (_with_manifest(_facts(minibatch={"per_class": 0})), "minibatch"),
    "a minibatch of true": (_with_manifest(_facts(minibatch={"per_class": True})), "minibatch"),
    "a minibatch of 1.5": (_with_manifest(_facts(minibatch={"classes": 1.5})), "minibatch"),
    "a minibatch of text": (_with_manifest(_facts(minibatch="all")), "minibatch"),
    "images of 72 GB": (_linear(height=30_000, width=30_000), "set.safetensors"),
    "images of 2**80 pixels": (_linear(height=2**40, width=2**40), "set.safetensors"),
    "images below 0": (_linear(height=-8, width=8), "set.safetensors"),
    "10,000,000 images": (_much(1_000_000), "set.safetensors"),
    "settings of text": (
        _with_manifest(
            _facts(parametrisation={"kind": "linear", "settings": {"height": "9" * 9999}}),
            bases=torch.zeros(1, 1, 2, 2),
            coefficients=torch.zeros(10, 2, 1),
        ),
        "set.safetensors",
    ),
    "a kind that is none": (
        _with_manifest(
            _facts(parametrisation={"kind": ODD, "settings": {}}),
            bases=torch.zeros(1, 1, 2, 2),
            coefficients=torch.zeros(10, 2, 1),
        ),
        "set.safetensors",
    ),
    "names that are odd": (_with_manifest(_facts(class_names=[ODD] * 10)), ""),
}
"""Manifests beside safetensors files."""

MORE: dict[str, tuple[Make, str]] = {
    f"{kind}: {name}": made
    for kind, several in (
        ("pickle", PICKLES),
        ("array", ARRAYS),
        ("picture", PICTURES),
        ("manifest", MANIFESTS),
    )
    for name, made in several.items()
}
