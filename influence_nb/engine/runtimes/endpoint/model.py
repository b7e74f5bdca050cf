"""Models on a server, as a `Model` like any other.

It knows requests and their answers; it does not know how a server was found, nor who asks.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from influence_nb.arguments import expect_event
from influence_nb.engine import keeping, noise, prompts, template
from influence_nb.engine.batch import Outcome, Request
from influence_nb.engine.clock import Clock
from influence_nb.engine.completion import Completion, FinishReason, TokenEvent, TokenStream, Usage
from influence_nb.engine.model import Model
from influence_nb.engine.quality import wanted
from influence_nb.engine.receipts import Receipt, promised, versions_of
from influence_nb.engine.runtimes.endpoint import kinds
from influence_nb.engine.runtimes.endpoint.parallel import side_by_side
from influence_nb.engine.runtimes.endpoint.refusals import error_of, named
from influence_nb.engine.runtimes.endpoint.reply import Reply
from influence_nb.engine.runtimes.endpoint.session import EndpointSession
from influence_nb.engine.runtimes.endpoint.wire import Answered, Exchange
from influence_nb.engine.sampling import Sampling, checked
from influence_nb.engine.session import WhenFull
from influence_nb.errors import CapabilityMissing, ContextTooLong, EndpointError, InvalidData

if TYPE_CHECKING:
    from influence_nb.engine.runtimes.endpoint.address import Address
    from influence_nb.engine.runtimes.endpoint.discovery import Served

Shorter = Callable[[], dict[str, Any] | None]
"""A shorter prompt's fields where one was too long; None where it cannot be shortened."""

LINGER = 2.0
"""Seconds that are waited for the server's count of tokens, and the end of the stream, after the end of the answer."""
_CAN_DO_WITHOUT = ("stream_options", "logprobs")


