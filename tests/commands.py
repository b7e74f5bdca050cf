"""Commands as tests run them: in this process, or in a terminal of their own.

It knows no command.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect
from typer.testing import Result

Influence = Callable[..., Result]
RUN = "from influence_nb.cli import main; main()"
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x1b\][^\x07]*\x07|\r")


def in_terminal(*args: str, cwd: Path, **environment: str) -> Any:
    """A command in a pseudo-terminal of 100 columns, as pexpect's child."""
    paths = os.pathsep.join(filter(None, sys.path))
    kept = {
        name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "CI")
    }
    return pexpect.spawn(
        sys.executable,
        ["-c", RUN, *args],
        env={**kept, "PYTHONPATH": paths, "TERM": "xterm-256color", **environment},
        cwd=str(cwd),
        dimensions=(30, 100),
        encoding="utf-8",
        codec_errors="replace",
        timeout=30,
    )


def shown(text: str) -> str:
    """What a terminal was sent, without colours and movements."""
    return _ESCAPES.sub("", text)
