"""Cells that papermill runs in a kernel of their own, as in a notebook that runs without a person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import papermill


def executed(folder: Path, *cells: str) -> Path:
    """The notebook of these cells, saved in `folder` with what they showed."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / "in.ipynb")
    papermill.execute_notebook(folder / "in.ipynb", folder / "out.ipynb", progress_bar=False)
    return folder / "out.ipynb"


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)