class EndpointModel(Model):
    """A model that a server runs.

    An event of its streams is a token as far as the server tells tokens apart, else the piece of text that it sent at
    once; every stream ends with a closing event. `device` is the server's name and port.

    Attributes:
        address: the server's.
        served: what is known of the model there.
    """

    runtime = "endpoint"

    def __init__(self, address: Address, served: Served, load_seconds: float = 0.0) -> None:
        super().__init__(served.name, None, address.host, "")
        self.address = address
        self.served = served
        self.arguments["endpoint"] = address.url
        self.load_seconds = load_seconds
        self._refused: set[str] = set()  # fields that the server does not know, and that can be done without
        self._running: weakref.WeakSet[Exchange] = weakref.WeakSet()

    # -- generating -----------------------------------------------------------------------------------------------

    def stream(
        self,
        prompt: prompts.Prompt,
        sampling: Sampling | None = None,
        cancel: threading.Event | None = None,
        **overrides: Any,
    ) -> TokenStream:
        """See `Model`. A text goes to the server's /completions, messages to its /chat/completions.

        Raises:
            InvalidSampling: also a parameter that this kind of server does not take.
            CapabilityMissing: the server has no /completions (raised while streaming), or takes no token ids.
            EndpointError: the server failed (raised while streaming); `.completion` is what came before.
        """
        sampling = checked(sampling, overrides)
        kind, given = prompts.sorted_out(prompt)
        if not given:
            raise InvalidData(
                "The prompt is empty.", "Give at least one character, one message or one token id."
            )
        if kind == "messages":
            return self.stream_messages(given, sampling, cancel)
        if kind == "ids":
            self._check_ids(given)
        else:
            check_text(given)
        return self._stream(
            "/completions", {"prompt": given}, sampling, cancel, given if kind == "ids" else ()
        )

    def stream_messages(
        self,
        messages: Sequence[Mapping[str, str]],
        sampling: Sampling,
        cancel: threading.Event | None = None,
        switches: Mapping[str, bool] | None = None,
        shorter: Shorter = lambda: None,
    ) -> TokenStream:
        """`stream` for messages. `shorter` is asked for others where the server finds these too long."""
        said = template.checked(messages)
        for message in said:
            check_text(message["content"])
            check_text(message["role"])
        given: dict[str, Any] = {"messages": said}
        if switches:
            if not self.served.kind.switches:
                raise CapabilityMissing(
                    f"{self.address.host} ({self.served.kind.name}) takes no switches for its chat template.",
                    "Leave them out.",
                )
            given["chat_template_kwargs"] = dict(switches)
        return self._stream("/chat/completions", given, sampling, cancel, (), shorter)

    def _batch(
        self, requests: Sequence[Request], cancel: threading.Event | None
    ) -> Generator[tuple[int, Outcome], None, None]:
        return side_by_side(self, requests, cancel)

    def session(
        self,
        system: str | None = None,
        sampling: Sampling | None = None,
        when_full: WhenFull = "stop",
        switches: Mapping[str, bool] | None = None,
    ) -> EndpointSession:
        """See `Model`. What of the conversation is kept in a cache is the server's business."""
        self._check_loaded()
        return EndpointSession(self, system, sampling, when_full, switches)

    # -- facts ----------------------------------------------------------------------------------------------------

    @property
    def context_length(self) -> int | None:
        """See `Model`."""
        return self.served.context_length

    def report(self, text: str | None = None, quality: bool = False) -> dict[str, Any]:
        """See `Model`; None for what the server does not tell.

        Raises:
            CapabilityMissing: quality was asked for, which takes scores that servers do not give.
        """
        if wanted(text, quality):
            self._lacks("measure quality")
        return {
            "name": self.name,
            "runtime": self.runtime,
            "endpoint": self.address.url,
            "server": self.served.kind.name,
            "version": self.served.version,
            "parameters": self.served.parameters,
            "device": self.device,
            "context_length": self.context_length,
            "load_seconds": self.load_seconds,
        }

    def tells_logprobs(self, sampling: Sampling) -> bool:
        """Whether logprobs that the server gives for this sampling are known to be the model's own.

        Raises:
            InvalidSampling: a parameter was asked for that this kind of server does not take.
        """
        return self.served.kind.raw_logprobs or kinds.draws_raw(self.served.kind.in_force(sampling))

    def is_at(self, address: Address, name: str) -> bool:
        """Whether it is the model of that name on that server, asked with the same key."""
        return self.address == address and name == self.name

    # -- life -----------------------------------------------------------------------------------------------------

    @property
    def is_loaded(self) -> bool:
        """See `Model`."""
        return not self._closing.is_set()

    def _give_back(self) -> None:
        for exchange in list(self._running):
            exchange.close()

    def __repr__(self) -> str:
        return f"Model({self.name!r}, {self.address.url if self.is_loaded else 'unloaded'})"

    # -- inside ---------------------------------------------------------------------------------------------------

    def _check_ids(self, ids: Sequence[int]) -> None:
        if not self.served.kind.ids:
            raise CapabilityMissing(
                f"{self.address.host} ({self.served.kind.name}) takes no token ids.", "Give it text."
            )
        if odd := [token for token in ids if token < 0]:
            raise InvalidData(f"Token id {odd[0]} is outside the vocabulary.", "Ids go from 0.")

    def _stream(
        self,
        path: str,
        given: Mapping[str, Any],
        sampling: Sampling,
        cancel: threading.Event | None,
        ids: Sequence[int],
        shorter: Shorter = lambda: None,
    ) -> TokenStream:
        expect_event(cancel)
        self._check_loaded()
        drawn = sampling.seed is None
        kind = self.served.kind
        sampling = kind.in_force(sampling.replace(seed=noise.draw_seed()) if drawn else sampling)
        drawn_raw = kinds.draws_raw(sampling)
        raw = kind.raw_logprobs or drawn_raw
        reply = Reply(self.address, sampling.stop, raw, drawn_raw, sampling.temperature == 0)
        optional = {*_CAN_DO_WITHOUT, *(["seed"] if drawn else [])}
        body = {
            "model": self.name,
            "stream": True,
            "stream_options": {"include_usage": True},
            **({"logprobs": True if path == "/chat/completions" else 1} if raw else {}),
            **kind.fields(sampling),
            **given,
        }
        clock = Clock()

        def cancelled() -> bool:
            return self._closing.is_set() or (cancel is not None and cancel.is_set())

        def events() -> Generator[TokenEvent, None, None]:
            clock.called = time.perf_counter()
            clock.begin()
            try:
                with keeping.in_use(self):
                    yield from self._answer(path, body, optional, shorter, reply, clock, cancelled)
            except EndpointError as error:
                reply.close("failed")
                if reply.events:
                    error.completion = finished()
                    error.message = f"The answer stopped after {_tokens(len(reply.events))}. {error.message}"
                    error.args = (error.message, error.hint)
                raise
            except (GeneratorExit, KeyboardInterrupt):
                if reply.finish_reason is None:
                    reply.close("cancelled")
                raise

        def finished() -> Completion | None:
            reason = reply.finish_reason
            if reason is None or (reason == "failed" and not reply.events):
                return None
            return self._completion(reply, reason, sampling, clock, ids)

        return TokenStream(events(), finished)

    def _answer(
        self,
        path: str,
        body: dict[str, Any],
        optional: set[str],
        shorter: Shorter,
        reply: Reply,
        clock: Clock,
        cancelled: Callable[[], bool],
    ) -> Generator[TokenEvent, None, None]:
        def enough() -> bool:
            lingers = reply.ended and time.perf_counter() - clock.last > LINGER
            return lingers or cancelled()

        self._check_loaded()
        while not cancelled():
            for name in self._refused & optional:
                body.pop(name, None)
            exchange = Exchange(self.address, self.address.url + path, body)
            self._running.add(exchange)
            try:
                with closing(exchange), closing(exchange.items(enough)) as items:
                    for data in items:
                        for event in reply.take(data):
                            clock.tick()
                            yield event
                        if reply.whole:
                            break
            except Answered as answered:
                if not_known := named(answered, optional & body.keys()):
                    self._refused |= not_known
                    continue
                error = error_of(answered, self.address, self.name, path)
                less = shorter() if isinstance(error, ContextTooLong) else None
                if less is None:
                    raise error from None
                body.update(less)
                continue
            except EndpointError:
                if not reply.ended:  # else only the end of the connection was missing
                    raise
            break
        yield reply.end(cancelled())

    def _completion(
        self, reply: Reply, reason: FinishReason, sampling: Sampling, clock: Clock, ids: Sequence[int]
    ) -> Completion:
        usage = reply.usage or Usage(len(ids) or None, len(reply.events))
        timings = clock.timings(self.load_seconds, usage.completion_tokens)
        output = tuple(event.id for event in reply.events if event.id is not None)
        version = {self.served.kind.name: self.served.version} if self.served.version else {}
        receipt = Receipt(
            model=self.name,
            revision=None,
            files={},
            template_sha256=None,
            prompt_ids=tuple(ids),
            sampling=sampling.to_dict(),
            seed=None if "seed" in self._refused else sampling.seed,
            dtype="",
            quantization=None,
            device=self.device,
            attention="",
            batch_shape=None,
            runtime=self.runtime,
            versions={**versions_of("python", "influence_nb"), **version},
            output_ids=output if len(output) == len(reply.events) else (),
            endpoint=self.address.url,
        )
        return Completion(reply.text, tuple(reply.events), reason, usage, timings, promised(lambda: receipt))


def check_text(text: str) -> None:
    """Refuse half a character, which no server could be sent.

    Raises:
        InvalidData: there is a lone surrogate in the text.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidData(
            "This is not text that can be encoded.", "Give a str of whole characters."
        ) from error


def _tokens(count: int) -> str:
    return f"{count} token{'s' if count != 1 else ''}"
