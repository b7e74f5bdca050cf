"""`Model`: a loaded model, and everything that can be asked of it.

It knows the network, the tokenizer and the worker thread; it does not know how it was found or loaded, nor who asks.
"""

from __future__ import annotations

import hashlib
import threading
import time
import weakref
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from influence_nb.engine import device as devices
from influence_nb.engine import noise, prompts, registry, template
from influence_nb.engine.completion import Completion, Timings, TokenEvent, TokenStream, Usage
from influence_nb.engine.faults import translated
from influence_nb.engine.loop import Steps, decode
from influence_nb.engine.prefix import PrefixCache
from influence_nb.engine.quiet import quiet
from influence_nb.engine.receipts import Receipt, package_versions
from influence_nb.engine.row import Row
from influence_nb.engine.sampling import Sampling, checked
from influence_nb.engine.session import Session, WhenFull
from influence_nb.engine.worker import Worker
from influence_nb.errors import BrokenModel, CapabilityMissing, ContextTooLong, InfluenceError, InvalidData
from influence_nb.store import records

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from influence_nb.engine.loop import Network
    from influence_nb.store.models import LocalModel


@dataclass
class _Clock:
    """When things happened in one generation, in seconds of `time.perf_counter`."""

    called: float = field(default_factory=time.perf_counter)
    begun: float = 0.0
    first: float = 0.0
    last: float = 0.0

    def tick(self) -> None:
        self.last = time.perf_counter()
        self.first = self.first or self.last


