"""The header of a GGUF file, versions 2 and 3, read from any stream of bytes.

It knows the layout (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md) and nothing of files, servers or
models; whoever reads decides what a header that does not end means.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

MAGIC = b"GGUF"

_TABLE = """
0 F32 1 4, 1 F16 1 2, 2 Q4_0 32 18, 3 Q4_1 32 20, 6 Q5_0 32 22, 7 Q5_1 32 24, 8 Q8_0 32 34,
9 Q8_1 32 40, 10 Q2_K 256 84, 11 Q3_K 256 110, 12 Q4_K 256 144, 13 Q5_K 256 176, 14 Q6_K 256 210,
15 Q8_K 256 292, 16 IQ2_XXS 256 66, 17 IQ2_XS 256 74, 18 IQ3_XXS 256 98, 19 IQ1_S 256 50,
20 IQ4_NL 32 18, 21 IQ3_S 256 110, 22 IQ2_S 256 82, 23 IQ4_XS 256 136, 24 I8 1 1, 25 I16 1 2,
26 I32 1 4, 27 I64 1 8, 28 F64 1 8, 29 IQ1_M 256 56, 30 BF16 1 2, 34 TQ1_0 256 54, 35 TQ2_0 256 66,
39 MXFP4 32 17, 40 NVFP4 64 36, 41 Q1_0 128 18
"""
TYPES = {
    int(number): (name, int(block), int(size))
    for number, name, block, size in (entry.split() for entry in _TABLE.split(","))
}
"""Tensor types: their number in the file → (name, numbers in a block, bytes of a block)."""

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_SHORT = 1024
"""Arrays of numbers up to this long are kept; longer ones (vocabularies' scores) are passed over."""


class Stream(Protocol):
    """Bytes to read and to pass over: a file, or a BytesIO."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, fewer at the end."""

    def seek(self, offset: int, whence: int, /) -> int:
        """Go elsewhere, beyond the end too."""


class CutOff(ValueError):
    """The bytes end before the header does."""


@dataclass(frozen=True)
class GGUFTensor:
    """One tensor: its type's name, its shape as the file has it (fastest axis first), and where its data begins."""

    name: str
    type: str
    shape: tuple[int, ...]
    offset: int

    @property
    def parameters(self) -> int:
        """Numbers in it."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class GGUFHeader:
    """A whole header: metadata by key (long arrays as their length), and the tensors."""

    metadata: dict[str, Any]
    tensors: tuple[GGUFTensor, ...]

    @property
    def architecture(self) -> str | None:
        """What the file says it is ("llama", "bert")."""
        said = self.metadata.get("general.architecture")
        return said if isinstance(said, str) else None


@dataclass(frozen=True)
class Length:
    """Stands for an array that was passed over."""

    count: int


def parse(stream: Stream, keep: Collection[str] = ()) -> GGUFHeader:
    """Read a header, the stream standing after the magic; leaves it at the header's end.

    Args:
        stream: the bytes.
        keep: keys whose arrays of numbers are kept whatever their length.

    Raises:
        CutOff: the bytes end too soon.
        ValueError: these are not the bytes of a GGUF header.
    """
    try:
        version, tensors, entries = _unpack(stream, "<IQQ")
        if version not in (2, 3):
            raise ValueError(f"version {version}")
        metadata: dict[str, Any] = {}
        for _ in range(entries):
            key = _text(stream)
            (kind,) = _unpack(stream, "<I")
            metadata[key] = _value(stream, kind, key in keep)
        return GGUFHeader(metadata, tuple(_tensor(stream) for _ in range(tensors)))
    except (struct.error, OverflowError, MemoryError) as error:
        raise CutOff(str(error)) from error


def _tensor(stream: Stream) -> GGUFTensor:
    name = _text(stream)
    (dimensions,) = _unpack(stream, "<I")
    if dimensions > 16:
        raise ValueError(f"a tensor of {dimensions} dimensions")
    shape = _unpack(stream, f"<{dimensions}Q")
    kind, offset = _unpack(stream, "<IQ")
    return GGUFTensor(name, TYPES.get(kind, (f"type {kind}",))[0], shape, offset)


def _value(stream: Stream, kind: int, keep: bool = False) -> Any:
    if kind == _STRING:
        return _text(stream)
    if kind != _ARRAY:
        return _unpack(stream, f"<{_scalar(kind)}")[0]
    inner, count = _unpack(stream, "<IQ")
    if inner in (_STRING, _ARRAY):
        for _ in range(count):
            _value(stream, inner)
        return Length(count)
    if count <= _SHORT or keep:
        return list(_unpack(stream, f"<{count}{_scalar(inner)}"))
    stream.seek(struct.calcsize(f"<{_scalar(inner)}") * count, 1)
    return Length(count)


def _scalar(kind: int) -> str:
    if kind not in _SCALARS:
        raise ValueError(f"value type {kind}")
    return _SCALARS[kind]


def _text(stream: Stream) -> str:
    (length,) = _unpack(stream, "<Q")
    if length > 1 << 30:
        raise ValueError(f"a string of {length} bytes")
    raw = stream.read(length)
    if len(raw) < length:
        raise CutOff("end of file")
    return raw.decode("utf-8", errors="replace")


def _unpack(stream: Stream, layout: str) -> tuple[Any, ...]:
    raw = stream.read(struct.calcsize(layout))
    if len(raw) < struct.calcsize(layout):
        raise CutOff("end of file")
    return struct.unpack(layout, raw)
