"""Many prompts at a server: as requests side by side, a bounded number at once; the server makes batches of them.

It does not know requests, only streams.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING

from influence_nb.engine.batch import Either, Outcome, Request
from influence_nb.engine.completion import TokenEvent
from influence_nb.errors import InfluenceError

if TYPE_CHECKING:
    from influence_nb.engine.model import Model

AT_ONCE = 8
"""Requests under way at a time: enough for a server to fill its batches, few enough not to crowd out others."""


def side_by_side(
    model: Model, requests: Sequence[Request], cancel: threading.Event | None
) -> Generator[tuple[int, Outcome], None, None]:
    """What becomes of each prompt, as it comes; one that fails fails alone. Ending the generator stops them all."""
    out: SimpleQueue[tuple[int, Outcome | BaseException]] = SimpleQueue()
    stop = Either(cancel)

    def run(place: int, request: Request) -> None:
        try:
            model._check_top(request)
            stream = model.stream(request.prompt, request.sampling, Either(stop, request.cancel))
            for event in stream:
                out.put((place, event))
            out.put((place, stream.completion))
        except BaseException as error:
            out.put((place, error))

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix=f"influence {model.name}") as pool:
        try:
            for place, request in enumerate(requests):
                pool.submit(run, place, request)
            left = len(requests)
            while left:
                place, outcome = out.get()
                if isinstance(outcome, BaseException) and not isinstance(outcome, InfluenceError):
                    raise outcome
                left -= not isinstance(outcome, TokenEvent)
                yield place, outcome
        finally:
            stop.set()
