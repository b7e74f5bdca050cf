"""`Receipt`: everything that determined a completion, so that it can be repeated and compared.

A plain value; it does not know how to repeat anything. Where INFLUENCE_RECEIPTS names a file, the receipt of every
completion goes there as soon as there is one.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, fields
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from influence_nb.arguments import quoted
from influence_nb.engine import jsons
from influence_nb.engine.sampling import Sampling
from influence_nb.errors import InvalidData, InvalidSampling, NotEnoughDisk
from influence_nb.settings import settings

_HINT = "Use a receipt that this version made: completion.receipt, its to_dict(), or a file that its save() wrote."


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
        given: how many of the output's first tokens were given and not drawn: those of a branch (`Completion.branch`),
            the token that was taken included.
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
    given: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The receipt as JSON-friendly values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Receipt:
        """The inverse of `to_dict`, also after the values have been JSON.

        Raises:
            InvalidData: a field is unknown, missing or of the wrong kind; the message names it.
        """
        if not isinstance(values, Mapping):
            raise InvalidData(f"{quoted(values)} is no receipt.", _HINT)
        known = {one.name: one for one in fields(cls)}
        if unknown := [name for name in values if name not in known]:
            raise InvalidData(f"A receipt has no field {quoted(unknown[0])}.", _HINT)
        if lacking := [name for name in known if name not in values and name not in _LATER]:
            raise InvalidData(f"The receipt lacks {lacking[0]!r}.", _HINT)
        for name, value in values.items():
            if not _KINDS[str(known[name].type)](value):
                raise InvalidData(f"The receipt's {name} cannot be {quoted(value)}.", _HINT)
        try:
            Sampling.from_dict(values["sampling"])
        except InvalidSampling as error:
            raise InvalidData(f"The receipt's sampling is none: {error.message}", _HINT) from error
        made: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        return cls(**made)

    def save(self, path: str | Path) -> Path:
        """Write it as JSON; `load` reads it.

        Raises:
            InvalidData: there is no writing there.
        """
        return jsons.write(path, self.to_dict())

    @classmethod
    def load(cls, path: str | Path) -> Receipt:
        """The receipt in a file that `save` wrote.

        Raises:
            InvalidData: the file holds none.
        """
        return cls.from_dict(jsons.read(path, "a receipt", _HINT))


def _ids(value: object) -> bool:
    """Whether it is a list of token ids, or of other counts."""
    return isinstance(value, list | tuple) and all(type(one) is int and one >= 0 for one in value)


def _named(value: object, kind: type) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and isinstance(one, kind) for name, one in value.items()
    )


_LATER = ("endpoint", "given")
"""Fields that receipts of earlier versions lack."""

_KINDS: dict[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "str | None": lambda value: isinstance(value, str | None),
    "int": lambda value: type(value) is int and value >= 0,
    "int | None": lambda value: value is None or type(value) is int,
    "tuple[int, ...]": _ids,
    "tuple[int, int] | None": lambda value: value is None or (_ids(value) and len(value) == 2),
    "Mapping[str, str]": lambda value: _named(value, str),
    "Mapping[str, Any]": lambda value: _named(value, object),
}
"""Whether a value is of a kind, by how the fields' types are written."""


_WRITING = threading.Lock()
_PASSED_OVER = ContextVar("passed_over", default=False)


def promised(make: Callable[[], Receipt]) -> Callable[[], Receipt]:
    """What makes a receipt, once, when it is first asked for; at once where INFLUENCE_RECEIPTS wants it kept.

    Raises:
        NotEnoughDisk: it cannot be kept.
    """
    made = cache(make)
    if (path := settings().receipts) is not None and not _PASSED_OVER.get():
        line = json.dumps(made().to_dict()) + "\n"
        try:
            with _WRITING, path.open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            raise NotEnoughDisk(
                f"The receipt of a completion cannot be kept in {path}: {error}.",
                "Free some space, or unset INFLUENCE_RECEIPTS.",
            ) from error
    return made


@contextmanager
def passed_over() -> Iterator[None]:
    """Completions of this thread are nobody's until the end: their receipts are not kept."""
    token = _PASSED_OVER.set(True)
    try:
        yield
    finally:
        _PASSED_OVER.reset(token)


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


def versions_of(*packages: str) -> dict[str, str]:
    """Of `package_versions`, those of some."""
    return {name: number for name, number in package_versions().items() if name in packages}
