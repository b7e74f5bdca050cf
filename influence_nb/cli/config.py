"""`influence config`: every setting, its value and where it came from.

It does not know what the settings do; secrets are not shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from influence_nb.cli.output import Json, print_json, table

if TYPE_CHECKING:
    from influence_nb.settings import Setting


def command(
    as_json: Json = False,
    example: Annotated[
        bool, typer.Option("--example", help="Print a .env with every setting in it, each commented out.")
    ] = False,
) -> None:
    """Every setting, its value and where it came from: the environment, a `.env`, or its default.

    An argument of a command counts more than the environment, which counts more than `.env`.
    """
    from influence_nb.settings import explained, unknown

    if example:
        typer.echo(sample(), nl=False)
        return
    rows = explained()
    if as_json:
        print_json(rows)
    else:
        table(("setting", "value", "from"), [(row.variable, _shown(row), row.origin) for row in rows])
    for variable, place, near in unknown():
        guess = f" Did you mean {near}?" if near else ""
        typer.echo(f"{variable} (from {place}) is not a setting.{guess}", err=True)


def _shown(row: Setting) -> str:
    return "unset" if row.value is None else str(row.value)


def sample() -> str:
    """A `.env` that changes nothing, with every setting, what it does and its default."""
    from influence_nb.settings import Settings

    lines = ["# Settings of influence_nb. Copy this file to .env and take the # away from what you set.", ""]
    for name, field in Settings.model_fields.items():
        value = field.default if field.default_factory is None else None
        default = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        lines += [f"# {field.description}", f"# INFLUENCE_{name.upper()}={default}", ""]
    return "\n".join(lines[:-1]) + "\n"
