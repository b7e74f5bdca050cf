"""Scoring: how probable a model finds each token of a text, in forward passes and without generating.

    scores = model.score("The capital of France is Paris.")
    scores.perplexity, scores.bits_per_byte, scores.to_frame()

It knows token ids and logits; it does not know how a network is run (`loop.py`), nor threads.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from influence_nb.arguments import expect_call, expect_event, whole
from influence_nb.engine import prompts, template
from influence_nb.engine.loop import Cancelled, Steps
from influence_nb.engine.sampler import best
from influence_nb.errors import InvalidData

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from influence_nb.engine.prompts import Prompt
    from influence_nb.engine.runtimes.transformers import TransformersModel

_WINDOW = 4096
"""Tokens in a window where nobody says and the model's context is longer."""

_WINDOW_WITHOUT_CONTEXT = 1024
"""The same for a model without a context: recurrent ones, which may have to run a window at once."""

_ENTRIES = 2**24
"""Logits that are looked at at once: 64 MiB of float32, and a few copies of that."""

_PIECE = 512
"""The most tokens in one forward pass."""


@dataclass(frozen=True)
class TokenScores:
    """What a model makes of a given text, token by token. `influence_nb` gives it from `model.score`.

    All distributions are the model's own, before any sampling parameter. The first token has nothing before it and is
    not scored (None); where the tokenizer puts a beginning-of-text token first, that is the one, and all of the text
    is scored.

    Attributes:
        ids: token ids.
        tokens: the text of each.
        logprobs: log-probability (nats, <= 0) of each token given those before it.
        ranks: 1 for the most probable token, 2 for the next, and so on; tokens that tie share the better rank.
        entropies: of the distribution that the token was taken from, in nats, >= 0.
        bytes: how many bytes of UTF-8 the scored tokens stand for.
        window, stride: how a text longer than `window` tokens was cut, see `perplexity`.
        cancelled: whether it was stopped before the end; all of the above is then of the beginning only.
        tops: where candidates were asked for, at each place the most probable tokens, the best first, (id, logprob)
            each; None for the first token.
    """

    ids: tuple[int, ...]
    tokens: tuple[str, ...]
    logprobs: tuple[float | None, ...]
    ranks: tuple[int | None, ...]
    entropies: tuple[float | None, ...]
    bytes: int
    window: int
    stride: int
    cancelled: bool = False
    tops: tuple[tuple[tuple[int, float], ...] | None, ...] = ()

    @property
    def scored(self) -> int:
        """How many tokens have a score."""
        return sum(logprob is not None for logprob in self.logprobs)

    @property
    def negative_log_likelihood(self) -> float:
        """The sum of -log p over the scored tokens, in nats."""
        return math.fsum(-logprob for logprob in self.logprobs if logprob is not None)

    @property
    def perplexity(self) -> float:
        """The exponential of the mean negative log-likelihood of the scored tokens (Jelinek et al. 1977); NaN for none.

        exp(-1/n * sum over i of log p(x_i | x_<i)). Of a text longer than `window` tokens, each token is scored once,
        in the first of the windows, each begun `stride` tokens after the last, that has it; it then has at least
        window - stride tokens before it, save at the beginning. That is the strided window of "Perplexity of
        fixed-length models" in transformers' documentation. Comparable between models with the same tokenizer only.
        """
        return math.exp(self.negative_log_likelihood / self.scored) if self.scored else math.nan

    @property
    def bits_per_byte(self) -> float:
        """Bits that the model needs for a byte of the text, comparable between tokenizers; NaN for no bytes.

        The negative log-likelihood over ln 2 and over the bytes of UTF-8 (Gao et al. 2020, arXiv:2101.00027).
        """
        return self.negative_log_likelihood / math.log(2) / self.bytes if self.bytes else math.nan

    def to_frame(self) -> pd.DataFrame:
        """A row for each token: token, id, logprob, rank, entropy."""
        import pandas as pd

        columns = {
            "token": self.tokens,
            "id": self.ids,
            "logprob": pd.array([math.nan if one is None else one for one in self.logprobs], dtype="float64"),
            "rank": pd.array(list(self.ranks), dtype="Int64"),
            "entropy": pd.array(
                [math.nan if one is None else one for one in self.entropies], dtype="float64"
            ),
        }
        return pd.DataFrame(columns).rename_axis("index")


OnTokens = Callable[[int, int], object]
"""Called with how many tokens have been looked at, and how many there are."""


@dataclass(frozen=True)
class Scored:
    """Scores of some consecutive tokens."""

    logprobs: list[float]
    ranks: list[int]
    entropies: list[float]
    tops: list[tuple[tuple[int, float], ...]]


