"""`influence download`: a model fetched from the Hub, with a bar; what came is kept, and asking again goes on.

It does not know how files are chosen or fetched.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from influence_nb.cli.loading import stopping
from influence_nb.cli.models import describe
from influence_nb.cli.output import Json, bar, print_json, visible


def command(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="owner/name, the address of its page, or a starter.")
    ],
    revision: Annotated[str | None, typer.Option(help="A branch, tag or commit.")] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            help="A folder for the files; else INFLUENCE_OUTPUT_DIR/owner/name, else the Hub's cache."
        ),
    ] = None,
    quantization: Annotated[
        str | None, typer.Option(help="Of a GGUF repository, such as Q5_K_M; about four bits unless given.")
    ] = None,
    include: Annotated[
        list[str] | None, typer.Option(help="Take only what matches, such as '*.json'.")
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Never take what matches.")] = None,
    mirror: Annotated[str | None, typer.Option(help="Another hub's address.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be fetched.")] = False,
    as_json: Json = False,
) -> None:
    """Fetch MODEL where it is not here yet, and check every file against its known sum.

    Ctrl-C keeps what came: the same command goes on from there. For gated models, HF_TOKEN or the login that
    huggingface_hub keeps is used.
    """
    from influence_nb.api import download
    from influence_nb.hub.plan import plan as planned

    starter = model.startswith("starter/")
    chosen: dict[str, Any] = {
        "revision": revision,
        "output_dir": output_dir if output_dir is not None or starter else _folder(model),
        "quantization": quantization,
        "include": include,
        "exclude": exclude,
        "mirror": mirror,
    }
    kept = "Interrupted: what came is kept, and the same command goes on."
    with stopping(kept) as cancel, bar(model) as show:
        if plan:
            wanted = planned(model, **chosen, cancel=cancel)
        else:
            fetched = download(model, **chosen, on_progress=show, cancel=cancel)
    if plan and as_json:
        print_json({**vars(wanted), "folder": wanted.folder})
    elif plan:
        typer.echo(visible(repr(wanted)))
    elif as_json:
        print_json(describe(fetched))
    else:
        typer.echo(visible(f"{fetched.name}: {fetched.path}"))


def _folder(model: str) -> Path | None:
    """Where INFLUENCE_OUTPUT_DIR wants the model; None for the Hub's cache."""
    from influence_nb.hub.names import repository
    from influence_nb.settings import settings

    below = settings().output_dir
    return None if below is None else below.expanduser() / repository(model)
