"""Images as bytes, written without a library."""

import struct
import zlib


def png_chunk(kind, payload):
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def png(width, height, colour=(192, 32, 32), *, pixels=None, compression=-1, extra=b""):
    """An RGB image of one colour, or of `pixels` (3 bytes each, by row); `extra`: chunks after the header."""
    pixels = pixels if pixels is not None else bytes(colour) * (width * height)
    rows = b"".join(b"\0" + pixels[i:i + 3 * width] for i in range(0, len(pixels), 3 * width))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + extra
            + png_chunk(b"IDAT", zlib.compress(rows, compression)) + png_chunk(b"IEND", b""))
