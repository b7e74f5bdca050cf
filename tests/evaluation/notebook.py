"""Small notebooks, written for a test.

It does not know how they are run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat


def notebook(*cells: str, parameters: str | None = None) -> Any:
    """Cells of code; one that begins with a # and a blank is prose. The parameters come first."""
    made = [
        nbformat.v4.new_markdown_cell(source)
        if source.startswith("# ")
        else nbformat.v4.new_code_cell(source)
        for source in cells
    ]
    if parameters is not None:
        made.insert(0, nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    about = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return nbformat.v4.new_notebook(cells=made, metadata=about)


def write(path: Path, *cells: str, parameters: str | None = None) -> Path:
    """The same, in a file."""
    nbformat.write(notebook(*cells, parameters=parameters), path)
    return path
