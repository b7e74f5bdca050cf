"""`influence lab`: the notebooks laid out, the starter models at hand, JupyterLab on the welcome notebook.

It does not know what is in the notebooks. A notebook that was changed is never overwritten.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from influence_nb.errors import InfluenceError, SettingsError

WELCOME = "00_welcome.ipynb"
DEFAULT_FOLDER = "influence-notebooks"
MANIFEST = ".influence-notebooks.json"


CONTEXT = {"ignore_unknown_options": True}


def command(
    args: Annotated[
        list[str] | None,
        typer.Argument(metavar="FOLDER -- JUPYTER_ARGS...", help="Where to, and what JupyterLab is given."),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")] = 8888,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address and open no browser.")
    ] = False,
    no_starters: Annotated[
        bool, typer.Option("--no-starters", help="Start without fetching the starter models.")
    ] = False,
) -> None:
    """Start JupyterLab on the notebooks.

    They are copied into FOLDER (./influence-notebooks unless given); ones that you changed are kept as they are.
    Anything else goes on to JupyterLab.
    """
    folder, passed_on = _split(tuple(args or ()))
    place, checkout = find_notebooks()
    if not no_starters:
        from influence_nb.cli.starters import command as starters

        starters()
    if folder is not None or not checkout:
        source, place = place, (folder or Path(DEFAULT_FOLDER)).absolute()
        for name in copy_notebooks(source, place):
            typer.echo(f"Kept your own {name}.")
        typer.echo(f"The notebooks are in {place}")
    jupyter = [
        *(sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={place}", f"--ServerApp.port={port}"),
        f"--LabApp.default_url=/lab/tree/{WELCOME}",
    ]
    if no_browser:
        jupyter.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        jupyter.append("--allow-root")  # a container; the server listens on this machine only, with a token
    _become([*jupyter, *passed_on])


def _split(args: tuple[str, ...]) -> tuple[Path | None, tuple[str, ...]]:
    """The folder, when the first argument is one, and what goes on to JupyterLab."""
    if args and not args[0].startswith("-"):
        return Path(args[0]).expanduser(), args[1:]
    return None, args


def find_notebooks() -> tuple[Path, bool]:
    """The folder of the notebooks that belong to this package, and whether it is a source checkout's own.

    Raises:
        InfluenceError: they did not come with the package.
    """
    package = Path(str(files("influence_nb")))
    for place, checkout in ((package / "notebooks", False), (package.parent / "notebooks", True)):
        if (place / WELCOME).exists():
            return place, checkout
    raise InfluenceError(
        f"The notebooks did not come with this installation ({package}).",
        "Install influence_nb again from its wheel.",
    )


def copy_notebooks(source: Path, folder: Path) -> list[str]:
    """Copy what is missing, and what is still as an earlier copy left it.

    Args:
        source: the notebooks, and what lies beside and below them.
        folder: where to; made where it is missing.

    Returns:
        The names of the files that were changed since an earlier copy, or are the user's own: they are kept.

    Raises:
        SettingsError: the folder cannot be written.
    """
    try:
        return _copy(source, folder)
    except OSError as error:
        raise SettingsError(
            f"The notebooks cannot be copied to {folder}: {error}.",
            "Give a folder that you can write to: influence lab FOLDER",
        ) from error


def _copy(source: Path, folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / MANIFEST
    copied: dict[str, str] = _read(manifest)
    kept = []
    for name in _names(source):
        new, target = (source / name).read_bytes(), folder / name
        if target.exists() and _sum(old := target.read_bytes()) != copied.get(name):
            if old != new:
                kept.append(name)
                continue
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(new)
        copied[name] = _sum(new)
    manifest.write_text(json.dumps(copied, indent=1), encoding="utf-8")
    return kept


def _names(source: Path) -> Iterator[str]:
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if path.is_file() and not any(part.startswith((".", "__")) for part in name.parts):
            yield name.as_posix()


def _read(manifest: Path) -> dict[str, str]:
    try:
        return dict(json.loads(manifest.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _become(command: list[str]) -> None:
    """Let this process become the command; where the system cannot, run it and end as it ends."""
    if os.name == "posix":
        os.execv(command[0], command)
    sys.exit(subprocess.call(command))
