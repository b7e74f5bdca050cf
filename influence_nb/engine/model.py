"""`Model`: a loaded model, and everything that can be asked of it, whatever runs it.

It does not know how tokens come about (`engine/runtimes/`), how it was found or loaded, nor who asks. What a runtime
cannot do is refused here, by name.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from influence_nb.arguments import expect_call, expect_event
from influence_nb.engine import axes, keeping
from influence_nb.engine.batch import Either, OnProgress, Outcome, Request, collect, requests
from influence_nb.engine.completion import Completion, TokenStream
from influence_nb.engine.grid import Cell, Grid, OnCell, gather, run
from influence_nb.engine.prompts import Prompt
from influence_nb.engine.resident import Resident
from influence_nb.engine.sampling import Sampling
from influence_nb.engine.score import OnTokens, TokenScores
from influence_nb.engine.session import Session, WhenFull
from influence_nb.errors import CapabilityMissing, InfluenceError

if TYPE_CHECKING:
    from influence_nb.engine.likelihood import Likelihood, OnPairs
    from influence_nb.engine.receipts import Receipt
    from influence_nb.engine.replay import OnReplayed, Replay
    from influence_nb.engine.trace import OnTraced
    from influence_nb.engine.tree import OnNodes, TokenTree
    from influence_nb.engine.xray import Xray


class Model(Resident):
    """A model that answers. `influence_nb.load` makes it.

    Attributes:
        runtime: what runs it: "transformers", "llama.cpp" or "endpoint".
        name: what it was loaded by.
        local: its files on this machine; None where it runs elsewhere.
        device: such as "cpu" or "cuda:0"; a server's name and port for a model there.
        dtype: such as "bfloat16"; "" where it is not known.
        load_seconds: how long loading took.
        memory_peak: the most bytes that it took at once, from before it was loaded until it had run once.
        forwards: how many forward passes it has run, where the runtime can tell.
        quantization: how its weights are packed, such as "nf4" or "Q4_1"; None for plain or unknown ones.
        devices: all devices that it lies on, `device` first.
        use: who uses it, and how long it may stay idle.
        arguments: those of `influence_nb.load` that load it again.
    """

    runtime: ClassVar[str]

    def generate(
        self,
        prompt: Prompt,
        sampling: Sampling | None = None,
        cancel: threading.Event | None = None,
        **overrides: Any,
    ) -> Completion:
        """Generate to the end. Stateless: nothing survives the call. Arguments and errors as `stream`'s."""
        return self.stream(prompt, sampling, cancel, **overrides).completion

    @abstractmethod
    def stream(
        self,
        prompt: Prompt,
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
            InvalidData: an empty prompt, ids outside the vocabulary, or a `cancel` that is no event.
            OutOfMemory: no room for the KV cache (raised while streaming).
        """

    def batch(
        self,
        prompts: Iterable[Prompt],
        sampling: Sampling | Sequence[Sampling] | None = None,
        cancel: threading.Event | None = None,
        on_progress: OnProgress | None = None,
        **overrides: Any,
    ) -> list[Completion]:
        """Generate for many prompts, several at once where the runtime can. Stateless, as `generate`.

        In float32 each completion equals that of `generate` with the same prompt, sampling and seed, token for token.

        Args:
            prompts: each as `stream` takes it.
            sampling: one for all, or one a prompt; `Sampling()` by default. Prompts without a seed draw one each.
            cancel: set it, from any thread, to stop at the next token: what is done is kept, the rest has the
                finish_reason "cancelled".
            on_progress: called with a `BatchProgress`, in the calling thread; what it raises stops the batch.
            overrides: single parameters of `sampling`, for all prompts.

        Returns:
            The completions, in the order of `prompts`.

        Raises:
            BatchIncomplete: some prompts failed. Raised once all others are done, which it carries.
            InvalidData: `prompts` is no list of prompts.
            InvalidSampling: an override that is unknown or out of range; not one sampling a prompt.
        """
        expect_event(cancel)
        expect_call(on_progress=on_progress)
        wanted = requests(prompts, sampling, overrides)
        with keeping.in_use(self):
            return collect(self._batch(wanted, cancel), len(wanted), on_progress)

    def grid(
        self,
        prompt: Prompt,
        sampling: Sampling | None = None,
        cancel: threading.Event | None = None,
        on_cell: OnCell | None = None,
        on_progress: OnProgress | None = None,
        limit: int = 256,
        **values: Any,
    ) -> Grid:
        """Generate under every combination of some settings: a list makes an axis, anything else holds for all cells.

        The prompt is run once and its KV cache copied to all cells, which run in as few batches as the memory allows.
        In float32 each equals `generate` with its settings and seed, token for token. Without a seed one is drawn for
        all cells, so that they see the same noise, and what differs is due to the settings.

        Args:
            prompt: as `stream` takes it; messages where `system` or a variable of the chat template is given.
            sampling: what all cells share; `Sampling()` by default.
            cancel: set it, from any thread, to stop at the next token: what is done is kept.
            on_cell: called with each `Cell` as it finishes, in the calling thread.
            on_progress: called with a `BatchProgress`, cells counting as prompts.
            limit: the most cells, >= 1; more must be asked for.
            values: parameters of `Sampling` (of `stop` and `order`, whose values are lists, an axis is a list of
                lists); `system`, which takes the place of a system message (None leaves the messages as they are);
                variables of the chat template; `model`, loaded models or their names, which run one after the other.

        Raises:
            InvalidData: an axis that is empty, unknown or holds a value twice; more cells than `limit`; a bad prompt.
            InvalidSampling: a value out of its range.
            ContextTooLong: the prompt does not fit the model's context.
            BatchIncomplete: some cells failed. Raised once all others are done, which it carries.
        """
        expect_event(cancel)
        expect_call(on_cell=on_cell, on_progress=on_progress)
        plan = axes.plan(self, prompt, sampling, values, limit)
        with closing(run(plan, cancel, on_progress)) as cells:
            return gather(plan, cells, on_cell)

    def grid_stream(
        self,
        prompt: Prompt,
        sampling: Sampling | None = None,
        cancel: threading.Event | None = None,
        on_progress: OnProgress | None = None,
        limit: int = 256,
        **values: Any,
    ) -> Generator[Cell, None, None]:
        """The cells of a grid as they finish; closing the generator stops. Arguments and errors as `grid`'s."""
        expect_event(cancel)
        expect_call(on_progress=on_progress)
        return run(axes.plan(self, prompt, sampling, values, limit), cancel, on_progress)

    def _batch(
        self, requests: Sequence[Request], cancel: threading.Event | None
    ) -> Generator[tuple[int, Outcome], None, None]:
        """What becomes of each prompt, as it comes; here one after the other."""
        for place, request in enumerate(requests):
            try:
                self._check_top(request)
                stream = self.stream(request.prompt, request.sampling, Either(cancel, request.cancel))
                with closing(stream):
                    for event in stream:
                        yield place, event
                    yield place, stream.completion
            except InfluenceError as error:
                yield place, error

    def score(
        self,
        prompt: Prompt,
        window: int | None = None,
        stride: int | None = None,
        cancel: threading.Event | None = None,
        on_progress: OnTokens | None = None,
        top: int = 0,
    ) -> TokenScores:
        """How probable the model finds each token of a text: log-probability, rank, entropy; perplexity of the whole.

        A text that fits `window` is scored as a whole; of a longer one, windows of that size, which overlap
        (`TokenScores.perplexity` says how). Logits are looked at in pieces and never held together.

        Args:
            prompt: a str as it stands, with the special tokens that the tokenizer adds; a list of messages through the
                chat template, without the beginning of another answer; a list of ints as token ids.
            window: tokens that are seen together, >= 2 and within the context; by default the context, at most 4,096,
                and 1,024 where there is no limit.
            stride: how many tokens after the last each window begins, >= 1 and < window; half of it by default.
            cancel: set it, from any thread, to stop after the piece at hand; the scores so far come back.
            on_progress: called with the tokens done and in all, in the calling thread.
            top: how many of the most probable tokens to list for each place (`TokenScores.tops`).

        Raises:
            InvalidData: an empty text, a single token, text that cannot be encoded, a window or stride out of range.
            CapabilityMissing: the runtime cannot.
        """
        self._lacks("score a text")

    def likelihoods(
        self,
        pairs: Sequence[tuple[Prompt, str]],
        cancel: threading.Event | None = None,
        on_progress: OnPairs | None = None,
    ) -> list[Likelihood]:
        """How probable the model finds continuations, each after its context; one that several follow is run once.

        Args:
            pairs: (context, continuation); texts are parted into tokens as lm-evaluation-harness does.
            cancel: set it, from any thread, to stop.
            on_progress: called with the continuations done and in all, in the calling thread.

        Raises:
            InvalidData: no pairs, a context that is no prompt, an empty continuation.
            ContextTooLong: the two together do not fit the model's context.
            CapabilityMissing: the runtime cannot.
            InfluenceError: it was cancelled.
        """
        from influence_nb.engine.likelihood import likelihoods

        return likelihoods(self, pairs, cancel, on_progress)

    def xray(
        self,
        prompt: Prompt,
        sampling: Sampling | None = None,
        steps: int = 1,
        cancel: threading.Event | None = None,
        on_place: OnTraced | None = None,
        **overrides: Any,
    ) -> Xray:
        """What each stage of the sampler does to the next tokens' distributions, over the whole vocabulary.

        The tokens are those that `generate` draws with the same prompt, sampling and seed. Looking at them under other
        settings (`Xray.under`) takes no forward pass.

        Args:
            prompt: as `stream` takes it.
            sampling: how tokens are chosen; `Sampling()` by default.
            steps: how many tokens, >= 1; a text that ends has fewer. (Not max_new_tokens, which decides nothing here.)
            cancel: set it, from any thread, to stop at the next token; what has come is told.
            on_place: called with each `Place` as it comes and `steps`, in the calling thread.
            overrides: single parameters of `sampling`.

        Raises:
            InvalidSampling: an override that is unknown or out of range.
            InvalidData: `steps` is no such number; errors of the prompt as `stream`'s.
            ContextTooLong: the prompt does not fit the model's context.
            OutOfMemory: the logits of so many tokens would take more than 2 GiB.
            CapabilityMissing: the runtime gives no logits.
        """
        self._lacks("show what its sampler does")

    def tree(
        self,
        prompt: Prompt,
        depth: int = 4,
        width: int = 3,
        mass: float | None = None,
        limit: int = 500,
        cancel: threading.Event | None = None,
        on_progress: OnNodes | None = None,
    ) -> TokenTree:
        """A tree of what may follow a prompt, with the exact probability of every branch under the model itself.

        Nodes are looked at level by level, many at once, each going on from the KV cache of the one before it. What a
        node does not show is a number on it (`Node.rest`).

        Args:
            prompt: as `stream` takes it.
            depth: how many tokens the branches have at most, >= 1.
            width: how many tokens may follow a node at most, >= 1: the most probable ones.
            mass: a node has no more children than it takes to reach this share of the probability, in (0, 1].
            limit: the most nodes, >= `width`; where more would come, the most probable branches grow.
            cancel: set it, from any thread, to stop; what there is so far comes back.
            on_progress: called with the number of nodes and `limit`, in the calling thread.

        Raises:
            InvalidData: a number out of its range; errors of the prompt as `stream`'s.
            ContextTooLong: prompt and depth do not fit the model's context.
            CapabilityMissing: the runtime gives no logits.
        """
        from influence_nb.engine.growth import plant

        return plant(self, prompt, depth, width, mass, limit, cancel, on_progress)

    def replay(
        self,
        receipt: Receipt | Mapping[str, Any] | str | Path,
        cancel: threading.Event | None = None,
        on_progress: OnReplayed | None = None,
    ) -> Replay:
        """Run a receipt again: its prompt's ids, sampling and seed; and say where the tokens part from those recorded.

        It runs alone and without a KV cache, whatever it was recorded in. In float32 on the same kind of device the
        tokens are the same. Of a completion that was cancelled, what had come is compared.

        Args:
            receipt: a `Receipt`, its `to_dict()`, or the path of a file that its `save()` wrote.
            cancel: set it, from any thread, to stop at the next token.
            on_progress: called with the tokens compared and in all, in the calling thread.

        Raises:
            InvalidData: it is no receipt, has unknown fields, is of another model (by name and weights), or holds no
                token ids or no seed.
            ContextTooLong: the prompt does not fit this model's context.
            CapabilityMissing: the runtime cannot: it does not take token ids.
        """
        self._lacks("replay a receipt")

    @abstractmethod
    def session(
        self,
        system: str | None = None,
        sampling: Sampling | None = None,
        when_full: WhenFull = "stop",
        switches: Mapping[str, bool] | None = None,
    ) -> Session:
        """A conversation that keeps its KV cache between turns.

        Args:
            system: the system prompt; None for the template's own.
            sampling: used where a turn names none.
            when_full: "stop" or "drop_oldest", see `Session`.
            switches: variables for the chat template, such as {"enable_thinking": False}.

        Raises:
            CapabilityMissing: the model has no chat template, or was unloaded.
            InvalidData: an argument of the wrong kind, or a switch that the template does not read.
            InvalidSampling: `sampling` is none.
        """

    def template_switches(self) -> dict[str, bool]:
        """The chat template's on/off variables, such as enable_thinking, and what each is when not set."""
        return {}

    # -- facts ----------------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def context_length(self) -> int | None:
        """How many tokens prompt and answer may have together; None where there is no limit or it is not known."""

    def generation_defaults(self) -> dict[str, Any]:
        """The checkpoint's own generation config: {name: value}, without those it leaves open."""
        return {}

    @abstractmethod
    def report(self, text: str | None = None, quality: bool = False) -> dict[str, Any]:
        """What is loaded and how: plain values by name; memory in bytes, time in seconds.

        Args:
            text: what "quality" is measured on; a short English text of ours where only `quality` is given.
            quality: whether to measure perplexity, beside that of the plain weights in the same dtype; where they are
                not loaded they are for the moment, which takes their time and memory. "quality" is then {"perplexity",
                "unquantized", "ratio"}, else None.

        Raises:
            InvalidData: `text` is no text or empty, or `quality` is neither True nor False.
            CapabilityMissing: the model was unloaded, or the runtime cannot measure quality.
        """

    # -- for runtimes ---------------------------------------------------------------------------------------------

    def _check_top(self, request: Request) -> None:
        """For runtimes that see no other candidates than the token that was drawn."""
        if request.top:
            self._lacks("list the candidates beside a token")

    def _lacks(self, what: str) -> NoReturn:
        raise CapabilityMissing(
            f"The {self.runtime} runtime cannot {what}.",
            "Load the model's safetensors with runtime='transformers', which can.",
        )
