"""What a page asks for in a message: {"type": the name of an action, its arguments}.

It does not know what the actions do.
"""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Callable, Mapping
from typing import Any

from influence_nb.errors import InvalidData


def asked(actions: Mapping[str, Callable[..., object]], content: Any) -> Callable[[], object]:
    """The action that a message asks for, with its arguments.

    Raises:
        InvalidData: there is no such action, or it does not take such arguments.
    """
    kind = content.get("type") if isinstance(content, dict) else None
    action = actions.get(kind) if isinstance(kind, str) else None
    hint = "Reload the page; if that does not help, restart the kernel."
    if action is None:
        raise InvalidData(f"The page asked for something unknown: {reprlib.repr(content)}.", hint)
    arguments = {name: value for name, value in content.items() if name != "type"}
    try:
        inspect.signature(action).bind(**arguments)
    except TypeError as error:
        raise InvalidData(f"The page asked for {kind!r} in the wrong way: {error}.", hint) from None
    return lambda: action(**arguments)
