"""The engine's one boundary for foreign errors: torch's and transformers' failures become ours.

It does not know what was being done; the caller says.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from influence_nb.errors import InfluenceError, OutOfMemory

_NO_ROOM = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")


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
        if otherwise is None:
            raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise otherwise(f"While {doing}: {reason}", hint) from error
