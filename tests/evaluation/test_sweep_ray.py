"""Sweeps on a Ray cluster of two nodes on this machine, one of which is taken away while they run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

import influence_nb as inb
from influence_nb.errors import BrokenModel, InfluenceError
from influence_nb.evaluation.runs import Run
from influence_nb.evaluation.spread import on_ray
from influence_nb.evaluation.sweep import Cell
from tests.evaluation.test_audit import generating
from tests.evaluation.test_sweep import notebook

__all__ = ["notebook"]


@pytest.fixture(autouse=True)
def _home(tmp_home: Path) -> None:
    """Every test here keeps its runs by itself."""


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_home: Path) -> Iterator[Any]:
    """Ray on two addresses of this machine: a head of one core and a second node of one core."""
    import ray
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    made = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "include_dashboard": False, "node_ip_address": "127.0.0.2"},
    )
    made.second = made.add_node(num_cpus=1, node_ip_address="127.0.0.3")
    ray.init(address=made.address, _node_ip_address="127.0.0.2", log_to_driver=False)
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.mark.extras("ray")
def test_a_node_that_is_taken_away_costs_no_cell(model: inb.Model, cluster: Any) -> None:
    gone: list[int] = []

    def told(done: int, total: int) -> None:
        if done == 2 and not gone:
            cluster.remove_node(cluster.second, allow_graceful=False)
            gone.append(done)

    found = inb.sweep(model, generating(), workers=2, seed=range(8), on_progress=told)
    assert gone
    assert [run.determined_by["sampling"]["seed"] for run in found.runs] == list(range(8))
    assert len({run.id for run in found.runs}) == len(inb.runs()) == 8
    assert inb.evaluate(model, generating(), seed=7).run.id == found.runs[7].id, (
        "the same run, wherever it ran"
    )
    again: list[tuple[int, int]] = []
    inb.sweep(model, generating(), workers=1, seed=range(9), on_progress=lambda *now: again.append(now))
    assert again[-1] == (9, 9)
    assert len(inb.runs()) == 9


@dataclass(frozen=True)
class Deadly:
    """A job that ends its worker."""

    def identities(self, cells: Sequence[Cell]) -> list[str]:
        return [str(cell["seed"]) for cell in cells]

    def run(self, cell: Cell, *_: object) -> Run:
        os._exit(1)


def workers(cluster: Any) -> list[psutil.Process]:
    """The processes of the cluster that run cells."""
    raylets = [node.all_processes["raylet"][0].process.pid for node in cluster.list_all_nodes()]
    children = [child for raylet in raylets for child in psutil.Process(raylet).children()]
    return [child for child in children if "_Worker" in " ".join(child.cmdline())]


def killing(cluster: Any, at: int) -> Callable[[int, int], None]:
    """What kills all workers once so many cells are done."""
    killed: list[psutil.Process] = []

    def told(done: int, total: int) -> None:
        if done == at and not killed:
            killed.extend(workers(cluster))
            assert killed
            for worker in killed:
                worker.kill()

    return told


@pytest.mark.extras("ray")
def test_workers_that_are_killed_are_started_again(
    model: inb.Model, cluster: Any, notebook: Path, tmp_path: Path
) -> None:
    found = inb.sweep(model, generating(), workers=2, seed=range(6), on_progress=killing(cluster, 1))
    assert [run.status for run in found.runs] == ["done"] * 6
    assert len(inb.runs()) == 6
    powers = inb.sweep_notebook(notebook, workers=1, power=[1, 2, 4])
    assert powers.to_frame()["size"].tolist()[:2] == [2, 4]
    assert [run.status for run in powers.runs] == ["done", "done", "failed"]
    with pytest.raises(BrokenModel, match="no folder"):
        inb.sweep(str(tmp_path / "nothing"), generating(), workers=1, seed=0)
    with pytest.raises(InfluenceError, match=r"^The sweep stopped: .*because.*") as caught:
        list(on_ray(Deadly, [{"seed": 1}], 1, None, False, None))
    assert "\n" not in caught.value.message
    assert "memory" in caught.value.hint


@pytest.mark.extras("ray")
def test_a_cluster_that_is_not_there_is_named(model: inb.Model) -> None:
    with pytest.raises(InfluenceError, match=r"Ray cannot be reached at 127\.0\.0\.1:9"):
        inb.sweep(model, generating(), address="127.0.0.1:9", seed=0)
    assert inb.runs().empty
