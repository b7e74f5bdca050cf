"""Which files of a repository make the model, and why: safetensors over PyTorch's, one quantization of a GGUF.

Pure: it knows names and sizes, and neither a hub nor a disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath, PureWindowsPath

from influence_nb.arguments import quoted
from influence_nb.errors import IntegrityError, InvalidData


@dataclass(frozen=True)
class RemoteFile:
    """One file as a hub lists it.

    Attributes:
        name: with "/" between folders.
        size: bytes; None where the hub does not say.
        sha256: for large files; None for the small ones that git itself keeps.
        blob_id: what the hub calls its content: the git object's SHA-1, or an ETag where there is no more.
    """

    name: str
    size: int | None = None
    sha256: str | None = None
    blob_id: str | None = None


@dataclass(frozen=True)
class Choice:
    """The files to fetch, each with the reason, and those left out, each with the reason."""

    chosen: tuple[tuple[RemoteFile, str], ...]
    left_out: tuple[tuple[str, str], ...]


GGUF_ORDER = (
    *("Q4_K_M", "Q4_K_S", "Q4_K_L", "Q4_K_XL", "Q4_K", "IQ4_NL", "IQ4_XS", "Q4_1", "Q4_0", "MXFP4"),
    *("Q5_K_M", "Q5_K_S", "Q5_K_L", "Q5_K_XL", "Q5_K", "Q5_1", "Q5_0"),
    *("Q6_K", "Q6_K_L", "Q6_K_XL", "Q8_0", "Q8_K_XL"),
    *(
        "Q3_K_L",
        "Q3_K_M",
        "Q3_K_XL",
        "Q3_K_S",
        "IQ3_M",
        "IQ3_S",
        "IQ3_XS",
        "IQ3_XXS",
        "Q2_K_L",
        "Q2_K_XL",
        "Q2_K",
    ),
    *("BF16", "F16", "F32"),
)
"""Without a wish the first of these that is there is taken: four bits a weight, else the nearest above, then below."""

_KIND = re.compile(
    r"(?i)(?:^|[.\-_/])((?:I?Q\d|TQ\d)(?:_[0-9A-Z]+)*|MXFP4(?:_MOE)?|BF16|F16|F32)(?=[.\-/]|$)"
)
_PART = re.compile(r"-(\d{5})-of-(\d{5})(?=\.(?:gguf|safetensors|bin)$)")
_DENSE = re.compile(r"^\d+_[^/]+/")
"""A folder of one of sentence-transformers' modules, such as "2_Dense/"."""

_OTHER_FOLDERS = {
    "onnx": "ONNX",
    "openvino": "OpenVINO",
    "original": "the original format: a copy",
    "coreml": "Core ML",
    "tflite": "TensorFlow Lite",
    "flax": "Flax",
    "tf": "TensorFlow",
    "metal": "a format for Apple's Metal: a copy",
    "runs": "training logs",
}
_OTHER_ENDS = {
    ".onnx": "ONNX",
    ".onnx_data": "ONNX",
    ".h5": "TensorFlow",
    ".msgpack": "Flax",
    ".ot": "Rust's format: a copy",
    ".tflite": "TensorFlow Lite",
    ".mlmodel": "Core ML",
    ".pth": "the original format: a copy",
    ".npz": "another format",
    ".zip": "an archive",
    ".gz": "an archive",
    ".tar": "an archive",
    ".png": "a picture",
    ".jpg": "a picture",
    ".jpeg": "a picture",
    ".gif": "a picture",
    ".svg": "a picture",
    ".webp": "a picture",
    ".pdf": "a document",
}
_TRAINING = re.compile(
    r"^(training_args\.bin|optimizer\.|scheduler\.|rng_state|trainer_state\.json|global_step)"
)
_TOKENIZER = re.compile(
    r"^(tokenizer|vocab|merges|special_tokens|added_tokens|spiece|sentencepiece|bpe|tekken|chat_template)|"
    r"\.(model|tiktoken|jinja|vocab)$"
)
_CARD = re.compile(r"(?i)^(readme|licen[cs]e|notice|use_policy)")


