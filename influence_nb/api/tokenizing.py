"""`tokenizer`: the tokenizer of a model on this machine, without its weights.

It does not know what a tokenizer does.
"""

from __future__ import annotations

from pathlib import Path

from influence_nb.api.shelf import here, starter
from influence_nb.engine.load import open_tokenizer
from influence_nb.engine.model import Model
from influence_nb.engine.tokenizer import Tokenizer
from influence_nb.errors import CapabilityMissing
from influence_nb.hub import starters
from influence_nb.store.models import LocalModel


def tokenizer(model: str | Path | LocalModel | Model | None = None) -> Tokenizer:
    """Open a model's tokenizer; no weights are read.

    Args:
        model: the name of a model in the library, a folder, a GGUF file, a `LocalModel` or a loaded `Model`; None is
            "starter/chat". A starter is fetched first where it is not here yet.

    Raises:
        ModelNotFound: no model of that name is on this machine.
        BrokenModel: a file of the tokenizer is missing or damaged.
        UnsupportedModel: the tokenizer is written in Python, or wants its own code.
        CapabilityMissing: a model on a server, which keeps its tokenizer to itself.
    """
    if isinstance(model, Model):
        raw = vars(model).get("tokenizer")
        if raw is not None:
            return Tokenizer(model.name, raw)
        if model.local is None:
            raise CapabilityMissing(
                f"The tokenizer of {model.name} is on its server, and cannot be looked into from here.",
                "Download the model, and give its name.",
            )
        model = model.local
    if model is None or (isinstance(model, str) and model in starters.STARTERS):
        model = starter(model or "starter/chat")
    local = here(model)
    return Tokenizer(local.name, open_tokenizer(local))
