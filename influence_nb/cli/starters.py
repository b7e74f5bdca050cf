"""`influence starters`: both starter models, fetched with a progress bar.

It does not know how they are fetched; what is here already costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from influence_nb.cli.output import Json, bar, print_json

if TYPE_CHECKING:
    from influence_nb.store.models import LocalModel


def command(as_json: Json = False) -> None:
    """Fetch the two starter models, and say where they are."""
    from influence_nb.hub.starters import STARTERS

    models = []
    for name, starter in STARTERS.items():
        models.append(fetch(name))
        if not as_json:
            typer.echo(f"{name} ({starter.title}, {starter.licence}): {models[-1].path}")
    if as_json:
        print_json(models)


def fetch(name: str) -> LocalModel:
    """One of them, with a bar."""
    from influence_nb.api import download

    with bar(name) as show:
        return download(name, on_progress=show)
