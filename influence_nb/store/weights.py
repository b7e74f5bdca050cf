"""What the headers of weight files say, read in pure Python without loading a tensor.

It knows the safetensors and GGUF layouts and nothing of models' folders; a file that is not whole raises
`BrokenModel` with what was expected and what is there.
"""

from __future__ import annotations

import json
import math
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from influence_nb.errors import BrokenModel

AGAIN = "Fetch the model again, or restore the file."
_LFS = b"version https://git-lfs"


@dataclass(frozen=True)
class WeightHeader:
    """One weight file's header.

    Attributes:
        parameters: numbers in all tensors together.
        dtypes: parameters by dtype name as the file writes it ("BF16", "U8"); empty for GGUF.
        architecture: what a GGUF says it is ("llama", "bert"); None for safetensors.
    """

    parameters: int
    dtypes: dict[str, int]
    architecture: str | None = None


def read_safetensors(path: Path) -> WeightHeader:
    """The header of a safetensors file, after checking that its tensors fill the file exactly.

    The layout is eight bytes of header length (little-endian), the header in JSON, then the tensors' bytes:
    https://github.com/huggingface/safetensors#format

    Raises:
        BrokenModel: truncated, too long, or not a safetensors file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        first = file.read(8)
        _refuse_pointer(path, first + file.read(len(_LFS) - 8))
        if len(first) < 8:
            raise BrokenModel(f"{path.name} is damaged: expected at least 8 bytes, it has {size}.", AGAIN)
        (length,) = struct.unpack("<Q", first)
        if 8 + length > size:
            raise BrokenModel(
                f"{path.name} is truncated or damaged: expected {8 + length} bytes or more, it has {size}.",
                AGAIN,
            )
        file.seek(8)
        raw = file.read(length)
    try:
        header: dict[str, Any] = json.loads(raw)
        header.pop("__metadata__", None)
        spans = sorted(tuple(entry["data_offsets"]) for entry in header.values())
        dtypes: Counter[str] = Counter()
        for entry in header.values():
            dtypes[entry["dtype"]] += math.prod(entry["shape"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BrokenModel(f"{path.name} is damaged: its header is not readable ({error}).", AGAIN) from error
    end = 0
    for start, stop in spans:
        if start != end or stop < start:
            raise BrokenModel(
                f"{path.name} is damaged: a tensor starts at byte {start} of the data, expected {end}.", AGAIN
            )
        end = stop
    if size != (expected := 8 + length + end):
        what = "truncated" if size < expected else "damaged"
        raise BrokenModel(f"{path.name} is {what}: expected {expected} bytes, it has {size}.", AGAIN)
    return WeightHeader(sum(dtypes.values()), dict(dtypes))


def read_gguf(path: Path) -> WeightHeader:
    """The header of a GGUF file (versions 2 and 3, little-endian), after checking that its data begins.

    The layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md

    Raises:
        BrokenModel: not GGUF, or cut off.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        magic = file.read(4)
        _refuse_pointer(path, magic + file.read(len(_LFS) - 4))
        if magic != b"GGUF":
            raise BrokenModel(
                f"{path.name} is not a GGUF file: it begins with {magic!r}, expected b'GGUF'.",
                "Give a GGUF file, or name the file after what it is.",
            )
        file.seek(4)
        try:
            architecture, parameters, last = _gguf_header(file)
        except (struct.error, ValueError, OverflowError, MemoryError) as error:
            raise BrokenModel(
                f"{path.name} is truncated or damaged: its header does not end within its {size} bytes.",
                AGAIN,
            ) from error
        if size <= (expected := file.tell() + last):
            raise BrokenModel(
                f"{path.name} is truncated: expected more than {expected} bytes, it has {size}.", AGAIN
            )
    return WeightHeader(parameters, {}, architecture)


_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


def _gguf_header(file: BinaryIO) -> tuple[str | None, int, int]:
    """(architecture, parameters, the last tensor's offset); leaves the file at the header's end."""
    version, tensors, entries = _unpack(file, "<IQQ")
    if version not in (2, 3):
        raise ValueError(f"version {version}")
    architecture = None
    for _ in range(entries):
        key = _string(file)
        (kind,) = _unpack(file, "<I")
        value = _value(file, kind)
        if key == b"general.architecture" and isinstance(value, bytes):
            architecture = value.decode("utf-8", errors="replace")
    parameters = last = 0
    for _ in range(tensors):
        _string(file)
        (dimensions,) = _unpack(file, "<I")
        shape = _unpack(file, f"<{dimensions}Q")
        _, offset = _unpack(file, "<IQ")
        parameters += math.prod(shape)
        last = max(last, offset)
    return architecture, parameters, last


def _value(file: BinaryIO, kind: int) -> Any:
    """One metadata value; arrays are passed over and give None."""
    if kind == _STRING:
        return _string(file)
    if kind != _ARRAY:
        return _unpack(file, f"<{_scalar(kind)}")[0]
    inner, count = _unpack(file, "<IQ")
    if inner in (_STRING, _ARRAY):
        for _ in range(count):
            _value(file, inner)
    else:
        _skip(file, struct.calcsize(f"<{_scalar(inner)}") * count)
    return None


def _scalar(kind: int) -> str:
    if kind not in _SCALARS:
        raise ValueError(f"value type {kind}")
    return _SCALARS[kind]


def _string(file: BinaryIO) -> bytes:
    (length,) = _unpack(file, "<Q")
    if length > 1 << 30:
        raise ValueError(f"a string of {length} bytes")
    text = file.read(length)
    if len(text) < length:
        raise ValueError("end of file")
    return text


def _unpack(file: BinaryIO, layout: str) -> tuple[Any, ...]:
    return struct.unpack(layout, file.read(struct.calcsize(layout)))


def _skip(file: BinaryIO, count: int) -> None:
    file.seek(count, 1)


def _refuse_pointer(path: Path, first: bytes) -> None:
    if first.startswith(_LFS):
        raise BrokenModel(
            f"{path.name} is a Git LFS pointer of {path.stat().st_size} bytes, not the weights.",
            "Run `git lfs pull` in the folder it came from.",
        )
