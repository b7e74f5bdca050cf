"""`Trace`: the raw logits before each token of a text, kept so that its choices can be looked at and made again.

It runs a model in the very steps in which a text is generated alone, so that what it keeps is what the text was drawn
from. It does not know what is asked of the logits (`xray.py`, `what_if.py`).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from influence_nb.arguments import expect_call, expect_event
from influence_nb.engine.loop import SHORT, Cancelled, Steps
from influence_nb.engine.sampler import Sampler
from influence_nb.engine.sampling import Sampling
from influence_nb.errors import OutOfMemory
from influence_nb.memory.report import gb

if TYPE_CHECKING:
    import numpy as np
    import torch

    from influence_nb.engine.completion import Completion
    from influence_nb.engine.runtimes.transformers import TransformersModel

    Mask = np.ndarray[Any, np.dtype[np.bool_]]

MOST = 2**31
"""Bytes of logits that a trace may keep: 2 GiB are 10,000 tokens of a vocabulary of 50,000."""


@dataclass(frozen=True)
class Held:
    """What a grammar forbade at one place, as it stood then (`grammar.Follows`)."""

    mask: Mask

    def forbidden(self, ends: Sequence[int]) -> Mask:
        """What it forbade; `ends` are in it."""
        return self.mask

    def take(self, token: int) -> None:
        """It stays at its place."""


@dataclass(frozen=True, eq=False)
class Place:
    """The moment before one token.

    Attributes:
        index: the token's place in the output, from 0.
        logits: the model's own, float32 (vocabulary,), on the CPU.
        prompt, before: the ids that led here: of the prompt, and of the output so far.
        id: the token that came.
        ends: the ids that end a text.
        grammar: what a grammar forbids here, if there is one.
    """

    index: int
    logits: torch.Tensor
    prompt: Sequence[int]
    before: Sequence[int]
    id: int
    ends: Sequence[int]
    grammar: Held | None = None


OnTraced = Callable[[Place, int], object]
"""Called with each place as it comes, and how many there will be at most."""


@dataclass(frozen=True, eq=False)
class Trace:
    """All places of one output, in order.

    Attributes:
        sampling: what the output was drawn with, its seed included.
        places: one a token.
        model: what the output came from, and can go on from.
        completion: the text; None where only logits were asked for.
    """

    sampling: Sampling
    places: tuple[Place, ...]
    model: TransformersModel
    completion: Completion | None = None

    def name(self, token: int) -> str:
        """The text of a token; special ones are shown."""
        return self.model.decode([token], special=True)


def trace(
    model: TransformersModel,
    prompt: Sequence[int],
    sampling: Sampling,
    steps: int,
    output: Sequence[int] | None = None,
    cancel: threading.Event | None = None,
    on_place: OnTraced | None = None,
) -> Trace:
    """Run a prompt and up to `steps` tokens after it: those of `output`, or those that `sampling` draws.

    What is drawn ends as a text does, at the latest after `steps` tokens, and is a completion.

    Raises:
        OutOfMemory: the logits of so many tokens would take more than `MOST` bytes.
        ContextTooLong: the prompt does not fit the model's context.
        InvalidSampling: see `Sampler.draw`, and a grammar that cannot be followed.
    """
    expect_event(cancel)
    expect_call(on_place=on_place)
    each = 4 * model.vocabulary_size
    if steps * each > MOST:
        raise OutOfMemory(
            f"The logits of {steps} tokens take {gb(steps * each)}; at most {gb(MOST)} are kept.",
            f"Look at {MOST // each} tokens at most.",
        )
    row = model.row(prompt, sampling if output is not None else sampling.replace(max_new_tokens=steps))
    ends = sorted(model.ends)

    def job(stopped: Callable[[], bool]) -> Iterator[Place]:
        import torch

        row.clock.begin()
        guide = row.guide
        sampler = Sampler([row.sampling], [row.prompt], ends, guides=[guide])
        made: list[int] = []
        with torch.no_grad():
            at_once = len(row.prompt) <= SHORT or model.goes_on()
            run = Steps(model.loaded(), [row.prompt], at_once=at_once)
            row.batch_shape = run.shape
            try:
                logits = run.prefill(stopped)
            except Cancelled:
                return
            while not stopped():
                held = None if guide is None else Held(guide.forbidden(ends))
                forced = None if output is None else [output[len(made)]]
                pick = sampler.draw(logits, forced=forced)[0]
                if output is None:
                    row.accept(pick)
                yield Place(len(made), logits[0].cpu(), row.prompt, tuple(made), pick.id, ends, held)
                made.append(pick.id)
                if len(made) == steps or row.finish_reason is not None:
                    return
                logits = run.step([pick.id])

    places: list[Place] = []
    row.clock.called = time.perf_counter()
    with closing(model.on_worker(job, "looking at its choices", cancel)) as found:
        for place in found:
            places.append(place)
            if on_place is not None:
                on_place(place, steps)
    completion = None
    if output is None:
        if row.finish_reason is None:
            row.cancel()
        completion = model.completion(row)
    return Trace(row.sampling, tuple(places), model, completion)


class Traces:
    """The trace of the last text that a model was asked about: asked again, it takes no forward pass."""

    def __init__(self) -> None:
        self._last: tuple[object, Trace] | None = None

    def drawn(
        self,
        model: TransformersModel,
        prompt: Sequence[int],
        sampling: Sampling,
        steps: int,
        cancel: threading.Event | None = None,
        on_place: OnTraced | None = None,
    ) -> Trace:
        """Of a text that is drawn now; see `trace`."""
        found = trace(model, prompt, sampling, steps, None, cancel, on_place)
        self._last = (_key(prompt, found.sampling, [place.id for place in found.places]), found)
        return found

    def of(
        self,
        model: TransformersModel,
        prompt: Sequence[int],
        sampling: Sampling,
        output: Sequence[int],
        cancel: threading.Event | None = None,
        on_place: OnTraced | None = None,
    ) -> Trace:
        """Of a text that has come; see `trace`."""
        asked, last = _key(prompt, sampling, output), self._last
        if last is not None and last[0] == asked:
            return last[1]
        found = trace(model, prompt, sampling, len(output), output, cancel, on_place)
        if len(found.places) == len(output):  # else it was cancelled
            self._last = asked, found
        return found

    def forget(self) -> None:
        """Let go of it."""
        self._last = None


def _key(prompt: Sequence[int], sampling: Sampling, output: Sequence[int]) -> object:
    """What says whether two traces are of the same text."""
    return tuple(prompt), json.dumps(sampling.to_dict(), sort_keys=True), tuple(output)