def score(
    model: TransformersModel,
    prompt: Prompt,
    window: int | None,
    stride: int | None,
    cancel: threading.Event | None,
    on_progress: OnTokens | None,
    top: int = 0,
) -> TokenScores:
    """Arguments and errors as those of `Model.score`."""
    expect_event(cancel)
    expect_call(on_progress=on_progress)
    top = whole("top", top, 0)
    text, ids = _text_and_ids(model, prompt)
    if len(ids) < 2:
        raise InvalidData(
            "The text is a single token, which has nothing before it and cannot be scored.",
            "Give a longer text, or put something before it.",
        )
    context = model.context_length
    usual = min(context or _WINDOW_WITHOUT_CONTEXT, _WINDOW)
    window = usual if window is None else whole("window", window, 2, context)
    stride = max(window // 2, 1) if stride is None else whole("stride", stride, 1, window - 1)
    pieces = model.on_worker(
        lambda stopped: windows(model, ids, window, stride, stopped, top), "scoring", cancel
    )
    found: list[Scored] = []
    done = 1
    with closing(pieces):
        for piece in pieces:
            found.append(piece)
            done += len(piece.logprobs)
            if on_progress is not None:
                on_progress(done, len(ids))
    kept = ids[:done]
    begun = kept[0] in model.tokenizer.all_special_ids and not text.startswith(
        model.decode(kept[:1], special=True)
    )
    complete = text if done == len(ids) else model.decode(kept, special=True)
    names = {token: model.decode([token], special=True) for token in set(kept)}
    return TokenScores(
        tuple(kept),
        tuple(names[token] for token in kept),
        (None, *(one for piece in found for one in piece.logprobs)),
        (None, *(one for piece in found for one in piece.ranks)),
        (None, *(one for piece in found for one in piece.entropies)),
        max(_size(complete) - (0 if begun and done == len(ids) else _size(names[kept[0]])), 0),
        window,
        stride,
        done < len(ids),
        (None, *(one for piece in found for one in piece.tops)) if top else (),
    )


def windows(
    model: TransformersModel,
    ids: Sequence[int],
    window: int,
    stride: int,
    cancelled: Callable[[], bool],
    top: int = 0,
) -> Iterator[Scored]:
    """The scores of all tokens but the first, in order; stops early once `cancelled` has answered True.

    A window may be one token longer than the model's context, since its last token is not run.
    """
    import torch

    end = 1
    for begin in range(0, len(ids), stride):
        part = list(ids[begin : begin + window])
        first = end - begin  # of this window, the first token that no window before had
        if begin + len(part) <= end:
            return
        with torch.no_grad():
            size = max(1, min(_PIECE, _ENTRIES // model.vocabulary_size))
            # What comes after the last token is not asked for, so it is not run.
            steps = Steps(model.loaded(), [part[:-1]], at_once=len(part) <= size or model.goes_on())
            place = 0
            try:
                for logits in steps.pieces(size, first - 1, cancelled):
                    # The logits at a place are of the token after it.
                    skipped = max(first - 1 - place, 0)
                    targets = part[place + skipped + 1 : place + logits.shape[0] + 1]
                    for at in range(
                        0, len(targets), size
                    ):  # a piece is larger where a window must run at once
                        some = targets[at : at + size]
                        yield _scored(logits[skipped + at : skipped + at + len(some)], some, top)
                    place += logits.shape[0]
            except Cancelled:
                return
        end = begin + len(part)


def _scored(logits: torch.Tensor, targets: Sequence[int], top: int) -> Scored:
    """Of raw logits (tokens, vocabulary) the scores of `targets`, one a row, and the `top` best of each row."""
    import torch

    chosen = torch.tensor(targets, device=logits.device).unsqueeze(-1)
    logprobs = logits.float().log_softmax(-1)
    own = logprobs.gather(-1, chosen)
    ranks = (logprobs > own).sum(-1) + 1
    entropies = -(logprobs.exp() * logprobs).nan_to_num_(0.0).sum(-1)
    tops = best(logprobs, torch.zeros_like(own), top)
    return Scored(own[:, 0].clamp(max=0.0).tolist(), ranks.tolist(), entropies.clamp(min=0.0).tolist(), tops)


def _text_and_ids(model: TransformersModel, prompt: Any) -> tuple[str, list[int]]:
    """A conversation is scored as it stands, without the beginning of another answer."""
    if isinstance(prompt, str):
        return prompt, prompts.ids(prompt, model)
    if isinstance(prompt, Iterable) and not isinstance(prompt, bytes | Mapping):
        prompt = list(prompt)
        if prompt and any(isinstance(item, Mapping) for item in prompt):
            text = template.render(model.tokenizer, prompt, answering=False)
            return text, model.encode(text, special=False)
    ids = prompts.ids(prompt, model)
    return model.decode(ids, special=True), ids


def _size(text: str) -> int:
    return len(text.encode("utf-8", errors="replace"))
