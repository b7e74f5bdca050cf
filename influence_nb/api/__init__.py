"""The calls that compose several layers: search, plan, fit, fetch, load.

It does not know torch, widgets or the command line. `shelf` is what is on this machine, `hubs` what comes from a hub,
`fitting` whether it fits, `loading` what is in memory, `tokenizing` opens a tokenizer alone.
"""

from influence_nb.api.fitting import fit
from influence_nb.api.hubs import download, judge, search
from influence_nb.api.loading import awake, load, load_encoder, loaded
from influence_nb.api.shelf import library
from influence_nb.api.tokenizing import tokenizer
from influence_nb.hub.plan import plan

__all__ = [
    "awake", "download", "fit", "judge", "library", "load", "load_encoder", "loaded", "plan", "search", "tokenizer",
]  # fmt: skip
