"""Bytes sent to the page for each streamed token, for answers of 500 to 4,000 tokens.

A random tiny model with a long context, so that the length and not the model's speed is what is measured.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.common import kernel, line

LENGTHS = (500, 1000, 2000, 4000)

SETUP = """
import json, sys
sys.path.insert(0, {root!r})
import influence_nb as inb
from IPython.display import display

model = inb.load({folder!r})
chat = inb.widgets.ChatPanel(model=model)
display(chat)
settings = dict(temperature=1.0, top_p=None, repetition_penalty=1.0, seed=1)
chat.send("hello", max_new_tokens=50, **settings).result()
"""
ANSWER = """
chat.clear()
completion = chat.send("hello", min_new_tokens={n}, max_new_tokens={n}, **settings).result()
print(json.dumps(len(completion.tokens)))
"""


def main() -> None:
    from tests import tiny

    root = str(Path(__file__).resolve().parent.parent)
    with tempfile.TemporaryDirectory() as folder, kernel() as real:
        tiny.build(Path(folder) / "tiny", max_position_embeddings=8192)
        real.run(SETUP.format(root=root, folder=str(Path(folder) / "tiny")))
        a_token: list[float] = []
        for length in LENGTHS:
            before = real.comm_bytes
            made = real.run(ANSWER.format(n=length))
            a_token.append((real.comm_bytes - before) / made)
            print(f"{made} tokens: {a_token[-1]:.0f} bytes a token", flush=True)
    line(
        "comm bytes a token, 4,000 tokens / 500 tokens", a_token[-1] / a_token[0], "constant: about 1 or less"
    )


if __name__ == "__main__":
    sys.exit(main())
