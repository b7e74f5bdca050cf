"""Seconds from starting `influence serve` until /health answers, and until its model is ready.

The program is one of its own each time; the model is starter/chat.
"""

from __future__ import annotations

import http.client
import json
import signal
import socket
import statistics
import subprocess
import sys
import time

from benchmarks.bench_import import importing
from benchmarks.common import fail, in_turns, line, ratio

ROUNDS = 5
COMMAND = "from influence_nb.cli import main; main()"


def starting(ready: list[float]) -> float:
    """Seconds from starting the program to its first answer; the model's follow in `ready`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.perf_counter()
    program = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "serve", "starter/chat", "--port", str(port)],
        stdout=subprocess.DEVNULL,
    )
    try:
        while True:
            if program.poll() is not None:
                fail("the server ended")
            asking = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                asking.request("GET", "/health")
                said = json.loads(asking.getresponse().read())
                break
            except (
                OSError
            ):  # nobody listens yet: asking without a pause would take a core from what is measured
                time.sleep(0.002)
        answered = time.perf_counter() - began
        while not said["ready"]:
            time.sleep(0.02)  # each look takes the interpreter from what is being loaded
            asking.request("GET", "/health")
            said = json.loads(asking.getresponse().read())
        ready.append(time.perf_counter() - began)
        return answered
    finally:
        program.send_signal(signal.SIGTERM)
        program.wait()


def main() -> None:
    ready: list[float] = []
    starting([])
    found = in_turns({"health": lambda: starting(ready), "torch": lambda: importing("torch")}, ROUNDS)
    print(f"seconds to /health: {[round(figure, 2) for figure in found['health']]}")
    line(
        "seconds from starting `influence serve` to /health", statistics.median(found["health"]), "at most 1"
    )
    line("seconds until its model is ready", statistics.median(ready), "to compare")
    ratio("starting to /health / import torch", found["health"], found["torch"], "to compare")


if __name__ == "__main__":
    main()
