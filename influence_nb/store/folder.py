"""What a model's folder holds, and whether all of a model is there.

It reads names, sizes and headers; it does not know where the folder came from, and loads no weights.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from influence_nb.errors import BrokenModel
from influence_nb.store.listing import listing, total
from influence_nb.store.weights import AGAIN, WeightHeader, read_gguf, read_safetensors

TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")
_WHOLE = "A model's folder holds config.json, a tokenizer and weights."
_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_HEAD = 64 * 1024
"""Characters of a model card that are read; what is looked for stands at its beginning."""
_FRONT = re.compile(r"---\s*\n(.*?)\n---\s*(?:\n|$)", re.DOTALL)
_LICENSE = re.compile(r"(?m)^(license|license_name):[ \t]*[\"']?([^\s\"'#\[]+)")
_PART = re.compile(r"-\d{5}-of-\d{5}(?=\.gguf$)")
_GGUF_KIND = re.compile(r"(?i)[.\-_]((?:I?Q\d|TQ\d)[0-9A-Z_]*|BF16|F16|F32)\.gguf$")


@dataclass(frozen=True)
class Contents:
    """What a whole model's folder holds.

    Attributes:
        format: "safetensors", "gguf" or "pytorch".
        config: config.json; empty for a folder with nothing but a GGUF file.
        weights: the weight files.
        architecture: such as "LlamaForCausalLM"; for GGUF its own word, such as "llama".
        quantization: such as "nf4", "gptq" or "Q4_1"; None for plain weights.
        dtype: what the checkpoint says ("bfloat16"); None where it says nothing.
        parameters: how many; None where the format does not tell.
        size: bytes of all files of the model.
        license: what the model card says; None where it says nothing.
    """

    format: str
    config: dict[str, Any]
    weights: tuple[Path, ...]
    architecture: str | None
    quantization: str | None
    dtype: str | None
    parameters: int | None
    size: int
    license: str | None = None


def inspect(path: Path, size: int | None = None) -> Contents:
    """What the folder holds, once it is sure that all of a model is there.

    Args:
        path: the folder.
        size: bytes of all its files, where that is known already.

    Raises:
        BrokenModel: no folder, or a file is missing, cut off, damaged or cannot be read: the message names it.
    """
    try:
        return _inspect(path, size)
    except (OSError, TypeError, KeyError, AttributeError, ValueError, RecursionError) as error:
        raise BrokenModel(f"{path} cannot be read as a model: {error}.", AGAIN) from error


def _inspect(path: Path, size: int | None) -> Contents:
    if path.is_file():
        return _bare_gguf(path, (path,), path.stat().st_size)
    if not path.is_dir():
        raise BrokenModel(f"There is no folder or file {path}.", f"{_WHOLE} Or give a GGUF file.")
    ggufs = tuple(sorted(path.glob("*.gguf")))
    if ggufs and not (path / "config.json").exists():
        return _bare_gguf(path, ggufs, size)
    config = _config(path)
    _check_tokenizer(path)
    format, weights = _weights(path)
    headers = [_header(_file(file), format) for file in weights]
    quantization = _quantization(config)
    return Contents(
        format=format,
        config=config,
        weights=weights,
        architecture=_architecture(config, path),
        quantization=quantization if format != "gguf" else _gguf_kind(weights[0], headers[0]),
        dtype=_dtype(config, headers),
        parameters=_parameters(headers, quantization),
        size=total(listing(path)) if size is None else size,
        license=_license(path),
    )


def gguf_of(path: Path) -> Path:
    """The GGUF file that a model is, or the first of its parts.

    Raises:
        BrokenModel: as `inspect`, and where the folder holds several models.
    """
    files = inspect(path).weights
    if len({_PART.sub("", file.name) for file in files}) > 1:
        names = ", ".join(file.name for file in files)
        raise BrokenModel(
            f"{path} holds several GGUF files: {names}.", f"Give one of them: inb.load({str(files[0])!r})."
        )
    return files[0]


def model_files(path: Path) -> list[Path]:
    """The files that decide what a model says: configs, tokenizer, weights, code; sorted by name."""
    if path.is_file():
        return [path]
    kinds = {".json", ".safetensors", ".bin", ".gguf", ".model", ".txt", ".jinja", ".py"}
    return sorted(file for file in path.iterdir() if file.suffix in kinds and file.is_file())


def _bare_gguf(path: Path, ggufs: tuple[Path, ...], size: int | None) -> Contents:
    first, *_ = [read_gguf(_file(file)) for file in ggufs]  # all are looked at
    return Contents(
        format="gguf",
        config={},
        weights=ggufs,
        architecture=first.architecture,
        quantization=_gguf_kind(ggufs[0], first),
        dtype=None,
        parameters=first.parameters,
        size=total(listing(path)) if size is None else size,
        license=None if path.is_file() else _license(path),
    )


def _config(path: Path) -> dict[str, Any]:
    file = path / "config.json"
    if not file.exists():
        raise BrokenModel(f"{path} has no config.json.", _WHOLE)
    return _json(file)


def _json(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise BrokenModel(f"{file} cannot be read as JSON: {error}.", AGAIN) from error
    if not isinstance(value, dict):
        raise BrokenModel(f"{file} holds a {type(value).__name__}, expected an object.", AGAIN)
    return value


def _check_tokenizer(path: Path) -> None:
    there = [name for name in TOKENIZERS if (path / name).exists()]
    if not there:
        raise BrokenModel(
            f"{path} has no tokenizer: none of {', '.join(TOKENIZERS)} is there.",
            "Put the tokenizer's files of the same model beside config.json.",
        )
    if there == ["vocab.json"] and not (path / "merges.txt").exists():
        raise BrokenModel(
            f"{path} has vocab.json but no merges.txt (nor a tokenizer.json).",
            "Put merges.txt of the same model beside vocab.json.",
        )


def _weights(path: Path) -> tuple[str, tuple[Path, ...]]:
    """The format and its files: safetensors before PyTorch's before GGUF."""
    for format, single, index, pattern in (
        ("safetensors", "model.safetensors", "model.safetensors.index.json", "*.safetensors"),
        ("pytorch", "pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model*.bin"),
    ):
        if (path / single).exists():
            return format, (path / single,)
        if (path / index).exists():
            return format, _shards(path, index)
        if found := tuple(sorted(path.glob(pattern))):
            return format, found
    if found := tuple(sorted(path.glob("*.gguf"))):
        return "gguf", found
    raise BrokenModel(
        f"{path} has no weights: neither model.safetensors nor pytorch_model.bin is there.",
        _WHOLE,
    )


