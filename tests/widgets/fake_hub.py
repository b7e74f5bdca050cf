"""Stands in for planning and fetching: plans by name, and downloads that a test holds and lets go."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from influence_nb import api
from influence_nb.errors import DownloadInterrupted, ModelNotFound
from influence_nb.hub.progress import Progress

WAIT = 60


@dataclass(frozen=True)
class FakeFile:
    """As `PlannedFile`."""

    name: str
    size: int | None
    why: str = "weights, safetensors"
    here: bool = False
    sha256: str | None = None


@dataclass(frozen=True)
class FakePlan:
    """As `DownloadPlan`."""

    repo_id: str
    commit: str = "0123456789abcdef0123456789abcdef01234567"
    files: tuple[FakeFile, ...] = (
        FakeFile("config.json", 700, "config"),
        FakeFile("model.safetensors", 4_000_000),
    )
    gated: Any = False
    needs_code: bool = False
    code_files: tuple[str, ...] = ()
    disk_free: int = 80_000_000_000
    revision: str | None = None
    endpoint: str = "http://127.0.0.1:1"
    output_dir: Path | None = None
    left_out: tuple[tuple[str, str], ...] = (("pytorch_model.bin", "pickled; safetensors are there"),)
    license: str | None = "apache-2.0"
    lacks: str | None = None

    @property
    def total(self) -> int:
        return sum(file.size or 0 for file in self.files)

    @property
    def remaining(self) -> int:
        return sum(file.size or 0 for file in self.files if not file.here)

    @property
    def licence_page(self) -> str:
        return f"{self.endpoint}/{self.repo_id}"


@dataclass(frozen=True)
class FakeLocal:
    """As `LocalModel`."""

    name: str
    path: Path
    size: int = 4_000_700
    kind: str = "chat"


@dataclass
class FakeHub:
    """`plans` by repository; `asked` are the requests; a download waits at half for its gate."""

    plans: dict[str, FakePlan] = field(default_factory=dict)
    faults: dict[str, Exception] = field(default_factory=dict)
    gates: dict[str, threading.Event] = field(default_factory=dict)
    halfway: dict[str, threading.Event] = field(default_factory=dict)
    fit: Any = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    fetched: list[tuple[str, str | None]] = field(default_factory=list)

    def add(self, repo_id: str, held: bool = False, **more: Any) -> FakePlan:
        self.plans[repo_id] = FakePlan(repo_id, **more)
        self.halfway[repo_id] = threading.Event()
        if held:
            self.gates[repo_id] = threading.Event()
        return self.plans[repo_id]

    def plan(self, repo_id: str, **more: Any) -> FakePlan:
        self.asked.append({"repo_id": repo_id, **more})
        if repo_id not in self.plans:
            raise ModelNotFound(
                f"There is no <b>{repo_id}</b> on the hub.", "Look for it in the search panel."
            )
        return self.plans[repo_id]

    def download(
        self,
        plan: FakePlan,
        token: str | None = None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        cancel: threading.Event | None = None,
    ) -> FakeLocal:
        self.fetched.append((plan.repo_id, token))
        total, half = plan.total, plan.total // 2
        on_progress(Progress("model.safetensors", half, 4_000_000, half, total, 2e6, 1.0))
        self.halfway[plan.repo_id].set()
        gate = self.gates.get(plan.repo_id)
        while gate is not None and not gate.wait(0.01):
            if cancel is not None and cancel.is_set():
                raise DownloadInterrupted(f"{plan.repo_id} was stopped.", "It goes on where it stopped.")
        if plan.repo_id in self.faults:
            raise self.faults.pop(plan.repo_id)
        on_progress(Progress("model.safetensors", 4_000_000, 4_000_000, total, total, 2e6, 0.0))
        here = tuple(replace(file, here=True) for file in plan.files)
        self.plans[plan.repo_id] = replace(plan, files=here)
        return FakeLocal(plan.repo_id, Path("/models") / plan.repo_id)

    def fits(self, plan: FakePlan, **more: Any) -> Any:
        if self.fit is None:
            raise ModelNotFound("No headers.")
        return self.fit


def install(monkeypatch: Any) -> FakeHub:
    """Put a fake in the place of the `api`'s calls."""
    hub = FakeHub()
    monkeypatch.setattr(api, "plan", hub.plan)
    monkeypatch.setattr(api, "fit", hub.fits)
    monkeypatch.setattr(api, "download", hub.download)
    return hub
