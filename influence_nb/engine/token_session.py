"""A session that keeps its KV cache, so that each turn costs only what is new in it.

It knows a model that takes token ids; it does not know where the messages come from.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from influence_nb.engine.completion import TokenStream
from influence_nb.engine.sampling import Sampling
from influence_nb.engine.session import Session, WhenFull
from influence_nb.errors import ContextTooLong

if TYPE_CHECKING:
    from influence_nb.engine.token_model import TokenModel


class TokenSession(Session):
    """A session of a model that takes token ids; see `Session`."""

    model: TokenModel

    def __init__(
        self,
        model: TokenModel,
        system: str | None = None,
        sampling: Sampling | None = None,
        when_full: WhenFull = "stop",
        switches: Mapping[str, bool] | None = None,
    ) -> None:
        super().__init__(model, system, sampling, when_full, switches)
        self._prefix = model.new_prefix()

    def rendered(self) -> tuple[str, list[tuple[int, str]]]:
        """See `Session`."""
        ids, dropped = self.prompt(self.sampling)
        text = self.model.render(self._with_system(self.messages[dropped:]), self.switches)
        return text, [(token, self.model.decode([token], special=True)) for token in ids]

    def prompt(self, sampling: Sampling) -> tuple[list[int], int]:
        """The ids that `reply(sampling)` would send, and how many of the oldest messages it would leave out.

        Raises:
            ContextTooLong: no room is left, and `when_full` is "stop".
        """
        return self._prompt(self.messages, sampling)

    @property
    def context_used(self) -> int:
        """See `Session`."""
        if not self.messages:
            return 0
        try:
            return len(self.prompt(self.sampling)[0])
        except ContextTooLong:
            return len(self._ids(self.messages))

    def _answer(
        self, messages: Sequence[Mapping[str, str]], sampling: Sampling, cancel: threading.Event | None
    ) -> TokenStream:
        self.model.check_request(sampling, cancel)
        prompt, dropped = self._prompt(messages, sampling)
        self.prompt_ids, self.dropped = tuple(prompt), dropped
        return self.model.stream_ids(prompt, sampling, cancel, self._prefix)

    def _prompt(self, messages: Sequence[Mapping[str, str]], sampling: Sampling) -> tuple[list[int], int]:
        """The ids to send, and how many of the oldest messages were left out to make them fit."""
        size = self.model.context_length
        room = 0 if size is None else min(sampling.max_new_tokens, size // 4)
        turns = [place for place, message in enumerate(messages) if place and message["role"] == "user"]
        for dropped in (0, *turns):
            ids = self._ids(messages[dropped:])
            more_to_drop = self.when_full == "drop_oldest" and bool(turns) and dropped != turns[-1]
            if size is None or len(ids) + (room if more_to_drop else 1) <= size:
                return ids, dropped
            if self.when_full == "stop":
                break
        raise ContextTooLong(
            f"The conversation is {len(ids)} tokens long; {self.model.name} has a context of {size}.",
            'Shorten or clear it, or choose to leave out the oldest turns when it is full (when_full="drop_oldest").',
        )

    def _ids(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        return self.model.encode(self.model.render(self._with_system(messages), self.switches), special=False)
