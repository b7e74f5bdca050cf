"""The end of a process whose panels still work: it ends by itself, and is not aborted inside torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests import tiny

ENDS = """
import sys
import influence_nb as inb

encoder = inb.load_encoder(sys.argv[1], device="cpu", pooling="mean")
explorer = inb.widgets.LayerExplorer(encoder, [f"the cat sat on mat {n} " * 20 for n in range(2000)])
assert not explorer._encoded.done()
"""


def test_a_script_that_ends_while_layers_are_encoded_ends_well(tmp_path: Path) -> None:
    folder = tiny.build(tmp_path / "llama", "llama")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ENDS, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
