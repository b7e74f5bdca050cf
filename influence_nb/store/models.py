"""Models on this machine: one value a model, and the library that lists them.

It knows where models are kept and whether they are whole; it does not know how one is run or fetched.
"""

from __future__ import annotations

import difflib
import html
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from influence_nb.errors import BrokenModel, ModelNotFound
from influence_nb.hub import starters
from influence_nb.hub.cache import cached_models
from influence_nb.store import records
from influence_nb.store.folder import inspect

if TYPE_CHECKING:
    import pandas

CHAT_HEADS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
"""How the names of architectures that generate text end."""


@dataclass(frozen=True)
class LocalModel:
    """A whole model on this machine.

    Attributes:
        name: what `load` takes: "starter/chat", "owner/name", or the folder's own name.
        path: its folder.
        revision: the Hub's commit, or the starter's package and version; None for a plain folder.
        architecture: such as "LlamaForCausalLM"; for a bare GGUF file its own word, such as "llama".
        format: "safetensors", "gguf" or "pytorch".
        quantization: such as "nf4" or "Q4_1"; None for plain weights.
        parameters: how many; None where the format does not tell.
        size: bytes on disk.
        source: "starter", "hub" or "folder".
        last_used: when it was last loaded here; None when never.
        verified: whether its bytes were checked against known sums; None when never.
        dtype: what the checkpoint says, such as "bfloat16"; None where it says nothing.
    """

    name: str
    path: Path
    revision: str | None
    architecture: str | None
    format: str
    quantization: str | None
    parameters: int | None
    size: int
    source: str
    last_used: datetime | None = None
    verified: bool | None = None
    dtype: str | None = None

    @classmethod
    def from_folder(
        cls,
        path: str | Path,
        name: str | None = None,
        source: str = "folder",
        revision: str | None = None,
        verified: bool | None = None,
    ) -> LocalModel:
        """The model in a folder, from its config and the headers of its weights.

        Raises:
            BrokenModel: a file is missing, cut off, damaged or cannot be read; the message names it.
        """
        try:
            path = Path(path).expanduser()
            name = name or path.resolve().name
        except (
            TypeError,
            ValueError,
            OSError,
            RuntimeError,
        ) as error:  # a number, no such user, a loop of links
            raise BrokenModel(f"{path!r} is not a folder: {error}.", "Give a model's folder.") from error
        found = inspect(path)
        return cls(
            name=name,
            path=path,
            revision=revision,
            architecture=found.architecture,
            format=found.format,
            quantization=found.quantization,
            parameters=found.parameters,
            size=found.size,
            source=source,
            last_used=records.last_used(name),
            verified=verified,
            dtype=found.dtype,
        )

    @property
    def kind(self) -> Literal["chat", "embedding"]:
        """What it is for: "embedding" for encoders and sentence-transformers folders, else "chat"."""
        if (self.path / "modules.json").exists():
            return "embedding"
        if self.architecture is None or self.architecture.endswith(CHAT_HEADS):
            return "chat"
        if self.format == "gguf" and self.architecture == self.architecture.lower():
            return "embedding" if "bert" in self.architecture else "chat"
        return "embedding"


class Library:
    """The models on this machine: the starters that are here, and the Hub's standard cache.

    It looks anew each time it is asked, so it is never stale. Models that are not whole are left out.
    """

    def __iter__(self) -> Iterator[LocalModel]:
        yield from _starters()
        yield from _from_hub()

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return any(model.name == name for model in self)

    def __getitem__(self, name: str) -> LocalModel:
        """The model of that name.

        Raises:
            ModelNotFound: it is not here; the hint has near names.
        """
        names = []
        for model in self:
            if model.name == name:
                return model
            names.append(model.name)
        raise _not_found(name, names)

    def to_frame(self) -> pandas.DataFrame:
        """One row a model, one column a field, and `kind`."""
        import pandas as pd

        columns = [*(field.name for field in fields(LocalModel)), "kind"]
        return pd.DataFrame(
            [[getattr(model, column) for column in columns] for model in self], columns=columns
        )

    def __repr__(self) -> str:
        return "\n".join(_line(model) for model in self) or "No models here yet."

    def _repr_html_(self) -> str:
        heads = ("name", "for", "architecture", "parameters", "weights", "size", "source")
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in _cells(model)) + "</tr>"
            for model in self
        )
        if not rows:
            return "<p>No models here yet. Run <code>influence starters</code>.</p>"
        return (
            "<table><thead><tr>"
            + "".join(f"<th>{head}</th>" for head in heads)
            + f"</tr></thead><tbody>{rows}</tbody></table>"
        )


def _starters() -> Iterator[LocalModel]:
    for name, starter in starters.STARTERS.items():
        if not starters.is_here(name):
            continue
        folder = starters.folder(name)
        for path in (folder / "safetensors", folder):  # the converted weights where they are there
            try:
                yield LocalModel.from_folder(
                    path, name, "starter", revision=f"{starter.package}-{starter.version}", verified=True
                )
                break
            except BrokenModel:
                continue


def _from_hub() -> Iterator[LocalModel]:
    for cached in cached_models():
        try:
            yield LocalModel.from_folder(cached.path, cached.repo_id, "hub", revision=cached.commit)
        except BrokenModel:
            continue


def _not_found(name: str, names: list[str]) -> ModelNotFound:
    if name in starters.STARTERS:
        return ModelNotFound(
            f"{name} has not been fetched yet.",
            f"Run `influence starters`, or influence_nb.download({name!r}).",
        )
    known = [*names, *(starter for starter in starters.STARTERS if starter not in names)]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    here = f"Here are: {', '.join(names)}." if names else "No model is here yet: run `influence starters`."
    return ModelNotFound(
        f"There is no model called {name!r} on this machine.",
        f"Did you mean {' or '.join(near)}? {here}" if near else here,
    )


def _cells(model: LocalModel) -> tuple[str, ...]:
    parameters = f"{model.parameters / 1e6:,.0f} M" if model.parameters else ""
    weights = model.quantization or model.dtype or model.format
    size = f"{model.size / 1e6:,.0f} MB"
    return (model.name, model.kind, model.architecture or "", parameters, weights, size, model.source)


def _line(model: LocalModel) -> str:
    return "  ".join(cell for cell in _cells(model) if cell)
