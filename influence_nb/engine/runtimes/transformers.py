"""Models run by transformers, in the decoding loop of our own: everything that a `Model` can do.

It knows the network, the tokenizer and the worker thread; it does not know how it was found or loaded, nor who asks.
"""

from __future__ import annotations

import sys
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from influence_nb.arguments import whole
from influence_nb.engine import device as devices
from influence_nb.engine import groups, keeping, noise, prompts, template, weigh
from influence_nb.engine.abilities import Together, goes_on, together
from influence_nb.engine.batch import Outcome, Request
from influence_nb.engine.completion import Completion, Origin, TokenEvent, TokenStream, Usage
from influence_nb.engine.configs import completed
from influence_nb.engine.faults import translated
from influence_nb.engine.fitting import with_what_fits
from influence_nb.engine.grammar import Grammars
from influence_nb.engine.loop import SHORT, Steps, decode
from influence_nb.engine.prefix import PrefixCache
from influence_nb.engine.prompts import Prompt
from influence_nb.engine.quality import report as reported
from influence_nb.engine.quiet import quiet
from influence_nb.engine.receipts import package_versions, promised
from influence_nb.engine.replay import margin
from influence_nb.engine.row import Row
from influence_nb.engine.runtimes.with_tokenizer import WithTokenizer
from influence_nb.engine.sampling import Sampling
from influence_nb.engine.score import OnTokens, TokenScores, score
from influence_nb.engine.trace import OnTraced, Trace, Traces
from influence_nb.engine.worker import Worker
from influence_nb.engine.xray import Xray, chosen
from influence_nb.errors import ContextTooLong, InfluenceError, OutOfMemory
from influence_nb.memory import ModelShape
from influence_nb.store.heads import read_heads

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from influence_nb.engine.loop import Network
    from influence_nb.store.models import LocalModel


T = TypeVar("T")