def choose(
    files: Sequence[RemoteFile],
    *,
    needs_code: bool = False,
    include: Iterable[str] | None = None,
    exclude: Iterable[str] | None = None,
    quantization: str | None = None,
) -> Choice:
    """The files that make the model, sorted by name.

    Args:
        files: all that the repository holds.
        needs_code: whether the model asks for its own Python code; if not, such files are left out.
        include: patterns (`*`, `?`, `[...]`; a folder with "/" at its end); given, only what matches is taken,
            whatever its format.
        exclude: patterns of what is never taken.
        quantization: of a GGUF repository, such as "Q5_K_M"; None takes one of about four bits a weight.

    Raises:
        InvalidData: no such quantization, or the patterns leave nothing.
    """
    included, excluded = _patterns(include), _patterns(exclude)
    reasons: dict[str, str] = {}
    chosen: dict[str, str] = {}
    rest = []
    for file in files:
        if excluded is not None and _matches(file.name, excluded):
            reasons[file.name] = "excluded"
        elif included is None:
            rest.append(file)
        elif _matches(file.name, included):
            chosen[file.name] = f"asked for: {_kind_of(file.name)}"
        else:
            reasons[file.name] = "not in include"
    if included is None:
        taken, left = _by_format(rest, needs_code, quantization)
        chosen.update(taken)
        reasons.update(left)
    if not chosen:
        names = ", ".join(sorted(file.name for file in files)[:12]) or "no files at all"
        raise InvalidData(
            "No file is left to fetch.", f"Change include or exclude; the repository has {names}."
        )
    return Choice(
        tuple(
            (file, chosen[file.name]) for file in sorted(files, key=lambda f: f.name) if file.name in chosen
        ),
        tuple(sorted(reasons.items())),
    )


def check_names(names: Iterable[str]) -> None:
    """Refuse names that would leave the folder, on this system or another.

    Raises:
        IntegrityError: one does; nothing may be written.
    """
    files = set(names)
    for name in files:
        parts = name.split("/") if isinstance(name, str) else [""]
        if (
            any(not part.strip(" .") for part in parts)  # Windows drops dots and spaces at the end of a name
            or any(PureWindowsPath(part).drive or "\\" in part for part in parts)
            or any(ord(character) < 32 or ord(character) == 127 for character in name)
            or len(name) > 1000
        ):
            raise IntegrityError(
                f"The hub lists a file named {name!r}, which would not stay in the model's folder.",
                "Nothing was written. Do not trust this repository, or the hub that lists it.",
            )
        for parent in PurePosixPath(name).parents:
            if str(parent) in files:
                raise IntegrityError(
                    f"The hub lists {str(parent)!r} both as a file and as a folder.",
                    "Nothing was written. Do not trust this repository, or the hub that lists it.",
                )


def gguf_kind(name: str) -> str | None:
    """The quantization that a GGUF file's name tells, in capitals: "Q4_K_M"; None where it tells none."""
    base = _PART.sub("", name).removesuffix(".gguf")
    found = _KIND.findall(base)
    return found[-1].upper() if found else None


Reasons = dict[str, str]


def _by_format(
    files: Sequence[RemoteFile], needs_code: bool, quantization: str | None
) -> tuple[Reasons, Reasons]:
    """(chosen, left out), each with reasons, where nobody named patterns."""
    names = [file.name for file in files]
    dense = any(name == "modules.json" for name in names)
    chosen: Reasons = {}
    left: Reasons = {}
    weights: dict[str, list[str]] = {}  # by folder
    for name in names:
        folder, _, base = name.rpartition("/")
        end = PurePosixPath(base).suffix.lower()
        if why := _other(name, folder, base, end):
            left[name] = why
        elif end == ".gguf" or (end in (".safetensors", ".bin", ".pt") or base.endswith(".index.json")):
            weights.setdefault("" if end == ".gguf" else folder, []).append(name)
        elif end == ".py":
            if needs_code:
                chosen[name] = "code of the model: it runs only when asked for by name"
            else:
                left[name] = "code that the model does not ask for"
        elif folder and not (dense and _DENSE.match(name)) and folder != "additional_chat_templates":
            left[name] = "in a folder that the model does not use"
        elif why := _small(base, end):
            chosen[name] = why
        else:
            left[name] = "not needed to run the model"
    for folder, found in weights.items():
        if folder and not (dense and _DENSE.match(f"{folder}/")):
            left.update(dict.fromkeys(found, "weights in a folder that the model does not use"))
            continue
        taken, other = _weights(found, quantization if not folder else None)
        chosen.update(taken)
        left.update(other)
    if quantization is not None and not any(why.startswith("weights, GGUF") for why in chosen.values()):
        raise InvalidData(
            f"There is no quantization {quoted(quantization)} to choose: the repository has no GGUF files.",
            "Leave `quantization` out; other weights are quantized when they are loaded.",
        )
    return chosen, left


def _other(name: str, folder: str, base: str, end: str) -> str | None:
    """Why a file is left out whatever else is there; None if it is not."""
    for part in folder.split("/"):
        if part.lower() in _OTHER_FOLDERS:
            return _OTHER_FOLDERS[part.lower()]
        if re.match(r"checkpoint-\d+$", part):
            return "a checkpoint from training"
    if base.startswith("."):
        return "for git only"
    if _TRAINING.match(base):
        return "training state"
    if base.startswith("openvino_"):
        return "OpenVINO"
    if base.startswith(("tf_model", "flax_model", "rust_model")) or end in _OTHER_ENDS:
        return _OTHER_ENDS.get(end, "another format")
    if end == ".gguf" and re.search(r"(?i)mmproj|imatrix", base):
        return "for pictures or for quantizing"
    return None


