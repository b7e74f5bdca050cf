"""Names of a package that are imported when they are first asked for.

It does not know which names there are; it imports nothing but the standard library, as every package does first.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A `__getattr__` for a package, see PEP 562; what it found once is the package's own from then on.

    Args:
        package: its `__name__`.
        homes: the module that each name lives in, from the package on; one more dot in front goes up a package.
    """

    def found(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f".{homes[name]}", package), name)
        setattr(sys.modules[package], name, value)
        return value

    return found