class TransformersModel(WithTokenizer):
    """A model in this process's memory, or its GPU's.

    Attributes:
        network: the transformers model; None after `unload`.
        weights_size: bytes of its weights in memory.
        attention: the kernel that attention runs with, such as "sdpa".
        ends: the ids that end a turn.
    """

    runtime = "transformers"
    local: LocalModel

    def __init__(
        self,
        local: LocalModel,
        network: Network,
        tokenizer: PreTrainedTokenizerBase,
        load_seconds: float,
        quantization: str | None = None,
    ) -> None:
        super().__init__(local.name, local, str(network.device), str(network.dtype).removeprefix("torch."))
        self.tokenizer = tokenizer
        self.network: Network | None = network
        self.load_seconds = load_seconds
        self.quantization = quantization or local.quantization
        spread = getattr(network, "hf_device_map", None) or {}
        self.devices = tuple(dict.fromkeys([self.device, *(devices.name(one) for one in spread.values())]))
        self.weights_size = weigh.weights(network)
        self.memory_peak = self.weights_size
        self.attention = str(getattr(network.config, "_attn_implementation", "unknown"))
        self.vocabulary_size = int(network.get_input_embeddings().num_embeddings)
        self._defaults = {k: v for k, v in network.generation_config.to_dict().items() if v is not None}
        self.ends = template.ends(tokenizer, self._defaults.get("eos_token_id"), self.name)
        text_config = network.config.get_text_config()
        self._context: int | None = getattr(text_config, "max_position_embeddings", None)
        self._worker = Worker(f"influence {self.name}")
        self._prefixes: weakref.WeakSet[PrefixCache] = weakref.WeakSet()
        self._together: Together | None = None
        self._goes_on: bool | None = None
        self._traces = Traces()
        network.register_forward_pre_hook(self._count)

    # -- generating -----------------------------------------------------------------------------------------------

    def stream_ids(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        cancel: threading.Event | None = None,
        prefix: PrefixCache | None = None,
    ) -> TokenStream:
        """See `TokenModel`."""
        self.loaded()
        return self._streamed(self.row(prompt, sampling), cancel, prefix)

    def branch(
        self,
        prompt: Sequence[int],
        begun: Sequence[TokenEvent],
        token: int,
        sampling: Sampling,
        cancel: threading.Event | None = None,
    ) -> TokenStream:
        """See `TokenModel`."""
        self.loaded()
        self.check_request(sampling, cancel)
        return self._streamed(self.row(prompt, sampling, begun=begun, forced=token), cancel)

    def _streamed(
        self, row: Row, cancel: threading.Event | None, prefix: PrefixCache | None = None
    ) -> TokenStream:
        def events() -> Generator[TokenEvent, None, None]:
            row.clock.called = time.perf_counter()
            with closing(self.decoded([row], cancel, prefix)) as running:
                for _, event in running:
                    yield event

        return TokenStream(events(), lambda: self.completion(row) if row.finish_reason else None)

    def row(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        cancel: threading.Event | None = None,
        top: int = 0,
        begun: Sequence[TokenEvent] = (),
        forced: int | None = None,
    ) -> Row:
        """A text to be made, with a seed if it had none; `cancel`, `top`, `begun` and `forced` as in `Row`.

        Raises:
            ContextTooLong: the prompt leaves no room for a token.
            InvalidSampling: its grammar is no schema that can be followed.
        """
        length = len(prompt) + len(begun)
        if self._context is not None and length >= self._context:
            raise ContextTooLong(
                f"The prompt is {length} tokens long; {self.name} has a context of {self._context}.",
                "Shorten the prompt: at least one token must be left for the answer.",
            )
        if sampling.seed is None:
            sampling = sampling.replace(seed=noise.draw_seed())
        room = None if self._context is None else self._context - len(prompt)
        guide = None if sampling.grammar is None else self._grammars.guide(sampling.grammar)
        return Row(prompt, sampling, self.tokenizer, self.ends, room, cancel, top, guide, begun, forced)

    @cached_property
    def _grammars(self) -> Grammars:
        return Grammars(self.tokenizer, self.vocabulary_size)

    def decoded(
        self, rows: Sequence[Row], cancel: threading.Event | None = None, prefix: PrefixCache | None = None
    ) -> Generator[tuple[Row, TokenEvent], None, None]:
        """Run rows together, on the worker thread when its turn comes; closing the generator stops them.

        Args:
            rows: whose lengths may stand beside each other (`together`).
            prefix: a cache for the beginning of a single row, filled again afterwards.
        """

        def job(stopped: Callable[[], bool]) -> Iterator[tuple[Row, TokenEvent]]:
            for row in rows:
                row.clock.begin()
            cache, cached, at_once = None, 0, True
            if prefix or max(len(row.prompt) for row in rows) > SHORT:
                at_once = self.goes_on()
            if prefix is not None:
                cache, cached = prefix.take(rows[0].prompt, at_once)
            copies = self._together is not None and self._together.copies
            steps = Steps(self.loaded(), [row.so_far for row in rows], cache, cached, at_once, copies)
            del cache
            for row in rows:
                row.batch_shape, row.cached = steps.shape, cached
            yield from decode(steps, rows, self.ends, stopped)
            if prefix is not None and steps.fed and not self._closing.is_set():
                made = (event.id for event in rows[0].events if event.id is not None)
                prefix.keep([*rows[0].prompt, *made][: steps.fed], steps.cache)

        try:
            yield from self.on_worker(job, "generating", cancel)
        except OutOfMemory as error:
            devices.give_back()
            if len(rows) == 1:
                context = len(rows[0].prompt) + rows[0].limit
                raise with_what_fits(
                    error, self, "auto", "auto", self.quantization, context
                ) from error.__cause__
            raise

    def on_worker(
        self,
        job: Callable[[Callable[[], bool]], Iterator[T]],
        doing: str,
        cancel: threading.Event | None = None,
    ) -> Generator[T, None, None]:
        """Run `job` on the worker thread when its turn comes; closing the generator stops it.

        Args:
            job: is given a function that says whether it is to stop.
            doing: what it does, as it stands after "While ".
            cancel: stops it too, and so does `unload`.
        """
        stop = threading.Event()
        use = ExitStack()  # from now until the job has ended, whether or not somebody reads to the end

        def stopped() -> bool:
            return stop.is_set() or self._closing.is_set() or (cancel is not None and cancel.is_set())

        def work() -> Iterator[T]:
            with use, quiet(), translated(doing, InfluenceError, "The model is still loaded: try again."):
                yield from job(stopped)

        self.loaded()
        use.enter_context(keeping.in_use(self))
        try:
            running = self._worker.run(work)
        except BaseException:
            use.close()
            raise
        try:
            yield from running
        finally:
            stop.set()
            running.wait()  # until the worker has seen it

    def _batch(
        self, requests: Sequence[Request], cancel: threading.Event | None
    ) -> Generator[tuple[int, Outcome], None, None]:
        self.loaded()
        return groups.run(self, requests, cancel)

    def together(self) -> Together:
        """Which rows this network can run in one batch; tried once."""
        if self._together is None:
            passes = self.forwards
            [self._together] = self.on_worker(lambda _: iter([together(self.loaded())]), "trying a batch")
            self.forwards = passes
        return self._together

    def goes_on(self) -> bool:
        """Whether its caches take several tokens at once; tried once, on the worker thread that asks."""
        if self._goes_on is None:
            passes = self.forwards
            self._goes_on = goes_on(self.loaded())
            self.forwards = passes  # what is tried generates nothing
        return self._goes_on

    def score(
        self,
        prompt: Prompt,
        window: int | None = None,
        stride: int | None = None,
        cancel: threading.Event | None = None,
        on_progress: OnTokens | None = None,
        top: int = 0,
    ) -> TokenScores:
        """See `Model`."""
        self.loaded()
        return score(self, prompt, window, stride, cancel, on_progress, top)

    def xray(
        self,
        prompt: Prompt,
        sampling: Sampling | None = None,
        steps: int = 1,
        cancel: threading.Event | None = None,
        on_place: OnTraced | None = None,
        **overrides: Any,
    ) -> Xray:
        """See `Model`."""
        sampling = chosen(sampling, overrides)
        self.check_request(sampling, cancel)
        steps = whole("steps", steps, 1)
        found = self._traces.drawn(self, prompts.ids(prompt, self), sampling, steps, cancel, on_place)
        return Xray(found, found.sampling)

    def traced(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        output: Sequence[int],
        cancel: threading.Event | None = None,
        on_place: OnTraced | None = None,
    ) -> Trace:
        """The logits that `output` was drawn from; those of the last text that was asked about are kept."""
        self.loaded()
        return self._traces.of(self, prompt, sampling, output, cancel, on_place)

    def margin(
        self, prompt: Sequence[int], before: Sequence[int], sampling: Sampling, chosen: int, other: int
    ) -> float | None:
        """See `TokenModel`."""
        if sampling.grammar is not None:
            return None
        return margin(self, prompt, before, sampling, chosen, other, self.ends)

    # -- facts ----------------------------------------------------------------------------------------------------

    @property
    def context_length(self) -> int | None:
        """See `TokenModel`."""
        return self._context

    def generation_defaults(self) -> dict[str, Any]:
        """See `TokenModel`."""
        return dict(self._defaults)

    def report(self, text: str | None = None, quality: bool = False) -> dict[str, Any]:
        """See `Model`."""
        return reported(self, text, quality)

    @cached_property
    def shape(self) -> ModelShape | None:
        """What decides how much memory it takes; None where its files no longer say."""
        try:
            return read_heads(Path(self.local.path)).shape(completed)
        except InfluenceError:
            return None

    # -- life -----------------------------------------------------------------------------------------------------

    def new_prefix(self) -> PrefixCache:
        """See `TokenModel`."""
        prefix = PrefixCache()
        self._prefixes.add(prefix)
        return prefix

    @property
    def is_loaded(self) -> bool:
        """See `TokenModel`."""
        return self.network is not None

    @property
    def memory(self) -> int:
        """See `Model`."""
        return (
            self.weights_size + sum(prefix.size for prefix in list(self._prefixes)) if self.is_loaded else 0
        )

    def _give_back(self) -> None:
        self._worker.close()
        for prefix in list(self._prefixes):
            prefix.clear()
        self._traces.forget()
        self.network = None
        devices.give_back()

    def __del__(self) -> None:
        """Whoever holds an unloaded model may still decode; once nobody does, what the tokenizer took goes too."""
        vars(self).pop("tokenizer", None)
        if not sys.is_finalizing():
            devices.trim()

    # -- inside ---------------------------------------------------------------------------------------------------

    def loaded(self) -> Network:
        """The network.

        Raises:
            CapabilityMissing: the model was unloaded.
        """
        if self.network is None:
            raise self.unloaded()
        return self.network

    def _count(self, *_: object) -> None:
        self.forwards += 1

    def completion(self, row: Row) -> Completion:
        """The whole of a row that has finished."""
        made = len(row.events)
        timings = row.clock.timings(self.load_seconds, made - max(row.given - 1, 0))
        usage = Usage(len(row.prompt), made, row.cached)
        ids, versions = row.ids, package_versions()
        receipt = promised(
            lambda: replace(
                self.receipt(row.prompt, row.sampling, ids, row.batch_shape, self.attention, versions),
                given=row.given,
            )
        )
        assert row.finish_reason is not None
        origin = Origin(self, row.prompt, row.sampling)
        return Completion(row.text, tuple(row.events), row.finish_reason, usage, timings, receipt, origin)