def _small(base: str, end: str) -> str | None:
    """Why a small file is taken; None if it is not."""
    if _CARD.match(base):
        return "card and licence"
    if _TOKENIZER.search(base):
        return "tokenizer"
    if end == ".json":
        return "config"
    return "tokenizer" if end == ".txt" else None


def _weights(names: list[str], quantization: str | None) -> tuple[Reasons, Reasons]:
    """The weights of one folder: one format of them, and of that one set."""
    tensors = [name for name in names if name.endswith((".safetensors", ".safetensors.index.json"))]
    pickled = [name for name in names if name.endswith((".bin", ".bin.index.json", ".pt"))]
    ggufs = [name for name in names if name.endswith(".gguf")]
    other = [name for name in names if name not in (*tensors, *pickled, *ggufs)]
    left: Reasons = dict.fromkeys(other, "an index of weights in another format")
    wanted = quantization is not None and bool(ggufs)
    if wanted or (ggufs and not tensors and not pickled):
        left.update(dict.fromkeys([*tensors, *pickled], "weights in another format: GGUF was chosen"))
        kind, chosen = _one_gguf(ggufs, quantization)
        left.update(
            (
                name,
                f"another quantization, {other_kind}"
                if (other_kind := gguf_kind(name)) != kind
                else "another model",
            )
            for name in ggufs
            if name not in chosen
        )
        return dict.fromkeys(chosen, f"weights, GGUF {kind or ''}".strip()), left
    left.update(
        (name, f"weights, GGUF {gguf_kind(name) or ''}: safetensors or PyTorch's are there") for name in ggufs
    )
    if tensors:
        chosen = _one_set(tensors, "model", ".safetensors")
        left.update(dict.fromkeys(pickled, "weights, PyTorch: safetensors are there"))
        left.update(
            (name, "other weights: the model's own are there") for name in tensors if name not in chosen
        )
        return {name: _index_or(name, "weights, safetensors") for name in chosen}, left
    chosen = _one_set(pickled, "pytorch_model", ".bin")
    left.update((name, "other weights: the model's own are there") for name in pickled if name not in chosen)
    return {name: _index_or(name, "weights, PyTorch (no safetensors are there)") for name in chosen}, left


def _one_set(names: list[str], stem: str, end: str) -> list[str]:
    """The single file, else the numbered ones with their index, else all but known copies."""
    base = {name.rpartition("/")[2]: name for name in names}
    if f"{stem}{end}" in base:
        return [base[f"{stem}{end}"]]
    numbered = [
        name for short, name in base.items() if re.fullmatch(rf"{stem}-\d+-of-\d+{re.escape(end)}", short)
    ]
    if numbered:
        return [*numbered, *(name for short, name in base.items() if short == f"{stem}{end}.index.json")]
    copies = re.compile(r"^consolidated|\.(fp16|fp32|bf16|non_ema)\.|^adapter_")
    plain = [name for short, name in base.items() if not copies.search(short)]
    return plain or list(base.values())


def _one_gguf(names: list[str], quantization: str | None) -> tuple[str | None, list[str]]:
    """One quantization, with all its parts, of one model."""
    sets: dict[tuple[str | None, str], list[str]] = {}
    for name in sorted(names):
        sets.setdefault((gguf_kind(name), _PART.sub("", name)), []).append(name)
    kinds = [kind for kind, _ in sets if kind is not None]
    if quantization is not None:
        wanted = quantization.upper().replace("-", "_")
        if wanted not in kinds:
            raise InvalidData(
                f"There is no quantization {quoted(quantization)} in this repository.",
                f"It has: {', '.join(sorted(set(kinds))) or 'none that its file names tell'}.",
            )
        kind: str | None = wanted
    else:
        kind = next((kind for kind in GGUF_ORDER if kind in kinds), next(iter(sets))[0])
    return next((kind, found) for (this, _), found in sets.items() if this == kind)


def _index_or(name: str, why: str) -> str:
    return "which weights are in which file" if name.endswith(".index.json") else why


def _kind_of(name: str) -> str:
    end = PurePosixPath(name).suffix.lower()
    if end in (".safetensors", ".bin", ".gguf", ".pt", ".pth"):
        return "weights"
    return "code" if end == ".py" else "file"


def _patterns(given: Iterable[str] | None) -> list[str] | None:
    if given is None:
        return None
    patterns = [given] if isinstance(given, str) else list(given)
    return [f"{pattern}*" if pattern.endswith("/") else pattern for pattern in patterns]


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
