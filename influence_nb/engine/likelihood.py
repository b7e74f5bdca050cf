"""How probable a model finds given continuations: what multiple choice is decided by.

    model.likelihoods([("The sky is", " blue"), ("The sky is", " green")])

A context that several continuations follow is run once. It knows token ids and logits; it does not know tasks.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from influence_nb.arguments import expect_call, expect_event, quoted
from influence_nb.engine import device as devices
from influence_nb.engine import groups, prompts
from influence_nb.engine.loop import SHORT, Cancelled, Steps
from influence_nb.engine.packing import Size
from influence_nb.engine.runtimes.transformers import TransformersModel
from influence_nb.errors import ContextTooLong, InfluenceError, InvalidData, OutOfMemory

if TYPE_CHECKING:
    from influence_nb.engine.model import Model
    from influence_nb.engine.prompts import Prompt

Pair = tuple["Prompt", str]
OnPairs = Callable[[int, int], object]
"""Called with how many continuations are done, and how many there are."""


@dataclass(frozen=True)
class Likelihood:
    """What a model makes of one continuation. `Model.likelihoods` gives it.

    Attributes:
        logprob: the sum of the log-probabilities of its tokens given the context and those before them, in nats, <= 0;
            the model's own distribution, before any sampling parameter.
        tokens: how many tokens it has.
        bytes: how many bytes of UTF-8.
        greedy: whether each of its tokens is the most probable one at its place.
    """

    logprob: float
    tokens: int
    bytes: int
    greedy: bool


@dataclass(frozen=True)
class _Row:
    """A context and a continuation as token ids."""

    context: tuple[int, ...]
    continuation: tuple[int, ...]
    bytes: int


def likelihoods(
    model: Model,
    pairs: Sequence[Pair],
    cancel: threading.Event | None,
    on_progress: OnPairs | None,
) -> list[Likelihood]:
    """Arguments and errors as those of `Model.likelihoods`."""
    if not isinstance(model, TransformersModel):
        model._lacks("tell how probable a given continuation is")
    model.loaded()
    expect_event(cancel)
    expect_call(on_progress=on_progress)
    return _all(
        model, [_row(model, place, pair) for place, pair in enumerate(_pairs(pairs))], cancel, on_progress
    )


def of_ids(
    model: TransformersModel, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]
) -> list[Likelihood]:
    """The same for token ids of contexts and continuations, neither empty, that fit the model; `bytes` is 0."""
    model.loaded()
    return _all(model, [_Row(tuple(before), tuple(after), 0) for before, after in pairs], None, None)


def _all(
    model: TransformersModel,
    rows: Sequence[_Row],
    cancel: threading.Event | None,
    on_progress: OnPairs | None,
) -> list[Likelihood]:
    found: list[Likelihood | None] = [None] * len(rows)
    done = 0
    for group in _run(model, rows, cancel):
        for place, one in group:
            found[place] = one
        done += len(group)
        if on_progress is not None:
            on_progress(done, len(rows))
    if done < len(rows):
        raise InfluenceError(f"Stopped after {done} of {len(rows)} continuations.", "Start again.")
    return [one for one in found if one is not None]


def _pairs(pairs: Any) -> list[Any]:
    try:
        found = list(pairs)
        if all(len(pair) == 2 for pair in found):
            return found
    except TypeError:
        pass
    raise InvalidData(
        f"{quoted(pairs)} are no pairs.",
        "Give pairs of a context and a continuation: [('The sky is', ' blue')].",
    )


def _row(model: TransformersModel, place: int, pair: Pair) -> _Row:
    context, continuation = pair
    if not isinstance(continuation, str) or not continuation:
        raise InvalidData(
            f"The continuation at index {place} is {quoted(continuation)}.",
            "Give a text of at least one character.",
        )
    before, after = split(model, context, continuation)
    length, most = len(before) + len(after) - 1, model.context_length
    if most is not None and length > most:
        raise ContextTooLong(
            f"The context and continuation at index {place} are {length} tokens long; {model.name} has a context of "
            f"{most}.",
            "Shorten the context.",
        )
    return _Row(tuple(before), tuple(after), len(continuation.encode("utf-8", errors="replace")))


def split(model: TransformersModel, context: Prompt, continuation: str) -> tuple[list[int], list[int]]:
    """The token ids of a context and of what follows it.

    A text and its continuation are encoded as one, and parted where the text alone would end; spaces at its end go to
    the continuation, whose words carry them in most tokenizers. That is how lm-evaluation-harness parts them. Before an
    empty text stands the token that begins or else ends one.
    """
    if not isinstance(context, str):
        return prompts.ids(context, model), model.encode(continuation, special=False)
    text = context.rstrip()
    continuation = context[len(text) :] + continuation
    if not text:
        first = model.tokenizer.bos_token_id
        ids = model.encode(continuation, special=False)
        return [next(iter(model.ends), 0) if first is None else first], ids
    before = prompts.ids(text, model)
    after = prompts.ids(text + continuation, model)[len(before) :]
    return (before, after) if after else (before[:-1], before[-1:])  # the text's last token took all of it in


def _run(
    model: TransformersModel, rows: Sequence[_Row], cancel: threading.Event | None
) -> Iterator[list[tuple[int, Likelihood]]]:
    """(place, likelihood) of each group of rows as it is done; one that finds no room is run again in halves."""
    longest: dict[tuple[int, ...], int] = {}
    for row in rows:
        longest[row.context] = max(longest.get(row.context, 0), len(row.continuation))
    order = {context: place for place, context in enumerate(longest)}
    places = sorted(range(len(rows)), key=lambda place: order[rows[place].context])
    sizes = [Size(len(rows[place].context), longest[rows[place].context]) for place in places]
    waiting = deque(groups.grouped(model, sizes))
    while waiting:
        if cancel is not None and cancel.is_set():
            return
        group = waiting.popleft()
        some = [rows[places[index]] for index in group]
        try:
            at_once = len(some[0].context) <= SHORT or model.goes_on()
            job = model.on_worker(partial(_together, model, some, at_once), "scoring", cancel)
            with closing(job):
                found = list(job)
        except OutOfMemory:
            devices.give_back()
            if len(group) == 1:
                raise
            middle = (len(group) + 1) // 2
            waiting.extendleft([group[middle:], group[:middle]])
            continue
        if len(found) < len(group):
            return
        yield [(places[index], one) for index, one in zip(group, found, strict=True)]


def _together(
    model: TransformersModel, rows: Sequence[_Row], at_once: bool, stopped: Callable[[], bool]
) -> Iterator[Likelihood]:
    """Run rows beside each other, one token of each at a time; those that end leave."""
    import torch

    sums, greedy = torch.zeros(len(rows), dtype=torch.float64), [True] * len(rows)
    alive = list(range(len(rows)))
    copies = len(rows) > 1 and model.together().copies
    with torch.no_grad():
        try:
            steps = Steps(model.loaded(), [row.context for row in rows], at_once=at_once, copies=copies)
            logits = steps.prefill(stopped)
        except Cancelled:
            return
        for depth in range(max(len(row.continuation) for row in rows)):
            targets = [rows[place].continuation[depth] for place in alive]
            chosen = torch.tensor(targets, device=logits.device)[:, None]
            own = logits.gather(-1, chosen)[:, 0] - logits.logsumexp(-1)
            sums[alive] += own.clamp(max=0.0).double().cpu()
            for place, best in zip(alive, (logits.argmax(-1) == chosen[:, 0]).tolist(), strict=True):
                greedy[place] &= best
            staying = [at for at, place in enumerate(alive) if len(rows[place].continuation) > depth + 1]
            if not staying:
                break
            if stopped():
                return
            if len(staying) < len(alive):
                steps.keep(staying)
            alive = [alive[at] for at in staying]
            logits = steps.step([rows[place].continuation[depth] for place in alive])
    for place, row in enumerate(rows):
        yield Likelihood(float(sums[place]), len(row.continuation), row.bytes, greedy[place])
