"""`Receipt`: everything that determined a completion, so that it can be repeated and compared.

A plain value; it does not know how to repeat anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any


@dataclass(frozen=True)
class Receipt:
    """What a completion was made from. Of a model on a server much is not known: None or empty.

    Attributes:
        model: the name it was loaded by.
        revision: the repository's commit, where there is one.
        files: {file name: SHA-256} of configuration, tokenizer and weights.
        template_sha256: of the chat template; None where the model has none.
        prompt_ids: the prompt's token ids.
        sampling: every parameter, by name.
        seed: the seed drawn or given; None where a server takes none.
        dtype, quantization, device, attention: how the model was loaded.
        batch_shape: (rows, prompt tokens with padding) of the forward pass that it was part of.
        runtime: "transformers", "llama.cpp" or "endpoint".
        versions: {package: version}.
        output_ids: the output's token ids.
        endpoint: the address of the server that ran it, without a user's name or password; None where it ran here.
    """

    model: str
    revision: str | None
    files: Mapping[str, str]
    template_sha256: str | None
    prompt_ids: tuple[int, ...]
    sampling: Mapping[str, Any]
    seed: int | None
    dtype: str
    quantization: str | None
    device: str
    attention: str
    batch_shape: tuple[int, int] | None
    runtime: str
    versions: Mapping[str, str]
    output_ids: tuple[int, ...]
    endpoint: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The receipt as JSON-friendly values."""
        return asdict(self)


@cache
def package_versions() -> Mapping[str, str]:
    """The versions of the packages that a completion depends on."""
    import platform

    versions = {"python": platform.python_version()}
    for package in ("influence_nb", "torch", "transformers", "tokenizers"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
