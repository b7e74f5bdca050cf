"""A conversation with a model on a server: its messages are sent whole each time.

It does not know requests.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from influence_nb.engine.completion import TokenStream
from influence_nb.engine.sampling import Sampling
from influence_nb.engine.session import Session

if TYPE_CHECKING:
    from influence_nb.engine.runtimes.endpoint.model import EndpointModel


class EndpointSession(Session):
    """A session whose tokens only the server knows; see `Session`."""

    model: EndpointModel

    def rendered(self) -> tuple[str, list[tuple[int, str]]]:
        """See `Session`: here the messages as JSON, and no tokens, since the server's template makes them."""
        return json.dumps(self._with_system(self.messages), ensure_ascii=False, indent=1), []

    @property
    def context_used(self) -> int:
        """See `Session`: here as the server counted at the last turn; 0 before it, and where it does not count."""
        usage = None if self.completion is None else self.completion.usage
        if usage is None or usage.prompt_tokens is None or not self.messages:
            return 0
        return usage.prompt_tokens + usage.completion_tokens

    def _answer(
        self, messages: Sequence[Mapping[str, str]], sampling: Sampling, cancel: threading.Event | None
    ) -> TokenStream:
        self.prompt_ids, self.dropped = (), 0
        turns = [place for place, message in enumerate(messages) if place and message["role"] == "user"]

        def shorter() -> dict[str, Any] | None:
            """The same without one more of the oldest turns; how long it may be only the server knows."""
            if self.when_full != "drop_oldest" or not turns:
                return None
            self.dropped = turns.pop(0)
            return {"messages": self._with_system(messages[self.dropped :])}

        return self.model.stream_messages(
            self._with_system(messages), sampling, cancel, self.switches, shorter
        )
