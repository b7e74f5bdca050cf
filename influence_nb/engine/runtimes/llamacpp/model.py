"""A model in a GGUF file that llama.cpp runs, as a `Model` like any other.

It knows requests and their answers; it does not know how the file was found or opened, nor who asks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from influence_nb.engine import device as devices
from influence_nb.engine import keeping, noise, template
from influence_nb.engine.completion import Completion, TokenEvent, TokenStream, Usage
from influence_nb.engine.prefix import PrefixCache
from influence_nb.engine.quality import wanted
from influence_nb.engine.receipts import promised, versions_of
from influence_nb.engine.runtimes.llamacpp import mapping
from influence_nb.engine.runtimes.llamacpp.answer import Answer
from influence_nb.engine.runtimes.llamacpp.library import PACKAGE, Failure, Library, installed
from influence_nb.engine.runtimes.llamacpp.words import Words
from influence_nb.engine.sampling import Sampling
from influence_nb.engine.token_model import TokenModel
from influence_nb.errors import ContextTooLong, InfluenceError, InvalidSampling

if TYPE_CHECKING:
    from influence_nb.store.models import LocalModel

_EXTRAS = {"n_probs": 1, "return_progress": True, "timings_per_token": True}
"""The id and logprob of each token, how far the prompt is, and how many tokens there are."""


class LlamaCppModel(TokenModel):
    """A model that llama.cpp runs in this process.

    Tokens are drawn by llama.cpp: its seed is not the noise that other runtimes share, so the same seed gives the same
    text here and another one there. Every stream ends with a closing event. A `logprob_sampled` is known only where
    nothing is drawn (temperature 0) or where sampling leaves the model's own probabilities as they are.

    Attributes:
        library: the open file; None after `unload`.
        words: its tokenizer.
        threads: of the CPU.
    """

    runtime = "llama.cpp"
    local: LocalModel

    def __init__(
        self, local: LocalModel, library: Library, words: Words, context: int, device: str, threads: int
    ) -> None:
        super().__init__(local.name, local, device, local.quantization or "")
        self.library: Library | None = library
        self.words = words
        self.vocabulary_size = words.size
        self.threads = threads
        self.quantization = local.quantization
        self._context = context

    # -- generating -----------------------------------------------------------------------------------------------

    def stream_ids(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        cancel: threading.Event | None = None,
        prefix: PrefixCache | None = None,
    ) -> TokenStream:
        """See `TokenModel`. With a `prefix` llama.cpp keeps and reuses its own cache; without one it does not."""
        self.loaded()
        room = self._context - len(prompt)
        if room < 1:
            raise ContextTooLong(
                f"The prompt is {len(prompt)} tokens long; {self.name} has a context of {self._context}.",
                "Shorten the prompt: at least one token must be left for the answer.",
            )
        if sampling.seed is None:
            sampling = sampling.replace(seed=noise.draw_seed())
        fields = {
            **mapping.fields(sampling, prompt, self._context),
            **_EXTRAS,
            "cache_prompt": prefix is not None,
        }
        self._check_some_left(sampling)
        answer = Answer(sampling, self.words.split)
        limit = min(sampling.max_new_tokens, room)

        def stopped() -> bool:
            return self._closing.is_set() or (cancel is not None and cancel.is_set())

        def events() -> Generator[TokenEvent, None, None]:
            answer.clock.called = time.perf_counter()
            answer.clock.begin()
            try:
                with keeping.in_use(self):
                    yield from self._answer(
                        answer, self._requests(fields, prompt, sampling, limit, answer), sampling, stopped
                    )
            except Failure as failure:
                raise self._error(failure, len(prompt)) from failure
            except (GeneratorExit, KeyboardInterrupt):
                if answer.finish_reason is None:
                    answer.close(cancelled=True)
                raise

        return TokenStream(
            events(), lambda: self._completion(answer, prompt, sampling) if answer.finish_reason else None
        )

    def _answer(
        self,
        answer: Answer,
        requests: Iterator[dict[str, Any]],
        sampling: Sampling,
        stopped: Callable[[], bool],
    ) -> Iterator[TokenEvent]:
        for request in requests:
            made = len(answer.events)
            with closing(self.loaded().chunks(request, stopped)) as chunks:
                for chunk in chunks:
                    self.forwards += 1
                    yield from answer.take(chunk, made)
                    if answer.finish_reason is not None:
                        return
                    if request["ignore_eos"] and len(answer.events) >= sampling.min_new_tokens:
                        break
            if stopped():
                break
        yield answer.close(stopped())

    def _requests(
        self, fields: dict[str, Any], prompt: Sequence[int], sampling: Sampling, limit: int, answer: Answer
    ) -> Iterator[dict[str, Any]]:
        """One request; with `min_new_tokens` two: one that may not end the turn, and one that goes on from there."""
        if mapping.forbids_end(sampling):
            yield {**fields, "prompt": list(prompt), "max_tokens": limit, "ignore_eos": True}
            if len(answer.events) >= limit:
                return
        made = answer.ids if answer.ids is not None else self.encode(answer.text, special=False)
        yield {
            **fields,
            "prompt": [*prompt, *made],
            "max_tokens": limit - len(answer.events),
            "ignore_eos": False,
            "seed": mapping.seed(fields["seed"] + len(made)),
        }

    def _check_some_left(self, sampling: Sampling) -> None:
        """llama.cpp would draw from nothing."""
        if "logit_bias" not in sampling.order:
            return
        banned = sum(amount == float("-inf") for amount in sampling.logit_bias.values())
        if banned >= self.vocabulary_size - 1:
            raise InvalidSampling("The sampling parameters leave no token to draw.", "Loosen logit_bias.")

    def _error(self, failure: Failure, prompt: int) -> InfluenceError:
        if failure.kind == "exceed_context_size_error":
            return ContextTooLong(
                f"The prompt is {prompt} tokens long; {self.name} has a context of {self._context}.",
                "Shorten the prompt.",
            )
        return InfluenceError(
            f"While generating: llama.cpp says {failure.message}.", "The model is still loaded: try again."
        )

    # -- text and tokens ------------------------------------------------------------------------------------------

    def encode(self, text: str, special: bool = True) -> list[int]:
        """See `TokenModel`."""
        self.loaded()
        return self.words.encode(text, special)

    def decode(self, ids: Sequence[int], special: bool = False) -> str:
        """See `TokenModel`."""
        self.loaded()
        return self.words.decode(ids, special)

    # -- facts ----------------------------------------------------------------------------------------------------

    @property
    def chat_template(self) -> str | None:
        """See `TokenModel`."""
        return self.words.chat_template

    @property
    def context_length(self) -> int | None:
        """See `Model`: what was made room for while loading."""
        return self._context

    def report(self, text: str | None = None, quality: bool = False) -> dict[str, Any]:
        """See `Model`.

        Raises:
            CapabilityMissing: quality was asked for, which takes scores that llama.cpp does not give.
        """
        if wanted(text, quality):
            self._lacks("measure quality")
        used, total = devices.memory(self.device)
        return {
            "name": self.name,
            "runtime": self.runtime,
            "architecture": self.local.architecture,
            "parameters": self.local.parameters,
            "weights": self.local.size,
            "device": self.device,
            "dtype": self.dtype,
            "quantization": self.quantization,
            "context_length": self._context,
            "threads": self.threads,
            "load_seconds": self.load_seconds,
            "memory": self.memory,
            "memory_used": used,
            "memory_total": total,
        }

    # -- life -----------------------------------------------------------------------------------------------------

    def new_prefix(self) -> PrefixCache:
        """See `TokenModel`. It stays empty: llama.cpp finds by itself which of its caches begins like a prompt."""
        return PrefixCache()

    @property
    def is_loaded(self) -> bool:
        """See `Model`."""
        return self.library is not None

    def loaded(self) -> Library:
        """The open file.

        Raises:
            CapabilityMissing: the model was unloaded.
        """
        library = self.library
        if library is None:
            raise self.unloaded()
        return library

    @property
    def memory(self) -> int:
        """See `Model`: what it took when it was loaded, where llama.cpp makes room for all of its context."""
        return self.memory_peak if self.is_loaded else 0

    def _give_back(self) -> None:
        library, self.library = self.library, None
        if library is not None:
            library.close()
        devices.give_back()

    # -- inside ---------------------------------------------------------------------------------------------------

    @property
    def templated(self) -> template.Templated:
        """See `TokenModel`."""
        return self.words

    def _completion(self, answer: Answer, prompt: Sequence[int], sampling: Sampling) -> Completion:
        made = len(answer.events)
        versions = {**versions_of("python", "influence_nb"), PACKAGE: installed() or ""}
        receipt = promised(
            lambda: self.receipt(prompt, sampling, answer.ids or (), (1, len(prompt)), "", versions)
        )
        assert answer.finish_reason is not None
        return Completion(
            answer.text,
            tuple(answer.events),
            answer.finish_reason,
            Usage(len(prompt), made, answer.cached),
            answer.clock.timings(self.load_seconds, made),
            receipt,
        )
