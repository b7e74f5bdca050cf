"""What commands say of a model on this machine: its fields as JSON, its facts as lines.

It does not know where models are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from influence_nb.cli.output import plain, visible

if TYPE_CHECKING:
    from influence_nb.store.models import LocalModel


def describe(model: LocalModel) -> dict[str, Any]:
    """All fields, and what the model is for."""
    return {**plain(model), "kind": model.kind}


def facts(pairs: Sequence[tuple[str, object]]) -> None:
    """Print names and values, those that are known, one a line."""
    known = [(name, value) for name, value in pairs if value not in (None, "", ())]
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        typer.echo(visible(f"{name.ljust(width)}  {value}"))
