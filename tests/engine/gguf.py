"""The starter's own GGUF file as a bare one, as a person has it who fetched it from somewhere else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from influence_nb.hub import starters


def bare(folder: Path) -> Path:
    """The file in a folder of its own; a second name for it where the file system can."""
    file = next(starters.fetch("starter/chat").glob("*.gguf"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, folder / file.name)
    except OSError:
        shutil.copy(file, folder / file.name)
    return folder / file.name
