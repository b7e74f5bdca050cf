"""`Session`: a conversation with a model, its turns, and the file that it is saved in.

It knows messages; it does not know how an answer comes about (`token_session.py`, `runtimes/endpoint/`), nor
widgets and how they show versions of a message.
"""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from influence_nb.arguments import expect_text, quoted
from influence_nb.engine import jsons, template
from influence_nb.engine.completion import Completion, TokenEvent, TokenStream
from influence_nb.engine.sampling import Sampling, checked
from influence_nb.errors import InfluenceError, InvalidData, InvalidSampling

if TYPE_CHECKING:
    from influence_nb.engine.model import Model

WhenFull = Literal["stop", "drop_oldest"]
_FORMAT = "influence_nb session"


class Session(ABC):
    """A conversation with one model. Make it with `model.session()`.

    Attributes:
        messages: [{"role": "user" | "assistant", "content": text}]; may be edited or replaced between turns.
        system: the system prompt, or None for the template's own.
        sampling: used where a turn names none.
        switches: variables for the chat template, such as {"enable_thinking": False}.
        when_full: "stop" raises `ContextTooLong` when the context is full; "drop_oldest" leaves the oldest turns
            out of what is sent (they stay in `messages`).
        dropped: how many of the oldest messages the last turn left out.
        prompt_ids: the token ids that the last turn sent; () before the first.
        completion: of the last turn, or None.
    """

    def __init__(
        self,
        model: Model,
        system: str | None = None,
        sampling: Sampling | None = None,
        when_full: WhenFull = "stop",
        switches: Mapping[str, bool] | None = None,
    ) -> None:
        if when_full not in ("stop", "drop_oldest"):
            raise InvalidData(f"when_full={quoted(when_full)} is unknown.", 'Use "stop" or "drop_oldest".')
        expect_text(system=system)
        if not isinstance(switches, Mapping | None) or not all(
            isinstance(name, str) for name in switches or {}
        ):
            raise InvalidData(
                f"switches={quoted(switches)} does not map names to values.",
                'Write {"enable_thinking": False}.',
            )
        self.model = model
        self.messages: list[dict[str, str]] = []
        self.system = system
        self.sampling = checked(sampling, {})
        self.switches = dict(switches or {})
        self.when_full: WhenFull = when_full
        self.dropped = 0
        self.prompt_ids: tuple[int, ...] = ()
        self.completion: Completion | None = None
        self._busy = threading.Lock()

    def send(
        self,
        text: str,
        sampling: Sampling | None = None,
        cancel: threading.Event | None = None,
        **overrides: Any,
    ) -> Completion:
        """Say `text` and wait for the answer. Arguments and errors as `stream`'s."""
        return self.stream(text, sampling, cancel, **overrides).completion

    def stream(
        self,
        text: str,
        sampling: Sampling | None = None,
        cancel: threading.Event | None = None,
        **overrides: Any,
    ) -> TokenStream:
        """Say `text` and stream the answer. When something is raised, the conversation is as before; only what came of
        an answer that a server broke off, or that an interrupt (Ctrl-C) cancelled, stays in it.

        Args:
            text: the user's message.
            sampling: for this turn; the session's own by default. `overrides` change single parameters of it.
            cancel: set it to stop at the next token; what was said so far stays in the conversation.

        Raises:
            ContextTooLong: no room is left, and `when_full` is "stop".
            InvalidSampling: an override that is unknown or out of range.
        """
        return self._turn({"role": "user", "content": text}, sampling, cancel, overrides)

    def reply(
        self, sampling: Sampling | None = None, cancel: threading.Event | None = None, **overrides: Any
    ) -> TokenStream:
        """Stream the assistant's answer to `messages` as they stand, and append it when it has ended."""
        return self._turn(None, sampling, cancel, overrides)

    @abstractmethod
    def rendered(self) -> tuple[str, list[tuple[int, str]]]:
        """Exactly what the next reply would send: the rendered template, and its tokens as (id, text).

        With when_full="drop_oldest" the turns that would be left out are left out here too.

        Raises:
            ContextTooLong: the next reply would raise it.
            CapabilityMissing: the runtime cannot tell.
        """

    @property
    @abstractmethod
    def context_used(self) -> int:
        """How many tokens the conversation takes up in the model's context, without turns that were dropped."""

    def save(self, path: str | Path) -> Path:
        """Write the conversation as JSON; `Session.load` reads it."""
        state = {
            "format": _FORMAT,
            "version": 1,
            "model": self.model.name,
            "system": self.system,
            "messages": self.messages,
            "sampling": self.sampling.to_dict(),
            "switches": self.switches,
            "when_full": self.when_full,
        }
        return jsons.write(path, state)

    @staticmethod
    def load(path: str | Path, model: Model) -> Session:
        """The conversation in a file that `save` wrote, to go on with `model`.

        Raises:
            InvalidData: the file is not such a file.
        """
        try:
            state = json.loads(Path(path).read_text(encoding="utf-8"))
            if state["format"] != _FORMAT or state["version"] != 1:
                raise ValueError("another format")
            session = model.session(
                state["system"],
                Sampling.from_dict(state["sampling"]),
                state["when_full"],
            )
            session.switches = dict(
                state["switches"]
            )  # of another model's template, perhaps: it ignores them
            if not isinstance(state["system"], str | None):
                raise ValueError("its system prompt is not text")
            session.messages = template.checked(state["messages"]) if state["messages"] else []
        except InvalidSampling:
            raise
        except (
            OSError,
            InfluenceError,
            AttributeError,
            KeyError,
            TypeError,
            ValueError,
            RecursionError,
        ) as error:
            raise InvalidData(
                f"{path} does not hold a saved session: {error}.", "Use a file written by session.save()."
            ) from error
        return session

    def __repr__(self) -> str:
        count = len(self.messages)
        facts = [repr(self.model.name), f"{count} message{'s' if count != 1 else ''}"]
        with suppress(InfluenceError):  # the model is gone, or the messages are none: a repr says what it can
            facts.append(f"{self.context_used:,} tokens used")
        return f"Session({', '.join(facts)})"

    def _turn(
        self,
        said: dict[str, str] | None,
        sampling: Sampling | None,
        cancel: threading.Event | None,
        overrides: Mapping[str, Any],
    ) -> TokenStream:
        self._check_idle()
        sampling = checked(self.sampling if sampling is None else sampling, overrides)
        messages = self.messages if said is None else [*self.messages, said]
        stream = self._answer(messages, sampling, cancel)
        return TokenStream(self._recorded(stream, said), stream.finished)

    @abstractmethod
    def _answer(
        self, messages: Sequence[Mapping[str, str]], sampling: Sampling, cancel: threading.Event | None
    ) -> TokenStream:
        """The stream of an answer to `messages`; sets `prompt_ids` and `dropped`."""

    def _recorded(
        self, stream: TokenStream, said: dict[str, str] | None
    ) -> Generator[TokenEvent, None, None]:
        """The events; the conversation grows by what was said, and by the answer if there was one."""
        self._check_idle()
        with self._busy:
            if said is not None:
                self.messages.append(said)
            try:
                yield from stream
            finally:
                stream.close()
                completion = stream.finished()
                self.completion = completion or self.completion
                broke_off = completion is None or completion.finish_reason in ("cancelled", "failed")
                if completion is not None and (completion.text or not broke_off):
                    self.messages.append({"role": "assistant", "content": completion.text})
                elif said is not None:
                    self.messages[:] = [message for message in self.messages if message is not said]

    def _check_idle(self) -> None:
        if self._busy.locked():
            raise InfluenceError(
                "This session is still answering.",
                "Read its stream to the end, close it, or use another session.",
            )

    def _with_system(self, messages: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
        system = [] if self.system is None else [{"role": "system", "content": self.system}]
        return [*system, *messages]
