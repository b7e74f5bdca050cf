"""Ray: a cluster of machines, or this one alone, that works a list off. It does not know what the work is.

Ray schedules, starts workers, and tries again what a lost machine had; nothing of that is done here.
"""

from __future__ import annotations

import importlib
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from influence_nb.errors import InfluenceError, MissingExtra

_PATIENCE = 10
"""Seconds in which something has to answer at an address."""


def ray_for(what: str) -> Any:
    """The package, for something that runs on it.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise MissingExtra(
            f"{what} runs on Ray, which is not installed.", "Run: pip install 'influence_nb[ray]'."
        ) from error


@contextmanager
def joined(ray: Any, address: str | None) -> Iterator[None]:
    """Ray, running: what is there already, the cluster at the address, or one on this machine for the time being.

    Raises:
        InfluenceError: it cannot be reached.
    """
    if ray.is_initialized():
        yield
        return
    quietly = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if place := re.fullmatch(r"(?:ray://)?([^/]+):(\d+)", address or ""):
            # Ray would try for minutes.
            socket.create_connection((place[1].strip("[]"), int(place[2])), _PATIENCE).close()
        if address is None:
            ray.init(include_dashboard=False, _node_ip_address="127.0.0.1", **quietly)
        else:
            ray.init(address=address, **quietly)
    except Exception as error:  # of many kinds: no such address, no answer, other versions
        raise InfluenceError(
            f"Ray cannot be reached at {address or 'this machine'}: {error}.",
            "Check the address and that it is running.",
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def translated(ray: Any, what: str) -> Iterator[None]:
    """What befell Ray or a worker, in one line that begins with `what`."""
    try:
        yield
    except ray.exceptions.RayError as error:
        hint = "What was done stays; the same call goes on."
        if isinstance(error, ray.exceptions.ActorDiedError | ray.exceptions.NodeDiedError):
            hint += " Machines that go, and memory that runs out, end workers: take fewer of them, or a smaller model."
        raise InfluenceError(f"{what} stopped: {_cause(error)}", hint) from error


def _cause(error: Exception) -> str:
    """Why, in one line, of the many that Ray says."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    for mark in ("Error: ", " because "):
        if said := [line for line in lines if mark in line]:
            return said[0]
    return ": ".join([type(error).__name__, *lines[:1]])


@dataclass(frozen=True)
class Room:
    """What a cluster has.

    Attributes:
        gpus: in all.
        cores: of each machine.
    """

    gpus: int
    cores: tuple[int, ...]

    def share(self, workers: int, aside: int = 0) -> int:
        """Cores for each of so many workers: a worker is on one machine, and so many cores are left aside."""
        return max(1, min(min(self.cores), (sum(self.cores) - aside) // workers))


def room(ray: Any) -> Room:
    """What the machines have that are there now."""
    there = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus, cores = ([int(one.get(kind, 0)) for one in there] for kind in ("GPU", "CPU"))
    return Room(sum(gpus), tuple(one for one in cores if one) or (1,))
