"""The file that a conversation is saved in: written whole or not at all.

It does not know what the JSON in it means.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path

from influence_nb.errors import InvalidData


def write(path: str | Path, json: str) -> Path:
    """Write `json` to a file; one that is there is replaced once the new one is whole, and kept when writing fails.

    Raises:
        InvalidData: the file cannot be written, or the text cannot.
    """
    target = Path(path)
    part = target.resolve().with_name(f".{uuid.uuid4().hex}.part")
    try:
        whole = json.encode()
    except UnicodeEncodeError as error:
        raise InvalidData(
            "The conversation has text that cannot be written as UTF-8: half of a surrogate pair.",
            "Edit or regenerate that message, then save again.",
        ) from error
    try:
        part.write_bytes(whole)
        os.replace(part, target.resolve())
    except OSError as error:
        raise InvalidData(
            f"The conversation cannot be written to {target}: {error.strerror}.",
            "Choose a file in a folder that exists and that you may write to.",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    return target


def read(path: str | Path) -> str:
    """What the file holds.

    Raises:
        InvalidData: it cannot be read.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidData(f"{path} cannot be read: {error}.", "Check the path.") from error
