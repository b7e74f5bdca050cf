"""`Trace`: the raw logits before each token of a text, kept so that its choices can be looked at and made again.

It runs a model in the very steps in which a text is generated alone, so that what it keeps is what the text was drawn
from. It does not know what is asked of the logits (`xray.py`, `what_if.py`).
"""

from __future__ import annotations

import threading
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

    from influence_nb.engine.runtimes.transformers import TransformersModel

    Mask = np.ndarray[Any, np.dtype[np.bool_]]

MOST = 2**31
"""Bytes of logits that a trace may keep: 2 GiB are 10,000 tokens of a vocabulary of 50,000."""

OnTraced = Callable[[int, int], object]
"""Called with how many tokens have been looked at, and how many there will be at most."""


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


@dataclass(frozen=True, eq=False)
class Trace:
    """All places of one output, in order.

    Attributes:
        sampling: what the output was drawn with, its seed included.
        places: one a token.
        model: what the output came from, and can go on from.
    """

    sampling: Sampling
    places: tuple[Place, ...]
    model: TransformersModel

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
    on_progress: OnTraced | None = None,
) -> Trace:
    """Run a prompt and up to `steps` tokens after it: those of `output`, or those that `sampling` draws.

    Raises:
        OutOfMemory: the logits of so many tokens would take more than `MOST` bytes.
        ContextTooLong: the prompt does not fit the model's context.
        InvalidSampling: see `Sampler.draw`, and a grammar that cannot be followed.
    """
    expect_event(cancel)
    expect_call(on_progress=on_progress)
    each = 4 * model.vocabulary_size
    if steps * each > MOST:
        raise OutOfMemory(
            f"The logits of {steps} tokens take {gb(steps * each)}; at most {gb(MOST)} are kept.",
            f"Look at {MOST // each} tokens at most.",
        )
    row = model.row(prompt, sampling)
    ends = sorted(model.ends)

    def job(stopped: Callable[[], bool]) -> Iterator[Place]:
        import torch

        guide = row.guide
        sampler = Sampler([row.sampling], [row.prompt], ends, guides=[guide])
        made: list[int] = []
        with torch.no_grad():
            at_once = len(row.prompt) <= SHORT or model.goes_on()
            run = Steps(model.loaded(), [row.prompt], at_once=at_once)
            try:
                logits = run.prefill(stopped)
            except Cancelled:
                return
            while not stopped():
                held = None if guide is None else Held(guide.forbidden(ends))
                forced = None if output is None else [output[len(made)]]
                token = sampler.draw(logits, forced=forced)[0].id
                yield Place(len(made), logits[0].cpu(), row.prompt, tuple(made), token, ends, held)
                made.append(token)
                if len(made) == steps or (output is None and token in model.ends):
                    return
                logits = run.step([token])

    places: list[Place] = []
    with closing(model.on_worker(job, "looking at its choices", cancel)) as found:
        for place in found:
            places.append(place)
            if on_progress is not None:
                on_progress(len(places), steps)
    return Trace(row.sampling, tuple(places), model)
