"""Run the notebooks and save them with what they showed: `python -m tests.notebooks.refresh [NAME...]`.

A name is a file's or the start of one, such as 01; without names all are run. What is saved holds no widget
state, no widget views, no papermill records and no times, only what a reader without a kernel can see.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import nbformat

from tests.surroundings import surroundings

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LIVE = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def find(*names: str) -> list[Path]:
    """The notebooks whose names begin so, all without names; in order."""
    every = sorted(NOTEBOOKS.glob("*.ipynb"))
    return [path for path in every if not names or path.name.startswith(names)]


def execute(notebook: Path, out: Path, parameters: Mapping[str, Any] | None = None) -> Any:
    """Run a notebook through papermill, writing to `out`; the notebook as it ended."""
    import papermill

    return papermill.execute_notebook(
        str(notebook),
        str(out),
        parameters=dict(parameters or {}),
        kernel_name="python3",
        progress_bar=False,
        cwd=str(out.parent),
    )


def clean(notebook: Any) -> Any:
    """Without what only a kernel could use, and what would differ from run to run for no reason."""
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    for cell in notebook.cells:
        tags = [tag for tag in cell.metadata.get("tags", []) if tag != "papermill-error-cell-tag"]
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if cell.cell_type == "code":
            cell.outputs = _joined(output for output in cell.outputs if LIVE not in output.get("data", {}))
    return notebook


def _joined(outputs: Iterable[Any]) -> list[Any]:
    """Streamed pieces as one text; papermill keeps each by itself, and a reader would see as many lines."""
    joined: list[Any] = []
    for output in outputs:
        output.pop("transient", None)
        last = joined[-1] if joined else {}
        if output.output_type == "stream" == last.get("output_type") and output.name == last["name"]:
            last["text"] += output.text
        else:
            joined.append(output)
    return joined


def main(names: list[str]) -> None:
    """Refresh the named notebooks."""
    with tempfile.TemporaryDirectory() as folder, surroundings():
        for path in find(*names):
            print(f"running {path.name}", flush=True)
            out = Path(folder) / path.name
            execute(path, out)
            nbformat.write(clean(nbformat.read(out, as_version=4)), path)


if __name__ == "__main__":
    main(sys.argv[1:])
