"""`Model.batch`: many prompts in one call, their completions in the order of the prompts.

It checks what is asked and gathers what comes; it does not know what runs the prompts, nor which of them run together
(`engine/groups.py` for the transformers runtime).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, cast

from influence_nb.arguments import quoted
from influence_nb.engine.completion import Completion, TokenEvent
from influence_nb.engine.prompts import Prompt
from influence_nb.engine.sampling import Sampling, checked
from influence_nb.errors import BatchIncomplete, InfluenceError, InvalidData, InvalidSampling

_EVERY = 0.1
"""Seconds between two calls of `on_progress` while no prompt ends."""


@dataclass(frozen=True)
class Request:
    """One prompt of a batch and how its tokens are chosen.

    Attributes:
        cancel: stops this prompt alone; the others go on.
        top: of each token, this many of the most probable candidates are recorded too (`TokenEvent.top`).
    """

    prompt: Prompt
    sampling: Sampling
    cancel: threading.Event | None = None
    top: int = 0


class Either(threading.Event):
    """Set when it is set itself, or one of the others is."""

    def __init__(self, *others: threading.Event | None) -> None:
        super().__init__()
        self._others = [other for other in others if other is not None]

    def is_set(self) -> bool:
        """See `threading.Event`."""
        return super().is_set() or any(other.is_set() for other in self._others)


@dataclass(frozen=True)
class BatchProgress:
    """How far a batch is.

    Attributes:
        done: prompts that have ended, those that failed included.
        total: prompts in all.
        failed: prompts that failed.
        tokens: tokens generated so far, of all prompts.
    """

    done: int
    total: int
    failed: int
    tokens: int


Outcome = TokenEvent | Completion | InfluenceError
"""What becomes of a prompt: events, and at the end either the whole or what went wrong."""

OnProgress = Callable[[BatchProgress], object]


def requests(
    prompts: Iterable[Prompt], sampling: Sampling | Sequence[Sampling] | None, overrides: Mapping[str, Any]
) -> list[Request]:
    """The prompts with their samplings; what a prompt holds is not looked at.

    Raises:
        InvalidData: `prompts` is a single prompt, or nothing that can be iterated over.
        InvalidSampling: there are more or fewer samplings than prompts, or one is none.
    """
    if isinstance(prompts, str | bytes | Mapping) or not isinstance(prompts, Iterable):
        raise InvalidData(
            f"prompts={quoted(prompts)} is not a list of prompts.",
            "Give a list, also for a single prompt: model.batch(['Once upon a time']).",
        )
    found = list(prompts)
    if found and all(isinstance(item, Mapping | int) for item in found):
        raise InvalidData(
            "prompts is a single prompt: messages or token ids.",
            "Give a list of such prompts: model.batch([messages]).",
        )
    if sampling is None or isinstance(sampling, Sampling):
        samplings = [checked(sampling, overrides)] * len(found)
    else:
        several = isinstance(sampling, Iterable) and not isinstance(sampling, str | bytes | Mapping)
        given: list[Any] = list(sampling) if several else [sampling]  # whose check says what is wrong with it
        samplings = [checked(one, overrides) for one in given]
    if len(samplings) != len(found):
        raise InvalidSampling(
            f"There are {len(samplings)} samplings for {len(found)} prompts.",
            "Give one Sampling for all prompts, or a list with one for each.",
        )
    return [Request(prompt, sampling) for prompt, sampling in zip(found, samplings, strict=True)]


class Meter:
    """Takes what becomes of each prompt, and tells how far all of them are.

    Args:
        total: how many prompts there are.
        on_progress: told in the calling thread, when a prompt ends and at most ten times a second.

    Attributes:
        completions: by place; None where there is none (yet).
        failures: {place: what went wrong}.
    """

    def __init__(self, total: int, on_progress: OnProgress | None = None) -> None:
        self.completions: list[Completion | None] = [None] * total
        self.failures: dict[int, InfluenceError] = {}
        self._tokens = [0] * total
        self._on_progress = on_progress
        self._told, self._done = time.perf_counter(), 0

    def take(self, place: int, outcome: Outcome) -> None:
        """The next outcome, of the prompt at `place`."""
        if isinstance(outcome, Completion):
            self.completions[place] = outcome
            self._tokens[place] = outcome.usage.completion_tokens
        elif isinstance(outcome, InfluenceError):
            self.failures[place] = outcome
        else:
            self._tokens[place] = outcome.index + outcome.is_token
        ended = not isinstance(outcome, TokenEvent)
        self._done += ended
        if self._on_progress is not None and (ended or time.perf_counter() - self._told > _EVERY):
            self._told = time.perf_counter()
            total, failed = len(self.completions), len(self.failures)
            self._on_progress(BatchProgress(self._done, total, failed, sum(self._tokens)))


def collect(
    outcomes: Generator[tuple[int, Outcome], None, None], total: int, on_progress: OnProgress | None = None
) -> list[Completion]:
    """The completions, in the order of the prompts.

    Args:
        outcomes: (place, event, completion or error) as they come; each place ends with one of the last two.
        total: how many prompts there are.
        on_progress: told how far it is, in the calling thread, when a prompt ends and at most ten times a second.

    Raises:
        BatchIncomplete: some prompts failed; it carries the rest.
    """
    meter = Meter(total, on_progress)
    with closing(outcomes):
        for place, outcome in outcomes:
            meter.take(place, outcome)
    if meter.failures:
        place, first = min(meter.failures.items())
        raise BatchIncomplete(
            f"{len(meter.failures)} of {total} prompts failed; the first is number {place}: {first.message}",
            "The error has the others' completions (.completions) and what went wrong by place (.failures).",
            meter.completions,
            meter.failures,
        )
    return cast("list[Completion]", meter.completions)
