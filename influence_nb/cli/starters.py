"""`influence starters`: both starter models, fetched with a progress bar.

It does not know how they are fetched; what is here already costs nothing.
"""

from __future__ import annotations

from typing import Any

import click
from tqdm import tqdm

from influence_nb.hub.progress import Progress
from influence_nb.hub.starters import STARTERS


@click.command(help="Fetch the two starter models, and say where they are.")
def command() -> None:
    """Fetch them and say where they are."""
    from influence_nb.api import download

    for name, starter in STARTERS.items():
        with _Bar(name) as bar:
            model = download(name, on_progress=bar.show)
        click.echo(f"{name} ({starter.title}, {starter.licence}): {model.path}")


class _Bar:
    """A tqdm bar that appears with the first `Progress`, so that nothing is drawn when nothing is done."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.bar: tqdm[Any] | None = None

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def show(self, progress: Progress) -> None:
        """Draw one step."""
        if self.bar is None:
            self.bar = tqdm(total=progress.all_total, unit="B", unit_scale=True, leave=False)
        self.bar.set_description(f"{self.name}: {progress.stage}", refresh=False)
        self.bar.total = progress.all_total
        self.bar.update(progress.all_done - self.bar.n)
