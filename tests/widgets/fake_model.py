"""A model that says what it is told to, one piece a step, each step when the test lets it."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from influence_nb.engine import registry
from influence_nb.engine.completion import Completion, Timings, TokenEvent, TokenStream, Usage
from influence_nb.engine.keeping import Use
from influence_nb.engine.sampling import Sampling


class FakeModel:
    """Attributes:

    pieces: what it answers, a token each.
    fault: raised instead of the piece at `fault_at`.
    received: what each reply was asked: messages, system, sampling, switches, when_full.
    """

    device, dtype, context_length, load_seconds = "cpu", "float32", 64, 0.5
    is_loaded = True
    quantization, memory, devices = None, 1 << 20, ("cpu",)

    def __init__(
        self,
        name: str = "fake",
        pieces: list[str] | None = None,
        stepwise: bool = False,
        path: str = "/models/fake",
    ) -> None:
        self.name = name
        self.local = SimpleNamespace(path=path, revision=None)
        self.pieces = pieces or ["Hello", " there", "."]
        self.fault: Exception | None = None
        self.fault_at = 0
        self.switches: dict[str, bool] = {}
        self.forwards = 0
        self.received: list[dict[str, Any]] = []
        self._stepwise = stepwise
        self.use = Use()
        self._steps = threading.Semaphore(0)
        registry.add(self)

    def step(self, count: int = 1) -> None:
        """Let it make `count` steps."""
        self._steps.release(count)

    def wait(self) -> None:
        if self._stepwise:
            assert self._steps.acquire(timeout=60), "the test never let the model go on"
        self.forwards += 1

    def template_switches(self) -> dict[str, bool]:
        return self.switches

    def session(self, **_: Any) -> FakeSession:
        return FakeSession(self)

    def unload(self) -> None:
        registry.remove(self)
        self.is_loaded = False


class FakeSession:
    def __init__(self, model: FakeModel) -> None:
        self.model = model
        self.messages: list[dict[str, str]] = []
        self.system: str | None = None
        self.when_full = "stop"
        self.switches: dict[str, bool] = {}
        self.dropped = 0
        self.prompt_ids: tuple[int, ...] = ()

    @property
    def context_used(self) -> int:
        return len(self.rendered()[1])

    def rendered(self) -> tuple[str, list[tuple[int, str]]]:
        said = [f"<{one['role']}> {one['content']}" for one in self.messages[self._full() :]]
        set_up = [f"<system> {self.system}"] if self.system else []
        set_up += [f"<{name}>" for name, on in self.switches.items() if on]
        text = " ".join([*set_up, *said])
        return text, [(zlib.crc32(piece.encode()), piece) for piece in text.split()]

    def _full(self) -> int:
        """How many messages are left out: more than two are too many for a model that is told so."""
        return len(self.messages) - 1 if self.when_full == "drop_oldest" and len(self.messages) > 2 else 0

    def reply(self, sampling: Sampling, cancel: threading.Event) -> TokenStream:
        self.dropped, self.prompt_ids = self._full(), tuple(id for id, _ in self.rendered()[1])
        asked = {name: getattr(self, name) for name in ("system", "when_full", "switches")}
        self.model.received.append({**asked, "messages": list(self.messages), "sampling": sampling})
        events: list[TokenEvent] = []
        return TokenStream(self._events(sampling, cancel, events), lambda: self._completion(events))

    def _events(
        self, sampling: Sampling, cancel: threading.Event, events: list[TokenEvent]
    ) -> Iterator[TokenEvent]:
        pieces = self.model.pieces[: sampling.max_new_tokens]
        ending = "stop" if len(pieces) == len(self.model.pieces) else "length"
        for index, piece in enumerate(pieces):
            self.model.wait()
            if self.model.fault is not None and index == self.model.fault_at:
                raise self.model.fault
            if cancel.is_set():
                events.append(TokenEvent(index, None, "", finish_reason="cancelled"))
            else:
                last = ending if index == len(pieces) - 1 else None
                events.append(TokenEvent(index, index, piece, finish_reason=last))
            yield events[-1]
            if events[-1].finish_reason:
                return

    def _completion(self, events: list[TokenEvent]) -> Completion:
        text = "".join(event.text for event in events)
        made = [event for event in events if event.id is not None]
        reason = events[-1].finish_reason or "stop"
        usage, timings = Usage(self.context_used, len(made)), Timings(0.5, 0.01, 0.02, 0.1, 50.0)
        return Completion(text, tuple(made), reason, usage, timings, lambda: None)
