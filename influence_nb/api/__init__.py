"""The calls that compose several layers: search, plan, fit, fetch, load.

It does not know torch, widgets or the command line. `shelf` is what is on this machine, `hubs` what comes from a hub,
`fitting` whether it fits, `loading` what is in memory, `tokenizing` opens a tokenizer alone. Each is imported when
something of it is asked for, so that a command or a server that needs one of them does not wait for all.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from influence_nb.api.fitting import fit
    from influence_nb.api.hubs import download, judge, search
    from influence_nb.api.loading import awake, load, load_encoder, loaded
    from influence_nb.api.shelf import library
    from influence_nb.api.tokenizing import tokenizer
    from influence_nb.hub.plan import plan

_HOMES = {
    "awake": "api.loading",
    "download": "api.hubs",
    "fit": "api.fitting",
    "judge": "api.hubs",
    "library": "api.shelf",
    "load": "api.loading",
    "load_encoder": "api.loading",
    "loaded": "api.loading",
    "plan": "hub.plan",
    "search": "api.hubs",
    "tokenizer": "api.tokenizing",
}

__all__ = [
    "awake", "download", "fit", "judge", "library", "load", "load_encoder", "loaded", "plan", "search", "tokenizer",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"influence_nb.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
