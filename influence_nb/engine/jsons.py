"""What is saved as JSON: written in one piece or not at all, read with an error that names the file.

It does not know what is in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from influence_nb.arguments import expect_path
from influence_nb.errors import InvalidData, NotEnoughDisk, is_full


def write(path: str | Path, state: Mapping[str, Any]) -> Path:
    """Write it; what stood there before stays whole until the new file is.

    Raises:
        InvalidData: there is no writing there, or half a character in it.
        NotEnoughDisk: there is no room.
    """
    try:
        text = json.dumps(state, ensure_ascii=False, indent=1).encode()
    except (UnicodeEncodeError, ValueError) as error:
        raise InvalidData(f"{path} cannot be written: {error}.", "Choose another place.") from error
    return put(path, text + b"\n")


def put(path: str | Path, data: bytes) -> Path:
    """Write bytes; what stood there before stays whole until the new file is.

    Raises:
        InvalidData: there is no writing there.
        NotEnoughDisk: there is no room.
    """
    expect_path(path=path)
    path = Path(path)
    try:
        unfinished = path.with_name(f".{path.name}.unfinished")
        unfinished.write_bytes(data)
        os.replace(unfinished, path)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and is_full(error):
            with suppress(OSError):
                unfinished.unlink()  # half a file takes room and helps nobody
            raise NotEnoughDisk(f"{path} cannot be written: {error}.", "Free some space.") from error
        raise InvalidData(f"{path} cannot be written: {error}.", "Choose another place.") from error
    return path


def read(path: str | Path, what: str, hint: str) -> dict[str, Any]:
    """The JSON object in a file.

    Args:
        path: of the file.
        what: it should hold, as it stands after "does not hold".
        hint: what to do where it does not.

    Raises:
        InvalidData: there is no such file, it cannot be read, or holds something else.
    """
    expect_path(path=path)
    try:
        state = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InvalidData(f"There is no file {path}.", hint) from error
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidData(f"{path} does not hold {what}: {error}.", hint) from error
    if not isinstance(state, dict):
        raise InvalidData(f"{path} does not hold {what}: it is no JSON object.", hint)
    return state
