"""What the headers of weight files amount to, and what the weights take in memory in a dtype or quantization.

It knows how bitsandbytes and GGUF store numbers; it does not read files, and does not know layers.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from influence_nb.memory.gguf import TYPES

ITEMSIZES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}
"""Bytes a number, by the names of dtypes that weights are loaded in."""

STORED: dict[str, float] = {
    **dict.fromkeys(("F64", "I64", "U64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 1),
    "F4": 0.5,
}
"""Bytes a number, by the dtype names of safetensors."""

FLOATS = ("F64", "F32", "F16", "BF16")

_MEASURED = """
IQ1_S 2.0042, IQ1_M 2.146, IQ2_XXS 2.3824, IQ2_XS 2.5882, IQ2_S 2.7403, IQ2_M 2.9294,
IQ3_XXS 3.2548, IQ3_XS 3.4977, IQ3_S 3.6606, IQ3_M 3.7628, IQ4_XS 4.4597, IQ4_NL 4.6818,
Q2_K_S 2.9697, Q2_K 3.1593, Q3_K_S 3.6429, Q3_K_M 3.996, Q3_K_L 4.2979, Q4_K_S 4.6672,
Q4_K_M 4.8944, Q5_K_S 5.5704, Q5_K_M 5.7036, Q6_K 6.5633, Q8_0 8.5008
"""
MIXES = {
    name: 8 * size / block
    for name, block, size in TYPES.values()
    if not re.fullmatch(r"I\d+|F64|Q8_[1K]|Q[345]_K", name)
} | {name: float(bits) for name, bits in (entry.split() for entry in _MEASURED.split(","))}
"""Bits a weight, by the name of a GGUF quantization. Of those that mix types (Q4_K_M and such), as measured on Llama
3.1 8B (https://github.com/ggml-org/llama.cpp/blob/master/tools/quantize/README.md; Q3_K_M, which it lacks, lies
between its neighbours); of the others, a block's bytes over its numbers."""

PACKED = ("int8", "nf4")
NF4_BLOCK = 64
"""Numbers that share one float32 scale in bitsandbytes' 4-bit storage (QLoRA, arXiv:2305.14314, without its double
quantization, which transformers leaves off)."""
NF4_TABLE = 64
"""Bytes of the 16 values that a 4-bit tensor's codes stand for."""

_KEPT = re.compile(
    r"(?:^|\.)(?:[^.]*(?:embed(?:ding)?s?|embed_[a-z_]*|wte|wpe|norm|lm_head|_emb)\d?|emb|head|output|"
    r"transformer\.w|lm_head\.decoder|predictions\.decoder|token_embd)\.weight$|\.experts\.\d+\."
)
"""Names of two-dimensional weights that are not packed: embeddings and what is tied to them, the output layer, and
experts, which transformers stacks into one tensor that is no linear layer."""
_KEY_VALUE = re.compile(
    r"^(?:model\.|language_model\.)*layers\.(\d+)\.(?:self_attn|attn)\.([kv])_proj\.weight$"
)
_FURTHER = re.compile(r"^(?:model\.|language_model\.)*layers\.(\d+)\.")


