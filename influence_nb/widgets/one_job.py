"""The job of a panel that does one thing at a time, in the background; a second one is refused meanwhile.

It does not know what is done, nor where the panel says how it ended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from influence_nb.errors import InfluenceError
from influence_nb.widgets.base import in_background, readable
from influence_nb.widgets.form import message

T = TypeVar("T")


class OneJob:
    """Runs one job at a time. Thread-safe.

    Args:
        hint: what to do for who asks for a second one.

    Attributes:
        future: of the last job; None before the first.
    """

    def __init__(self, hint: str = "Wait until it is done.") -> None:
        self._hint = hint
        self._lock = threading.Lock()
        self._doing = ""
        self.future: Future[Any] | None = None

    def start(
        self,
        doing: str,
        work: Callable[[], T],
        *,
        begin: Callable[[], object],
        done: Callable[[T], str],
        end: Callable[[str], object],
    ) -> Future[T]:
        """Do `work` on a thread of its own.

        Args:
            doing: completes "The panel is still …" for who asks for another job meanwhile.
            work: the job.
            begin: called in this thread, once it is certain that no other job is under way.
            done: says how it ended well, as HTML.
            end: gets that, or what went wrong as HTML; the future is done only after it.

        Returns:
            A future of what `work` returns; its error is an `InfluenceError`.

        Raises:
            InfluenceError: the job before it is not done.
        """

        def whole() -> T:
            try:
                result = work()
                said = done(result)
            except Exception as error:
                problem = readable(error)
                said = message(problem.message, problem.hint, "problem")
                raise problem from error
            else:
                return result
            finally:
                end(said)

        with self._lock:
            if self.future is not None and not self.future.done():
                raise InfluenceError(f"The panel is still {self._doing}.", self._hint)
            self._doing = doing
            begin()
            self.future = future = in_background(whole)
        return future
