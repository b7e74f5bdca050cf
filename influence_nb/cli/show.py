"""`influence show`: what is known of a model on this machine, without loading it.

It does not know how a model is run.
"""

from __future__ import annotations

from typing import Any

from influence_nb.cli.loading import Name
from influence_nb.cli.models import describe, facts
from influence_nb.cli.output import Json, print_json


def command(model: Name, as_json: Json = False) -> None:
    """Say what is known of MODEL on this machine: what it is, where it is, its sizes and its files."""
    from influence_nb.api.shelf import here
    from influence_nb.hub.results import size
    from influence_nb.store.heads import read_heads
    from influence_nb.store.listing import listing

    found = here(model)
    shape = read_heads(found.path).shape()
    inside: dict[str, Any] = {
        "context": shape.context,
        "hidden": shape.hidden,
        "heads": shape.heads,
        "vocabulary": shape.vocabulary,
    }
    files = {entry.name: entry.size for entry in listing(found.path)}
    if as_json:
        print_json({**describe(found), **inside, "files": files})
        return
    facts(
        [
            ("name", found.name),
            ("for", found.kind),
            ("architecture", found.architecture),
            ("parameters", None if found.parameters is None else f"{found.parameters:,}"),
            ("format", found.format),
            ("dtype", found.dtype),
            ("quantization", found.quantization),
            ("context", None if shape.context is None else f"{shape.context:,} tokens"),
            ("hidden size", shape.hidden),
            ("heads", shape.heads),
            ("vocabulary", f"{shape.vocabulary:,}"),
            ("size", size(found.size)),
            ("license", found.license),
            ("source", found.source),
            ("revision", found.revision),
            ("folder", found.path),
            ("last used", found.last_used and f"{found.last_used:%Y-%m-%d %H:%M}"),
            ("verified", {True: "yes", False: "damaged", None: "never"}[found.verified]),
            *(("file", f"{name} ({size(length)})") for name, length in files.items()),
        ]
    )