class Model:
    """A model in memory. `influence_nb.load` makes it.

    Attributes:
        name: what it was loaded by.
        device: such as "cpu" or "cuda:0".
        dtype: such as "bfloat16".
        tokenizer: the transformers tokenizer.
        network: the transformers model; None after `unload`.
        forwards: how many forward passes it has run.
        load_seconds: how long loading took.
        weights_size: bytes of its weights in memory.
        memory_peak: the most bytes that it took at once, from before it was loaded until it had run once.
    """

    def __init__(
        self,
        local: LocalModel,
        network: Network,
        tokenizer: PreTrainedTokenizerBase,
        load_seconds: float,
    ) -> None:
        self.local = local
        self.name = local.name
        self.tokenizer = tokenizer
        self.network: Network | None = network
        self.device = str(network.device)
        self.dtype = str(network.dtype).removeprefix("torch.")
        self.load_seconds = load_seconds
        self.weights_size = sum(weight.numel() * weight.element_size() for weight in network.parameters())
        self.memory_peak = self.weights_size
        self.forwards = 0
        self._attention = str(getattr(network.config, "_attn_implementation", "unknown"))
        self._vocabulary = int(network.get_input_embeddings().num_embeddings)
        self._defaults = {k: v for k, v in network.generation_config.to_dict().items() if v is not None}
        self._ends = self._end_ids()
        text_config = network.config.get_text_config()
        self._context: int | None = getattr(text_config, "max_position_embeddings", None)
        self._worker = Worker(f"influence {self.name}")
        self._closing = threading.Event()
        self._prefixes: weakref.WeakSet[PrefixCache] = weakref.WeakSet()
        network.register_forward_pre_hook(self._count)

    # -- generating -----------------------------------------------------------------------------------------------

    def generate(
        self,
        prompt: prompts.Prompt,
        sampling: Sampling | None = None,
        cancel: threading.Event | None = None,
        **overrides: Any,
    ) -> Completion:
        """Generate to the end. Stateless: nothing survives the call. Arguments and errors as `stream`'s."""
        return self.stream(prompt, sampling, cancel, **overrides).completion

    def stream(
        self,
        prompt: prompts.Prompt,
        sampling: Sampling | None = None,
        cancel: threading.Event | None = None,
        **overrides: Any,
    ) -> TokenStream:
        """Generate token by token.

        Args:
            prompt: a str is continued as it stands; a list of messages goes through the chat template; a list of
                ints is taken as token ids.
            sampling: how tokens are chosen; `Sampling()` by default.
            cancel: set it, from any thread, to stop at the next token.
            overrides: single parameters of `sampling`, such as temperature=0.

        Returns:
            An iterator of `TokenEvent`; the last event has a `finish_reason`, and `.completion` is the whole.

        Raises:
            InvalidSampling: an override that is unknown or out of range.
            ContextTooLong: the prompt does not fit the model's context.
            InvalidData: an empty prompt, or ids outside the vocabulary.
            OutOfMemory: no room for the KV cache (raised while streaming).
        """
        sampling = checked(sampling or Sampling(), overrides)
        return self.stream_ids(prompts.ids(prompt, self, self._vocabulary), sampling, cancel)

    def stream_ids(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        cancel: threading.Event | None = None,
        prefix: PrefixCache | None = None,
    ) -> TokenStream:
        """`stream` for token ids, reusing and then refilling `prefix` if there is one."""
        self._loaded()
        if self._context is not None and len(prompt) >= self._context:
            raise ContextTooLong(
                f"The prompt is {len(prompt)} tokens long; {self.name} has a context of {self._context}.",
                "Shorten the prompt: at least one token must be left for the answer.",
            )
        if sampling.seed is None:
            sampling = sampling.replace(seed=noise.draw_seed())
        room = None if self._context is None else self._context - len(prompt)
        row = Row(prompt, sampling, self.tokenizer, self._ends, room)
        stop = threading.Event()
        clock = _Clock()
        cached = [0]

        def cancelled() -> bool:
            return stop.is_set() or self._closing.is_set() or (cancel is not None and cancel.is_set())

        def job() -> Iterator[TokenEvent]:
            clock.begun = time.perf_counter()
            with quiet(), translated("generating", InfluenceError, "The model is still loaded: try again."):
                cache, cached[0] = prefix.take(prompt) if prefix is not None else (None, 0)
                steps = Steps(self._loaded(), [prompt], cache)
                del cache
                for _, event in decode(steps, [row], self._ends, cancelled):
                    clock.tick()
                    yield event
                if prefix is not None and not self._closing.is_set():
                    fed = [*prompt, *(event.id for event in row.events if event.id is not None)][: steps.fed]
                    prefix.keep(fed, steps.cache)

        def events() -> Generator[TokenEvent, None, None]:
            clock.called = time.perf_counter()
            self._loaded()
            running = self._worker.run(job)
            try:
                for event in running:  # noqa: UP028 - `yield from` would close `running` with us
                    yield event
            finally:
                stop.set()
                for _ in running:  # until the worker has seen it
                    pass

        done: list[Completion] = []

        def finished() -> Completion | None:
            if not done and row.finish_reason is not None:
                done.append(self._completion(row, clock, cached[0]))
            return done[0] if done else None

        return TokenStream(events(), finished)

    def session(
        self,
        system: str | None = None,
        sampling: Sampling | None = None,
        when_full: WhenFull = "stop",
        switches: Mapping[str, bool] | None = None,
    ) -> Session:
        """A conversation that keeps its KV cache between turns.

        Raises:
            CapabilityMissing: the model has no chat template.
        """
        if not self.tokenizer.chat_template:
            raise CapabilityMissing(
                f"{self.name} has no chat template, so it cannot hold a conversation.",
                "Load a chat or instruct model, or continue plain text with model.generate('Once upon a time').",
            )
        return Session(self, system, sampling, when_full, switches)

    # -- text and tokens ------------------------------------------------------------------------------------------

    def encode(self, text: str, special: bool = True) -> list[int]:
        """The token ids of `text`, with the tokenizer's own special tokens unless `special` is False."""
        try:
            ids: list[int] = self.tokenizer(text, add_special_tokens=special)["input_ids"]
        except (
            TypeError,
            ValueError,
        ) as error:  # how tokenizers say it of lone surrogates, and of what is no str
            raise InvalidData(
                "This is not text that can be encoded.", "Give a str of whole characters."
            ) from error
        return ids

    def decode(self, ids: Sequence[int], special: bool = False) -> str:
        """The text of token ids; special tokens are shown if `special`."""
        text = self.tokenizer.decode(
            list(ids), skip_special_tokens=not special, clean_up_tokenization_spaces=False
        )
        assert isinstance(text, str)
        return text

    def render(
        self, messages: Sequence[Mapping[str, str]], switches: Mapping[str, bool] | None = None
    ) -> str:
        """The text that the chat template makes of `messages`; errors as `engine.template.render`'s."""
        return template.render(self.tokenizer, messages, switches)

    def template_switches(self) -> dict[str, bool]:
        """The chat template's on/off variables, such as enable_thinking, and what each is when not set."""
        return template.switches(self.tokenizer)

    # -- facts ----------------------------------------------------------------------------------------------------

    @property
    def context_length(self) -> int | None:
        """How many tokens prompt and answer may have together; None where the architecture sets no limit."""
        return self._context

    def generation_defaults(self) -> dict[str, Any]:
        """The checkpoint's own generation config: {name: value}, without those it leaves open."""
        return dict(self._defaults)

    def report(self) -> dict[str, Any]:
        """What is loaded and how: plain values by name; memory in bytes, time in seconds."""
        used, total = devices.memory(self.device)
        return {
            "name": self.name,
            "architecture": self.local.architecture,
            "parameters": self.local.parameters,
            "weights": self._weight_bytes,
            "device": self.device,
            "dtype": self.dtype,
            "attention": self._attention,
            "context_length": self._context,
            "load_seconds": self.load_seconds,
            "memory_used": used,
            "memory_total": total,
        }

    @cached_property
    def _weight_bytes(self) -> int:
        return sum(tensor.nbytes for tensor in self._loaded().parameters())

    # -- life -----------------------------------------------------------------------------------------------------

    def new_prefix(self) -> PrefixCache:
        """A holder for a KV cache, which `unload` empties."""
        prefix = PrefixCache()
        self._prefixes.add(prefix)
        return prefix

    def answers_to(self, local: LocalModel, device: str, dtype: str) -> bool:
        """Whether loading `local` so would only make a second copy of this model."""
        same = (self.local.path, self.local.revision) == (local.path, local.revision)
        return (
            same
            and device in ("auto", self.device, self.device.partition(":")[0])
            and dtype in ("auto", self.dtype)
        )

    @property
    def is_loaded(self) -> bool:
        """False once `unload` was called."""
        return self.network is not None

    def unload(self) -> None:
        """Stop what is running and give the memory back. Calling it again does nothing."""
        self._closing.set()
        registry.remove(self)
        self._worker.close()
        for prefix in list(self._prefixes):
            prefix.clear()
        self.network = None
        devices.give_back()
        registry.tell()

    def __repr__(self) -> str:
        state = f"{self.device}, {self.dtype}" if self.is_loaded else "unloaded"
        return f"Model({self.name!r}, {state})"

    # -- inside ---------------------------------------------------------------------------------------------------

    def _loaded(self) -> Network:
        if self.network is None:
            raise CapabilityMissing(f"{self.name} was unloaded.", f"Load it again: inb.load({self.name!r}).")
        return self.network

    def _count(self, *_: object) -> None:
        self.forwards += 1

    def _end_ids(self) -> frozenset[int]:
        """What ends a turn: the generation config's tokens and the chat template's; else the tokenizer's."""
        said = self._defaults.get("eos_token_id")
        ends = set(said if isinstance(said, list) else [said] if said is not None else [])
        if odd := [end for end in ends if not isinstance(end, int)]:
            raise BrokenModel(
                f"{self.name} names {odd[0]!r} as an end of its turns, which is no token's id.",
                "Look at eos_token_id in its generation_config.json and config.json.",
            )
        ends |= template.end_of_turn(self.tokenizer)
        if not ends and self.tokenizer.eos_token_id is not None:
            ends = {self.tokenizer.eos_token_id}
        return frozenset(ends)

    def _completion(self, row: Row, clock: _Clock, cached: int) -> Completion:
        made = len(row.events)
        decoding = clock.last - clock.first
        timings = Timings(
            load=self.load_seconds,
            prefill=max(clock.first - clock.begun, 0.0),
            first_token=max(clock.first - clock.called, 0.0),
            total=clock.last - clock.called,
            tokens_per_second=(made - 1) / decoding if made > 1 and decoding > 0 else 0.0,
        )
        usage = Usage(len(row.prompt), made, cached)
        receipts: list[Receipt] = []

        def receipt() -> Receipt:
            if not receipts:
                receipts.append(self._receipt(row))
            return receipts[0]

        assert row.finish_reason is not None
        return Completion(row.text, tuple(row.events), row.finish_reason, usage, timings, receipt)

    def _receipt(self, row: Row) -> Receipt:
        chat_template = self.tokenizer.chat_template
        return Receipt(
            model=self.name,
            revision=self.local.revision,
            files=records.hashes(Path(self.local.path)),
            template_sha256=hashlib.sha256(str(chat_template).encode()).hexdigest()
            if chat_template
            else None,
            prompt_ids=tuple(row.prompt),
            sampling=row.sampling.to_dict(),
            seed=row.sampling.seed or 0,
            dtype=self.dtype,
            quantization=self.local.quantization,
            device=self.device,
            attention=self._attention,
            batch_shape=(1, len(row.prompt)),
            runtime="transformers",
            versions=package_versions(),
            output_ids=tuple(event.id for event in row.events if event.id is not None),
        )
