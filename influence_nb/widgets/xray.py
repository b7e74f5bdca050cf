"""`XrayPanel`: a text token by token, what each stage of the sampler did to every choice, and what other settings do.

It knows X-rays and the page's messages; how a choice is made is the engine's business, how it is painted the page's
(`widgets/xray/`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from influence_nb import api
from influence_nb.engine.sampling import FIELDS, Sampling
from influence_nb.engine.what_if import WhatIf
from influence_nb.engine.xray import Xray, chosen
from influence_nb.errors import InvalidData
from influence_nb.widgets.base import escape, static_block, strict
from influence_nb.widgets.fields import described
from influence_nb.widgets.newest import Newest, Pause, Turn
from influence_nb.widgets.painter import Painter
from influence_nb.widgets.state import State
from influence_nb.widgets.xray_traits import SHOWN, XrayTraits
from influence_nb.widgets.xray_view import flips, picture

if TYPE_CHECKING:
    from influence_nb.engine.completion import Completion
    from influence_nb.engine.model import Model
    from influence_nb.engine.trace import Place

CHOICES = "Its choices were not looked at yet."
SETTLED = 0.15
"""Seconds without a change after which all tokens are judged: a slider that moves is not kept waiting by it."""


class XrayPanel(XrayTraits):
    """What the sampler does, stage by stage, to each token of a text; and the same text under other settings.

    `look` writes a text. After it `set`, `reorder` and `at` show its choices under other settings, without a forward
    pass: tokens that would come otherwise are marked. `regenerate` writes the text that the settings give, `take` goes
    on from another token, `back` returns. The page has a control for each.

    Args:
        model: a loaded `Model` or its name; None follows what is selected.
        sampling: a `Sampling`; None for the defaults.
        state: the selection shared with other panels; None for one of its own.

    Attributes:
        xray: what is looked at, an `Xray` under the settings of now; None before the first `look`.

    Raises:
        TypeError: an unknown keyword.
        ModelNotFound: `model` is a name, and no loaded model has it.
    """

    @strict
    def __init__(
        self,
        *,
        model: Model | str | None = None,
        sampling: Sampling | None = None,
        state: State | None = None,
    ) -> None:
        self.xray: Xray | None = None
        self._sampling = sampling or Sampling()
        self._pinned: Sampling | None = None
        self._history: list[Xray] = []
        self._judging = Newest()
        self._settled = Pause(SETTLED, lambda: self._judging.ask(self._judge))
        self._coming: list[str] = []
        self._painter = Painter(self._show_coming)
        fields = described(one for one in FIELDS if one.name in SHOWN)
        super().__init__(model, state, fields=fields, sampling=self._sampling.to_dict())

    # -- from Python and from the page -----------------------------------------------------------------------------

    def look(self, prompt: Any = None, length: int | None = None) -> Future[Xray]:
        """Write a text under the settings of now and look at its choices, in the background.

        Args:
            prompt: as `Model.stream` takes it; None for what the page says.
            length: how many tokens; None for what the page says.

        Raises:
            ModelNotFound: no model is loaded.
        """
        given = self._prompt(prompt)
        if length is not None:
            self.length = length
        sampling, length = self._sampling, self.length
        return self._write(lambda model, stop: model.xray(given, sampling, length, stop, self._came))

    def regenerate(self) -> Future[Xray]:
        """Write the text that the settings of now give, with the same prompt and seed, in the background."""
        old = self._looked()
        ids, sampling = list(old.trace.places[0].prompt), self._sampling
        return self._write(lambda model, stop: model.xray(ids, sampling, self.length, stop, self._came))

    def take(self, token: int) -> Future[Xray]:
        """Take another token at the place that is shown and go on from there, in the background."""
        old, where, sampling = self._looked(), self.where, self._sampling

        def branch(model: Model, stop: threading.Event) -> Xray:
            stream = old.completion.branch(where, token, sampling, stop, max_new_tokens=self.length)
            for event in stream:
                self._coming = [*self._coming, event.text]
                self._painter.ask()
            return _taken_apart(stream.completion, stop)

        return self._write(branch, old.completion.tokens[:where])

    def inspect(self, completion: Completion) -> Future[Xray]:
        """Look at the choices of a text that was written elsewhere, in the background; one forward pass."""
        return self._write(lambda _, stop: _taken_apart(completion, stop), completion.tokens)

    def back(self) -> None:
        """Return to the text before this one."""
        with self._lock:
            if self._history:
                self._show(self._history.pop())

    def set(self, **overrides: Any) -> None:
        """Look at the same choices under other settings.

        Args:
            overrides: sampling parameters.

        Raises:
            InvalidSampling: unknown or out of range.
        """
        with self._lock:
            changed = chosen(self._sampling, overrides)
            if self.xray is not None:
                self.xray = self.xray.under(changed)
                changed = self.xray.sampling
            self._sampling = changed
            self._show_choice()

    def reorder(self, order: Sequence[str]) -> None:
        """Let the stages run in another order; those that are not named do not run."""
        self.set(order=tuple(order))

    def reset(self) -> None:
        """Go back to the settings that the text was written with."""
        with self._lock:
            if self.xray is not None:
                self._sampling = self.xray.trace.sampling
                self.xray = self.xray.under(self._sampling)
            self._show_choice()

    def at(self, index: int) -> None:
        """Show the choice of another token.

        Raises:
            InvalidData: there is no such token.
        """
        with self._lock:
            if not 0 <= index < len(self._looked()):
                raise InvalidData(f"There is no token {index}.", f"There are {len(self.tokens)}, from 0.")
            self.where = index
            self._show_choice(judge=False)

    def pin(self) -> None:
        """Keep the settings of now to compare later ones with."""
        with self._lock:
            self._pinned = self._sampling
            self._show_choice(judge=False)

    def unpin(self) -> None:
        """Compare no longer."""
        with self._lock:
            self._pinned = None
            self._show_choice(judge=False)

    def static_html(self) -> str:
        """The text, and the choice that is shown, for a reader without a kernel."""
        with self._lock:
            if self.xray is None or not len(self.xray):
                return static_block("Sampler X-ray", f"<p>{escape(CHOICES)}</p>")
            step = self.xray[self.where]
            text = "".join(
                f"<b>[{escape(token)}]</b>" if at == self.where else escape(token)
                for at, token in enumerate(self.tokens)
            )
            said = "; ".join(one["words"] for one in self.flips[:3])
            more = [f"<p>Under these settings: {escape(said)}.</p>"] if said else []
            return static_block(
                f"Sampler X-ray · {self.xray.trace.model.name} · token {self.where}",
                f'<p style="white-space:pre-wrap">{text}</p>',
                *more,
                step._repr_html_(),
            )

    def close(self) -> None:
        """Stop, and leave the page."""
        if hasattr(self, "state"):
            self._settled.cancel()
            self._judging.cancel()
        super().close()

    # -- writing -----------------------------------------------------------------------------------------------------

    def _write(
        self, make: Callable[[Model, threading.Event], Xray], kept: Sequence[Any] = ()
    ) -> Future[Xray]:
        model = self._present()
        stop = self._begin()

        def begin() -> None:
            self._coming = [event.text for event in kept]
            self._put(status="running", problem=None, tokens=self._coming, flips=[], judged=True)

        def work(turn: Turn) -> Xray:
            with self._running():
                with api.awake(model) as present:
                    made = make(present, stop)
                with self._lock:
                    if self.xray is not None and len(self.xray):
                        self._history.append(self.xray)
                    self._show(made)
                return made

        return self._asking.ask(work, begin)

    def _came(self, place: Place, _: int) -> None:
        model = self.state.selected
        if isinstance(getattr(model, "vocabulary_size", None), int):
            self._coming = [*self._coming, model.decode([place.id], special=True)]
            self._painter.ask()

    def _show_coming(self) -> None:
        with self._lock:
            if self.status == "running":
                self.tokens = list(self._coming)

    # -- showing -----------------------------------------------------------------------------------------------------

    def _show(self, xray: Xray) -> None:
        self.xray, self._sampling = xray, xray.sampling
        with self.hold_sync():
            self.tokens = [xray.trace.name(step.place.id) for step in xray]
            self.where = min(self.where, max(len(xray) - 1, 0))
            self.earlier = len(self._history)
            self._show_choice()

    def _show_choice(self, judge: bool = True) -> None:
        """Paint the choice at once; which tokens flip comes after it."""
        xray = self.xray
        with self.hold_sync():
            self.sampling = self._sampling.to_dict()
            self.pinned = self._pinned is not None
            if xray is None or not len(xray):
                self.view, self.changed = {}, []
                return
            step = xray[self.where]
            kept = None if self._pinned is None else xray.under(self._pinned)[self.where]
            self.view = picture(step, kept)
            before, now = xray.trace.sampling.to_dict(), self.sampling
            self.changed = [
                name for name in before if before[name] != now[name] and name in (*SHOWN, "order")
            ]
            self.problem = None
            if judge and self.changed:
                self.judged = False
            elif judge:
                self.flips, self.judged = [], True
        if judge and self.changed:
            self._settled.nudge()
            return
        if judge:
            self._settled.cancel()
        self.update_static()

    def _judge(self, turn: Turn) -> None:
        with self._lock:
            xray = self.xray
        if xray is None:
            return
        found = flips(WhatIf(xray.completion, xray.trace, xray.sampling))
        with self._lock:
            if turn.over.is_set() or xray is not self.xray:
                return
            self._put(flips=found, judged=True)
        self.update_static()

    def _source(self) -> Model | None:
        return None if self.xray is None else self.xray.trace.model

    # -- asking ------------------------------------------------------------------------------------------------------

    def _looked(self) -> Xray:
        if self.xray is None or not len(self.xray):
            raise InvalidData(CHOICES, "Press Look first: panel.look().")
        return self.xray

    def _asked(self, content: Any) -> None:
        match content:
            case {"type": "look", "prompt": str(prompt), "chat": bool(chat), "length": int(length)}:
                self._put(prompt=prompt, chat=chat, length=length)
                self.look()
            case {"type": "set", "values": dict(values)}:
                self.set(**values)
            case {"type": "order", "order": list(order)}:
                self.reorder(order)
            case {"type": "at", "index": int(index)}:
                self.at(index)
            case {"type": "take", "id": int(token)}:
                self.take(token)
            case {"type": "regenerate" | "back" | "reset" | "pin" | "unpin" as kind}:
                getattr(self, kind)()
            case _:
                super()._asked(content)


def _taken_apart(completion: Completion, stop: threading.Event) -> Xray:
    trace = replace(completion.what_if(cancel=stop).trace, completion=completion)
    return Xray(trace, trace.sampling)
