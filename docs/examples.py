"""Run the examples of README.md and usage.md, and put what each prints below it: `python -m docs.examples`.

It knows nothing of what they do: a page's `python` blocks run in order, and the `text` block below each is replaced.
"""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import influence_nb as inb
from tests.surroundings import surroundings

DOCS = Path(__file__).parent
PAGES = (DOCS.parent / "README.md", DOCS / "usage.md")
EXAMPLE = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n.*?^```\n)?", re.MULTILINE | re.DOTALL)


def with_outputs(page: str, name: str) -> str:
    """The page with what its examples print now."""
    namespace: dict[str, Any] = {"__name__": "example"}

    def run(example: re.Match[str]) -> str:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(example[1], name, "exec"), namespace)
        lines = [line.rstrip() for line in printed.getvalue().rstrip().splitlines()]
        output = "\n".join(["", "```text", *lines, "```", ""]) if lines else ""
        return f"```python\n{example[1]}```\n{output}"

    return EXAMPLE.sub(run, page)


def main() -> None:
    """Rewrite both pages."""
    for path in PAGES:
        with surroundings():
            text = with_outputs(path.read_text(encoding="utf-8"), path.name)
            for model in inb.loaded():
                model.unload()
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
