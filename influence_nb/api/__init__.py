"""The calls that compose several layers: search, plan, fit, fetch, load, sweep.

It does not know torch, widgets or the command line. `shelf` is what is on this machine, `hubs` what comes from a hub,
`fitting` whether it fits, `loading` what is in memory, `sweeping` one evaluation under many parameters, `tokenizing`
opens a tokenizer alone. Each is imported when something of it is asked for, so that a command or a server that needs
one of them does not wait for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from influence_nb.lazy import lazy

if TYPE_CHECKING:
    from influence_nb.api.fitting import fit
    from influence_nb.api.hubs import download, judge, search
    from influence_nb.api.loading import as_recorded, awake, load, load_encoder, loaded
    from influence_nb.api.shelf import library
    from influence_nb.api.sweeping import sweep, sweep_notebook
    from influence_nb.api.tokenizing import tokenizer
    from influence_nb.hub.plan import plan

_HOMES = {
    "as_recorded": "loading",
    "awake": "loading",
    "download": "hubs",
    "fit": "fitting",
    "judge": "hubs",
    "library": "shelf",
    "load": "loading",
    "load_encoder": "loading",
    "loaded": "loading",
    "plan": ".hub.plan",
    "search": "hubs",
    "sweep": "sweeping",
    "sweep_notebook": "sweeping",
    "tokenizer": "tokenizing",
}

__all__ = [
    "as_recorded", "awake", "download", "fit", "judge", "library", "load", "load_encoder", "loaded", "plan", "search",
    "sweep", "sweep_notebook", "tokenizer",
]  # fmt: skip


__getattr__ = lazy(__name__, _HOMES)
