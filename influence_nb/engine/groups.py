"""Batches on the transformers runtime: prompts become rows, rows run in groups, and a group that fails is halved.

Which prompts run together is `packing`'s to say; what is checked and gathered, `batch`'s.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING

from influence_nb.engine import device as devices
from influence_nb.engine import prompts
from influence_nb.engine.abilities import Together
from influence_nb.engine.batch import Outcome, Request
from influence_nb.engine.completion import TokenEvent
from influence_nb.engine.packing import Fits, Size, packed
from influence_nb.errors import InfluenceError, OutOfMemory
from influence_nb.memory import ModelShape
from influence_nb.memory.activations import activations

if TYPE_CHECKING:
    from influence_nb.engine.row import Row
    from influence_nb.engine.runtimes.transformers import TransformersModel

_SHARE = 0.8
"""Of the free memory, how much a group may be reckoned to take."""

_MOST = {"cpu": 64, "mps": 64}
"""Rows in one group, by kind of device: past this a step takes longer without giving more."""

_MOST_ON_GPUS = 256


def run(
    model: TransformersModel, requests: Sequence[Request], cancel: threading.Event | None
) -> Generator[tuple[int, Outcome], None, None]:
    """(place, event, completion or error) as they come.

    A prompt that cannot be a prompt fails at once and alone. A group in which something goes wrong, memory running
    out above all, is run again in halves, without the rows that had ended; a row that fails by itself fails.
    """
    rows: dict[int, Row] = {}
    for place, request in enumerate(requests):
        try:
            model.check_request(request.sampling, request.cancel)
            rows[place] = model.row(
                prompts.ids(request.prompt, model), request.sampling, request.cancel, request.top
            )
        except InfluenceError as error:
            yield place, error
    stopped = cancel is not None and cancel.is_set()
    waiting = deque(_groups(model, rows, stopped))
    while waiting:
        group = waiting.popleft()
        try:
            for place, event in _together(model, group, rows, cancel):
                yield place, event
                if event.finish_reason is not None:
                    yield place, model.completion(rows[place])
        except InfluenceError as error:
            if isinstance(error, OutOfMemory):
                devices.give_back()
            left = [place for place in group if rows[place].finish_reason is None]
            if len(left) == 1:
                yield left[0], error
                continue
            middle = (len(left) + 1) // 2
            waiting.extendleft(half for half in (left[middle:], left[:middle]) if half)
            for place in left:
                rows[place] = rows[place].again()


def _together(
    model: TransformersModel, group: Sequence[int], rows: dict[int, Row], cancel: threading.Event | None
) -> Iterator[tuple[int, TokenEvent]]:
    places = {id(rows[place]): place for place in group}
    for row, event in model.decoded([rows[place] for place in group], cancel):
        yield places[id(row)], event


def _groups(model: TransformersModel, rows: dict[int, Row], stopped: bool) -> list[list[int]]:
    """The places in groups, the longest prompts first."""
    places = list(rows)
    if stopped:
        return [[place] for place in places]
    sizes = [Size(len(rows[place].prompt), rows[place].limit) for place in places]
    return [[places[index] for index in group] for group in grouped(model, sizes)]


def grouped(model: TransformersModel, sizes: Sequence[Size]) -> list[list[int]]:
    """The places of prompts in groups that run together, as many as fit what is free now, the longest first."""
    ways = model.together() if len(sizes) > 1 else Together(rows=False, mixed=False)
    if not ways.rows:
        return [[place] for place in range(len(sizes))]
    return packed(sizes, ways.mixed, ways.mixed_below, _room(model))


def _room(model: TransformersModel) -> Fits:
    """Whether some rows fit what is free on the model's device now: cache and activations, as `memory` reckons."""
    most = _MOST.get(model.device, _MOST_ON_GPUS)
    shape: ModelShape | None = model.shape
    free = int(devices.budget(model.device).free * _SHARE)

    def fits(count: int, longest: int, width: int) -> bool:
        if count > most or shape is None:
            return count <= most
        needed = shape.cache(width, count, model.dtype) + activations(shape, longest, count, model.dtype)
        return needed <= free

    return fits


def most_rows(model: TransformersModel, width: int) -> int:
    """How many rows of `width` tokens fit what is free on the model's device now, one at least."""
    fits, most = _room(model), _MOST.get(model.device, _MOST_ON_GPUS)
    return next((count for count in range(most, 1, -1) if fits(count, width, width)), 1)
