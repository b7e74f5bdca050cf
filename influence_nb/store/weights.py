"""What the headers of weight files say, read in pure Python without loading a tensor.

It knows the safetensors and GGUF layouts and nothing of models' folders; a file that is not whole raises
`BrokenModel` with what was expected and what is there.
"""

from __future__ import annotations

import json
import math
import struct
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from influence_nb.errors import BrokenModel
from influence_nb.memory.gguf import MAGIC, GGUFHeader, parse
from influence_nb.memory.weights import Tensor

AGAIN = "Fetch the model again, or restore the file."
_LFS = b"version https://git-lfs"


@dataclass(frozen=True)
class WeightHeader:
    """One weight file's header.

    Attributes:
        parameters: numbers in all tensors together.
        dtypes: parameters by dtype name as the file writes it ("BF16", "U8"); empty for GGUF.
        architecture: what a GGUF says it is ("llama", "bert"); None for safetensors.
        tensors: of a safetensors file.
        gguf: all of a GGUF's header.
    """

    parameters: int
    dtypes: dict[str, int]
    architecture: str | None = None
    tensors: tuple[Tensor, ...] = ()
    gguf: GGUFHeader | None = None


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
        tensors = tuple(Tensor(name, entry["dtype"], tuple(entry["shape"])) for name, entry in header.items())
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
    return WeightHeader(sum(dtypes.values()), dict(dtypes), tensors=tensors)


def read_gguf(path: Path, keep: Collection[str] = ()) -> WeightHeader:
    """The header of a GGUF file (versions 2 and 3, little-endian), after checking that its data begins.

    The layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; `keep` as `memory.gguf.parse` takes it.

    Raises:
        BrokenModel: not GGUF, or cut off.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        magic = file.read(4)
        _refuse_pointer(path, magic + file.read(len(_LFS) - 4))
        if magic != MAGIC:
            raise BrokenModel(
                f"{path.name} is not a GGUF file: it begins with {magic!r}, expected {MAGIC!r}.",
                "Give a GGUF file, or name the file after what it is.",
            )
        file.seek(4)
        try:
            header = parse(file, keep)
        except ValueError as error:
            raise BrokenModel(
                f"{path.name} is truncated or damaged: its header does not end within its {size} bytes.",
                AGAIN,
            ) from error
        last = max((tensor.offset for tensor in header.tensors), default=0)
        if size <= (expected := file.tell() + last):
            raise BrokenModel(
                f"{path.name} is truncated: expected more than {expected} bytes, it has {size}.", AGAIN
            )
    parameters = sum(tensor.parameters for tensor in header.tensors)
    return WeightHeader(parameters, {}, header.architecture, gguf=header)


def _refuse_pointer(path: Path, first: bytes) -> None:
    if first.startswith(_LFS):
        raise BrokenModel(
            f"{path.name} is a Git LFS pointer of {path.stat().st_size} bytes, not the weights.",
            "Run `git lfs pull` in the folder it came from.",
        )