def _shards(path: Path, index: str) -> tuple[Path, ...]:
    table = _json(path / index).get("weight_map")
    if not isinstance(table, dict) or not table:
        raise BrokenModel(f"{path / index} has no weight_map.", AGAIN)
    if odd := [name for name in table.values() if not isinstance(name, str)]:
        raise BrokenModel(f"{path / index} names a file {odd[0]!r}, which is not a name.", AGAIN)
    names = sorted(set(table.values()))
    for name in names:
        if not (path / name).exists():
            raise BrokenModel(
                f"{path} has no {name}, one of the {len(names)} files that {index} names.",
                "Fetch the model again: it is not whole.",
            )
    return tuple(path / name for name in names)


def _file(path: Path) -> Path:
    if not path.is_file():
        raise BrokenModel(f"{path} is not a file, or a link to one that is gone.", AGAIN)
    return path


def _header(file: Path, format: str) -> WeightHeader | None:
    if format == "safetensors":
        return read_safetensors(file)
    if format == "gguf":
        return read_gguf(file)
    if file.stat().st_size == 0:
        raise BrokenModel(f"{file.name} is empty.", AGAIN)
    return None


def _parameters(headers: list[WeightHeader | None], quantization: str | None) -> int | None:
    """The count, unless the format hides it: PyTorch's files, and weights packed into integers."""
    if any(header is None or (quantization and {"U8", "I32"} & set(header.dtypes)) for header in headers):
        return None
    return sum(header.parameters for header in headers if header is not None)


def _dtype(config: dict[str, Any], headers: list[WeightHeader | None]) -> str | None:
    """What the config says, else what most of the numbers in the files are."""
    if said := config.get("dtype") or config.get("torch_dtype"):
        return str(said)
    counts: Counter[str] = Counter()
    for header in headers:
        counts.update(header.dtypes if header else {})
    return _DTYPES.get(counts.most_common(1)[0][0]) if counts else None


def _architecture(config: dict[str, Any], path: Path) -> str | None:
    """The first one that the config names; some name only one, without a list around it."""
    said = config.get("architectures") or None
    first = said[0] if isinstance(said, list) else said
    if first is not None and not isinstance(first, str):
        raise BrokenModel(f"{path / 'config.json'} has the architectures {said!r}, expected names.", AGAIN)
    return first


def _quantization(config: dict[str, Any]) -> str | None:
    how = config.get("quantization_config")
    if not isinstance(how, dict):
        return None
    if how.get("load_in_4bit"):
        return str(how.get("bnb_4bit_quant_type") or "fp4")
    if how.get("load_in_8bit"):
        return "int8"
    method = how.get("quant_method")
    return str(method) if method else None


def _gguf_kind(file: Path, header: WeightHeader | None) -> str | None:
    """What the file's name says ("Q4_K_M", a mixture), else the type that most of its numbers have."""
    if found := _GGUF_KIND.search(file.name):
        return found[1].upper()
    held: Counter[str] = Counter()
    for tensor in header.gguf.tensors if header is not None and header.gguf is not None else ():
        held[tensor.type] += tensor.parameters
    return max(held, key=held.__getitem__, default=None)


def _license(path: Path) -> str | None:
    """What the head of the model card says, between its lines of dashes; "other" gives way to the name beside it."""
    try:
        with (path / "README.md").open(encoding="utf-8", errors="replace") as file:
            head = file.read(_HEAD)
    except OSError:
        return None
    front = _FRONT.match(head)
    said = dict(_LICENSE.findall(front[1])) if front else {}
    named = said.get("license_name") if said.get("license") == "other" else None
    return named or said.get("license")
