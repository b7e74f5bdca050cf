"""The engine's one boundary for foreign errors: torch's and transformers' failures become ours.

It does not know what was being done; the caller says.
"""

from __future__ import annotations

import pickle
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from influence_nb.errors import BrokenModel, InfluenceError, MissingExtra, OutOfMemory, UnsupportedModel

_NO_ROOM = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")

_WANTS = re.compile(r"GLOBAL (\S+)")
"""What torch's weights-only reader refused, in its message."""


@contextmanager
def translated(doing: str, otherwise: type[InfluenceError] | None = None, hint: str = "") -> Iterator[None]:
    """Raise `OutOfMemory` for every library's way of saying so, and `otherwise` for the rest.

    Args:
        doing: what is being done, as it stands after "While ", such as "loading starter/chat".
        otherwise: the class for any other foreign error; None lets those through.
        hint: what to do about `otherwise`.
    """
    try:
        yield
    except InfluenceError:
        raise
    except Exception as error:
        if isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in _NO_ROOM):
            # Whoever keeps the error (IPython does) would keep the tensors of these frames alive.
            traceback.clear_frames(error.__traceback__)
            raise OutOfMemory(
                f"The memory ran out while {doing}.",
                "Unload other models, choose a smaller dtype or model, or shorten the prompt and max_new_tokens.",
            ) from error
        if isinstance(error, pickle.UnpicklingError):
            raise _pickled(doing, error) from error
        if isinstance(error, ImportError):
            raise MissingExtra(
                f"While {doing}: a package that this model asks for is not installed. {_reason(error)}",
                "Install what is named here; or, for an attention kernel, take attn_implementation out of config.json.",
            ) from error
        if "trust_remote_code" in str(error):
            raise UnsupportedModel(
                f"While {doing}: the model needs Python code that comes with it, which is run only when asked for.",
                "Look for a copy in an architecture that transformers knows. Or read the model's .py files, and if you "
                "trust them: trust_remote_code=True.",
            ) from error
        if otherwise is None:
            raise
        raise otherwise(f"While {doing}: {_reason(error)}", hint) from error


def _reason(error: Exception) -> str:
    """The first line of what it says, and the next one where the first only leads up to it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(lines[: 2 if lines[0].endswith(":") else 1])


def _pickled(doing: str, error: pickle.UnpicklingError) -> InfluenceError:
    """Torch's own message advises to read the file in a way that runs what is in it."""
    if found := _WANTS.search(str(error)):
        return UnsupportedModel(
            f"While {doing}: its pickled weights hold more than tensors. They ask for {found[1]}, and nothing was run.",
            "A pickled file can run any program. Get the model as safetensors; if there is none, do not trust it.",
        )
    return BrokenModel(
        f"While {doing}: its pickled weights cannot be read.",
        "The file is damaged or no model's weights: verify the model, or fetch it again.",
    )
