"""What the benchmarks share: peers measured in turns in one run, a real kernel to run in, one way to print a ratio."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn


def in_turns(peers: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Each peer's figures, measured in turns, so that what else the machine does falls on all of them."""
    figures: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(rounds):
        for name, measure in peers.items():
            figures[name].append(measure())
    return figures


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def ratio(what: str, ours: list[float], theirs: list[float], goal: str) -> float:
    """Print and return the median of ours over the median of theirs."""
    value = statistics.median(ours) / statistics.median(theirs)
    line(what, value, goal)
    return value


def line(what: str, value: float, goal: str) -> None:
    """One ratio and its goal on a line of its own."""
    print(f"{what}: {value:.3f} (goal: {goal})", flush=True)


def fail(why: str) -> NoReturn:
    """End without a ratio, and say why."""
    print(f"no ratio: {why}", file=sys.stderr)
    sys.exit(1)


class Kernel:
    """A real IPython kernel; what it sends to pages is counted."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.comm_bytes = 0

    def run(self, code: str, timeout: float = 600) -> Any:
        """Run code whose last printed line is JSON, and return its value."""
        printed: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            kind, content = message["msg_type"], message["content"]
            if kind.startswith("comm_"):
                self.comm_bytes += len(json.dumps(message, default=str))
            elif kind == "stream" and content["name"] == "stdout":
                printed.append(content["text"])
            elif kind == "error":
                fail("\n".join(content["traceback"]))

        self._client.execute_interactive(code, timeout=timeout, output_hook=hear)
        lines = "".join(printed).strip().splitlines()
        return json.loads(lines[-1]) if lines else None


@contextmanager
def kernel() -> Iterator[Kernel]:
    """A kernel of the environment that runs this, ended afterwards."""
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3")
    try:
        yield Kernel(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