@dataclass(frozen=True)
class Tensor:
    """One tensor as a header describes it: dtype as the file writes it ("BF16", or a GGUF type such as "Q4_1")."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Weights:
    """What all tensors of a model amount to.

    Attributes:
        parameters: numbers in all of them.
        dtypes: numbers by the dtype names of the files.
        stored: bytes as they stand in the files.
        linear: numbers in the linear layers that int8 and nf4 pack.
        rows: output rows of these layers; int8 has a float32 scale for each.
        blocks: blocks of 64 in these layers; nf4 has a float32 scale for each.
        tensors: how many such layers.
        key_values: numbers a token in the keys and values of a layer, by its index, where names and shapes tell.
        estimated: whether this was worked out from a config, without headers.
    """

    parameters: int
    dtypes: Mapping[str, int]
    stored: int
    linear: int
    rows: int
    blocks: int
    tensors: int
    key_values: Mapping[int, int] = field(default_factory=dict)
    estimated: bool = False

    @classmethod
    def of(cls, tensors: Iterable[Tensor], tied: bool = False, layers: int | None = None) -> Weights:
        """Add up the tensors of all of a model's files.

        Args:
            tensors: from the headers, each once.
            tied: whether the output layer is the embedding; a copy of it in the files is then not counted.
            layers: how many layers are run; a checkpoint may have more, for predicting several tokens at once, which
                transformers leaves out. None counts all.
        """
        counted = [tensor for tensor in tensors if _is_run(tensor, layers)]
        if tied and any(re.search("emb|wte", tensor.name) for tensor in counted):
            counted = [tensor for tensor in counted if not tensor.name.endswith("lm_head.weight")]
        dtypes: Counter[str] = Counter()
        widths: dict[tuple[int, str], int] = {}
        stored = linear = rows = blocks = packed = 0
        for tensor in counted:
            numbers = math.prod(tensor.shape)
            dtypes[tensor.dtype] += numbers
            stored += stored_size(tensor.dtype, numbers)
            if _is_linear(tensor):
                linear, packed = linear + numbers, packed + 1
                rows += tensor.shape[0]
                blocks += math.ceil(numbers / NF4_BLOCK)
            if (found := _KEY_VALUE.match(tensor.name)) and len(tensor.shape) == 2 and tensor.dtype in FLOATS:
                widths[int(found[1]), found[2]] = tensor.shape[0]
        both = {
            index: width + widths[index, "v"]
            for (index, side), width in widths.items()
            if side == "k" and (index, "v") in widths
        }
        return cls(sum(dtypes.values()), dict(dtypes), stored, linear, rows, blocks, packed, both)

    def size(self, dtype: str, quantization: str | None = None) -> int:
        """Bytes in memory.

        Args:
            dtype: "float32", "bfloat16", "float16" for all numbers that are not packed; "stored" as they stand in
                the files.
            quantization: None; "int8": a byte a number and a float32 scale a row (LLM.int8(), arXiv:2208.07339);
                "nf4": half a byte and a float32 scale for 64; or a GGUF type, by its bits a weight.
        """
        if dtype == "stored":
            return self.stored
        if quantization in MIXES:
            return math.ceil(self.parameters * MIXES[quantization] / 8)
        itemsize = ITEMSIZES[dtype]
        whole = sum(
            count * itemsize if name in FLOATS or name in _GGUF else stored_size(name, count)
            for name, count in self.dtypes.items()
        )
        if quantization is None:
            return whole
        rest = whole - self.linear * itemsize
        if quantization == "int8":
            return rest + self.linear + 4 * self.rows
        return rest + math.ceil(self.linear / 2) + 4 * self.blocks + NF4_TABLE * self.tensors


_GGUF = {name for name, _, _ in TYPES.values()} - set(STORED)


def stored_size(dtype: str, numbers: int) -> int:
    """Bytes of that many numbers in a file, by the dtype's name in safetensors or GGUF."""
    if dtype in STORED:
        return math.ceil(numbers * STORED[dtype])
    block, size = next(((block, size) for name, block, size in TYPES.values() if name == dtype), (1, 2))
    return math.ceil(numbers / block) * size


def _is_run(tensor: Tensor, layers: int | None) -> bool:
    if tensor.name.startswith("mtp."):
        return False
    further = _FURTHER.match(tensor.name) if layers else None
    return further is None or layers is None or int(further[1]) < layers


def _is_linear(tensor: Tensor) -> bool:
    return (
        len(tensor.shape) == 2
        and tensor.dtype in FLOATS
        and tensor.name.endswith(".weight")
        and not _KEPT.search(tensor.name)
    )
