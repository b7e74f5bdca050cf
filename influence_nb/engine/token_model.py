"""`TokenModel`: a model that renders and tokenizes here, and takes token ids.

It does not know which library runs it.
"""

from __future__ import annotations

import hashlib
import threading
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from influence_nb.arguments import expect_event
from influence_nb.engine import prompts, template
from influence_nb.engine.completion import TokenEvent, TokenStream
from influence_nb.engine.model import Model
from influence_nb.engine.prefix import PrefixCache
from influence_nb.engine.receipts import Receipt
from influence_nb.engine.replay import OnReplayed, Replay, replay
from influence_nb.engine.sampling import Sampling, checked
from influence_nb.engine.session import WhenFull
from influence_nb.engine.token_session import TokenSession
from influence_nb.errors import CapabilityMissing, InvalidData, InvalidSampling
from influence_nb.store import records

if TYPE_CHECKING:
    from influence_nb.store.models import LocalModel


class TokenModel(Model):
    """A `Model` whose tokens are known here; runtimes give it the calls below."""

    local: LocalModel
    vocabulary_size: int
    """How many ids the model knows."""

    def template_variables(self) -> set[str] | None:
        """The names that the chat template reads beside the messages; None where they cannot be told."""
        return template.variables(self.templated)

    def template_switches(self) -> dict[str, bool]:
        """See `Model`."""
        return template.switches(self.templated)

    @property
    @abstractmethod
    def templated(self) -> template.Templated:
        """What has the chat template and renders it."""

    @property
    @abstractmethod
    def chat_template(self) -> str | None:
        """The Jinja template that turns messages into text; None for a model that holds no conversation."""

    def stream(
        self,
        prompt: prompts.Prompt,
        sampling: Sampling | None = None,
        cancel: threading.Event | None = None,
        **overrides: Any,
    ) -> TokenStream:
        """See `Model`."""
        sampling = checked(sampling, overrides)
        self.check_request(sampling, cancel)
        return self.stream_ids(prompts.ids(prompt, self), sampling, cancel)

    def session(
        self,
        system: str | None = None,
        sampling: Sampling | None = None,
        when_full: WhenFull = "stop",
        switches: Mapping[str, bool] | None = None,
    ) -> TokenSession:
        """See `Model`."""
        self._check_loaded()
        if not self.chat_template:
            raise CapabilityMissing(
                f"{self.name} has no chat template, so it cannot hold a conversation.",
                "Load a chat or instruct model, or continue plain text with model.generate('Once upon a time').",
            )
        session = TokenSession(self, system, sampling, when_full, switches)
        known = self.template_variables()
        if known is not None and (unknown := sorted(set(session.switches) - known)):
            raise InvalidData(
                f"The chat template of {self.name} has no variable {unknown[0]!r}.",
                f"It reads: {', '.join(sorted(known))}." if known else "It has none: leave switches out.",
            )
        return session

    def check_request(self, sampling: Sampling, cancel: threading.Event | None) -> None:
        """Go on only if this model can take such a request.

        Raises:
            InvalidSampling: a bias for an id outside the vocabulary.
            InvalidData: `cancel` is no event.
        """
        expect_event(cancel)
        if outside := [token for token in sampling.logit_bias if token >= self.vocabulary_size]:
            error = InvalidSampling(
                f"logit_bias names the token id {outside[0]}, which is outside the vocabulary of {self.name}.",
                f"Ids go from 0 to {self.vocabulary_size - 1}.",
            )
            error.field = "logit_bias"
            raise error

    @abstractmethod
    def stream_ids(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        cancel: threading.Event | None = None,
        prefix: PrefixCache | None = None,
    ) -> TokenStream:
        """`stream` for token ids, reusing and then refilling `prefix` if there is one."""

    def branch(
        self,
        prompt: Sequence[int],
        begun: Sequence[TokenEvent],
        token: int,
        sampling: Sampling,
        cancel: threading.Event | None = None,
    ) -> TokenStream:
        """Go on after `begun`, the first tokens of an output, with `token`; streams from there on."""
        self._lacks("go on from a token that was not drawn")

    def replay(
        self,
        receipt: Receipt | Mapping[str, Any] | str | Path,
        cancel: threading.Event | None = None,
        on_progress: OnReplayed | None = None,
    ) -> Replay:
        """See `Model`."""
        return replay(self, receipt, cancel, on_progress)

    def receipt(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        output: Sequence[int | None],
        batch_shape: tuple[int, int] | None,
        attention: str,
        versions: Mapping[str, str],
    ) -> Receipt:
        """What a completion of this model was made from; takes seconds where its files were never hashed."""
        words = self.chat_template
        return Receipt(
            model=self.name,
            revision=self.local.revision,
            files=records.hashes(self.local.path),
            template_sha256=hashlib.sha256(words.encode()).hexdigest() if words else None,
            prompt_ids=tuple(prompt),
            sampling=sampling.to_dict(),
            seed=sampling.seed,
            dtype=self.dtype,
            quantization=self.quantization,
            device=self.device,
            attention=attention,
            batch_shape=batch_shape,
            runtime=self.runtime,
            versions=versions,
            output_ids=tuple(id for id in output if id is not None),
        )

    def margin(
        self, prompt: Sequence[int], before: Sequence[int], sampling: Sampling, chosen: int, other: int
    ) -> float | None:
        """How far apart two tokens are in the draw after `before`, see `Replay`; None where it cannot be told."""
        return None

    @abstractmethod
    def new_prefix(self) -> PrefixCache:
        """A holder for a KV cache, which `unload` empties."""

    @abstractmethod
    def encode(self, text: str, special: bool = True) -> list[int]:
        """The token ids of `text`, with the tokenizer's own special tokens unless `special` is False."""

    def encode_batch(self, texts: Sequence[str], special: bool = True) -> list[list[int]]:
        """`encode` for many texts, faster than one by one where several cores can share them.

        Raises:
            InvalidData: one of them is no text that can be encoded.
        """
        return [self.encode(text, special) for text in texts]

    @abstractmethod
    def decode(self, ids: Sequence[int], special: bool = False) -> str:
        """The text of token ids; special tokens are shown if `special`."""

    def render(
        self, messages: Sequence[Mapping[str, str]], switches: Mapping[str, bool] | None = None
    ) -> str:
        """The text that the chat template makes of `messages`; errors as `engine.template.render`'s."""
        return template.render(self.templated, messages, switches)
