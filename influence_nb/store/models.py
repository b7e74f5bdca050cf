"""Models on this machine as values: one that is whole, and one that is not, with the reason.

It knows what a folder says of itself; it does not know where models are kept, how one is run or fetched.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from influence_nb.errors import BrokenModel
from influence_nb.store import records
from influence_nb.store.folder import inspect

CHAT_HEADS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
"""How the names of architectures that generate text end."""


@dataclass(frozen=True)
class LocalModel:
    """A whole model on this machine.

    Attributes:
        name: what `load` takes: "starter/chat", "owner/name", "owner/name@abc1234" for another revision than the one
            that `main` points to, or the folder's own name.
        path: its folder.
        revision: the Hub's commit, or the starter's package and version; None for a plain folder.
        architecture: such as "LlamaForCausalLM"; for a bare GGUF file its own word, such as "llama".
        format: "safetensors", "gguf" or "pytorch".
        quantization: such as "nf4" or "Q4_1"; None for plain weights.
        parameters: how many; None where the format does not tell.
        size: bytes on disk.
        source: "starter", "hub" (the Hub's cache) or "folder".
        last_used: when it was last loaded here; None when never.
        verified: True when its bytes were checked against known sums and nothing has changed since, False when one of
            them was found damaged, None when never.
        dtype: what the checkpoint says, such as "bfloat16"; None where it says nothing.
        license: what the Hub or the model card says, such as "apache-2.0"; None where neither does.
        verified_at: when its bytes were checked.
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
    license: str | None = None
    verified_at: datetime | None = None

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
            license=found.license,
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


@dataclass(frozen=True)
class IncompleteModel:
    """A model on this machine that is not whole, so that nothing loads it.

    Attributes:
        name: as `LocalModel.name`; `library().remove(name)` takes it.
        path: its folder.
        revision: the Hub's commit, or the starter's package and version; None for a plain folder.
        source: "starter", "hub" or "folder".
        size: bytes on disk.
        reason: what is missing or damaged.
        hint: what to do about it.
    """

    name: str
    path: Path
    revision: str | None
    source: str
    size: int
    reason: str
    hint: str
