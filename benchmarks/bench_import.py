"""`import influence_nb` against `import torch`, each in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.common import fail, in_turns, ratio


def importing(name: str) -> float:
    """Seconds for one import in a new process, the interpreter's own start left out."""
    code = f"import time; began = time.perf_counter(); import {name}; print(time.perf_counter() - began)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        fail(done.stderr)
    return float(done.stdout)


def main() -> None:
    importing("torch"), importing("influence_nb")
    found = in_turns({name: lambda name=name: importing(name) for name in ("influence_nb", "torch")}, 7)
    ratio("import influence_nb / import torch", found["influence_nb"], found["torch"], "at most 0.1")


if __name__ == "__main__":
    main()
