"""Pictures as bytes, among them those that Pillow reads but does not write."""

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def encoded(image: Image.Image, format: str, **how: Any) -> bytes:
    """Return an image as Pillow writes it."""
    file = BytesIO()
    image.save(file, format, **how)
    return file.getvalue()


def png(width: int, height: int, *, depth: int, kind: int, rows: bytes, clear: bytes = b"") -> bytes:
    """Return a PNG of scan lines as they are stored.

    kind: 0 grey, 2 colour, 4 grey and alpha, 6 both; clear: the sample that is transparent, two bytes each.
    """

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)

    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    parts = [chunk(b"IHDR", head), chunk(b"tRNS", clear)] if clear else [chunk(b"IHDR", head)]
    parts += [chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def deep_png(pixels: NDArray[np.uint16], kind: int) -> bytes:
    """Return a PNG of 16 bits per channel: pixels (height, width, channels)."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return png(width, height, depth=16, kind=kind, rows=rows)


def tiff(pixels: NDArray[Any], *, photometric: int, extra: int | None = None) -> bytes:
    """Return an uncompressed TIFF: pixels (height, width, channels) of any type.

    photometric: 1 grey, 2 RGB; extra: the meaning of channels beyond those, 0 for none in particular.
    """
    height, width, channels = pixels.shape
    bits = pixels.dtype.itemsize * 8
    sample = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    content = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    shorts = [(258, [bits] * channels), (259, [1]), (262, [photometric]), (277, [channels])]
    shorts += [(338, [extra])] * (extra is not None) + [(339, [sample] * channels)]
    longs = [(256, width), (257, height), (273, 8), (278, height), (279, len(content))]
    after = 8 + len(content)
    entries, behind = [], b""
    start = after + 2 + 12 * (len(shorts) + len(longs)) + 4
    for tag, values in shorts:
        packed = struct.pack(f"<{len(values)}H", *values)
        if len(packed) > 4:
            place = struct.pack("<I", start + len(behind))
            behind += packed
        else:
            place = packed.ljust(4, b"\0")
        entries.append((tag, struct.pack("<HHI", tag, 3, len(values)) + place))
    entries += [(tag, struct.pack("<HHII", tag, 4, 1, value)) for tag, value in longs]
    table = b"".join(entry for _, entry in sorted(entries))
    return (
        b"II*\0"
        + struct.pack("<I", after)
        + content
        + struct.pack("<H", len(entries))
        + table
        + b"\0" * 4
        + behind
    )
