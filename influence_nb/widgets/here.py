"""Hints of errors in the words of a panel: what is an argument to who calls from Python is a field or a button here.

It knows how the layers below word their hints, and nothing of where they are shown.
"""

from __future__ import annotations

import re

_WORDS = (
    (r'Pass it as `token`, set HF_TOKEN, or run "hf auth login" once\.',
     'Enter it as access token where the panel asks for one, or run "hf auth login" once in a terminal.'),
    (r"give a token as `token`", "a token has a field of its own"),
    (r"as argument or as INFLUENCE_MIRROR", "in the field Mirror"),
    (r"Leave it out for the newest;", "Leave the field Revision empty for the newest;"),
    (r"Leave `quantization` out;", "Leave the field Quantization empty;"),
    (r"(choose )?another disk by `output_dir` or HF_HOME", r"\1an output directory on another disk"),
    (r"give a folder of yours as `output_dir`, or set HF_HOME to one", "choose a folder of yours as output directory"),
    (r"give a model's full name to inb\.plan\(\)", "plan a model by its full name in the Download panel"),
    (r"inb\.library\(\) says what is here\.", "Press Refresh in the Library panel to see what is here."),
    (r"Download it again, inb\.download\([^)]*\)", "Press Fetch in its row"),
    (r"Fetch it again: inb\.download\([^)]*\), or `influence starters`", "Press Fetch in its row"),
    (r'\bdtype="(\w+)"', r"the data type \1"),
    (r'\bquantization="(\w+)"', r"quantization to \1 when it is loaded"),
)  # fmt: skip
_PATTERNS = tuple((re.compile(pattern), words) for pattern, words in _WORDS)


def here(hint: str) -> str:
    """A hint as it is said in a panel; one that names no argument and no call stays as it is."""
    for pattern, words in _PATTERNS:
        hint = pattern.sub(words, hint)
    return hint
