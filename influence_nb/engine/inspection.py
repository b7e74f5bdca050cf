"""`Inspection`: every token of a text with what is known of it: how probable it was, and what might have come instead.

    looked = of_completion(completion)          # one more pass; the raw and the post-sampler distribution
    looked = of_text(model, "Paris is in Peru") # one scoring pass; the model's own distribution
    looked.to_frame(), looked[3].alternatives, looked.branch(3, token)

It knows traces, scores and completions; it does not know how they are shown.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from influence_nb.arguments import whole
from influence_nb.engine.pipeline import Pipeline
from influence_nb.engine.sampling import Sampling
from influence_nb.engine.token_model import TokenModel
from influence_nb.engine.xray import entropy
from influence_nb.errors import CapabilityMissing, InvalidData

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from influence_nb.engine.completion import Completion, TokenStream
    from influence_nb.engine.model import Model
    from influence_nb.engine.prompts import Prompt
    from influence_nb.engine.score import OnTokens, TokenScores
    from influence_nb.engine.trace import OnTraced, Place, Trace

MEASURES = ("logprob", "rank", "entropy", "margin")
TOP = 10
"""Tokens that are listed at each place."""
_ENTRIES = 2**24
"""Logits that are looked at at once: 64 MiB of float32, and a few copies of that."""


@dataclass(frozen=True)
class Measures:
    """What one distribution says of the token that came; None is not known.

    Attributes:
        logprob: its log-probability (nats, <= 0); -inf where it could not come.
        rank: 1 for the most probable token; tokens that tie share the better rank.
        entropy: of the distribution, in nats, >= 0.
        margin: by how much it is ahead of the most probable other token, in nats; < 0 where that is ahead. inf where
            no other could come, -inf where it could not.
    """

    logprob: float | None = None
    rank: int | None = None
    entropy: float | None = None
    margin: float | None = None


@dataclass(frozen=True)
class Alternative:
    """A token that might have come.

    Attributes:
        id: its id.
        token: its text, special ones shown.
        raw: its log-probability in the model's own distribution (nats, <= 0).
        sampled: its log-probability in the distribution that was drawn from, -inf where it was cut; None where
            nothing was drawn.
    """

    id: int
    token: str
    raw: float
    sampled: float | None = None


@dataclass(frozen=True)
class TokenPlace:
    """A token of a text.

    Attributes:
        id: its id; None where a server does not tell it.
        token: its text, special ones shown; a part of a character is "�".
        raw: what the model's own distribution says of it.
        sampled: what the distribution that was drawn from says; None where nothing was drawn.
        alternatives: the tokens that the model itself finds most probable, the best first; empty where not known.
    """

    id: int | None
    token: str
    raw: Measures
    sampled: Measures | None = None
    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Inspection:
    """A text, token by token. Made by `of_completion`, `of_text`, `of_scores` and `recorded`.

    Attributes:
        places: its tokens.
        model: what can go on from one of them; None for none.
        given: how many tokens at the beginning were given, and not drawn.
        completion: what was drawn after them; None for none.
        missing: what is not known and why, in a sentence; "" where all is.
    """

    places: tuple[TokenPlace, ...]
    model: Model | None = None
    given: int = 0
    completion: Completion | None = None
    missing: str = ""

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> TokenPlace:
        return self.places[index]

    def __iter__(self) -> Iterator[TokenPlace]:
        return iter(self.places)

    @property
    def has_sampled(self) -> bool:
        """Whether post-sampler measures are known of any token."""
        return any(place.sampled is not None and place.sampled.logprob is not None for place in self)

    def branch(
        self,
        index: int,
        token: int,
        sampling: Sampling | None = None,
        cancel: threading.Event | None = None,
        model: Model | None = None,
        length: int | None = None,
    ) -> TokenStream:
        """Take another token at one place and go on from there; see `Completion.branch`.

        Args:
            index: the place, from 0.
            token: the id of the token to take there.
            sampling: for what follows; by default what the text came with, or `Sampling()`.
            cancel: set it, from any thread, to stop at the next token.
            model: a copy that was loaded again, in place of `model`.
            length: how many tokens come at most, this one among them; None for what `sampling` says.

        Raises:
            InvalidData: no such place, no such token, or nothing stands before the place.
            CapabilityMissing: the model was unloaded, or takes no token ids.
            ContextTooLong: what stands before the place does not fit the context.
        """
        model = model or self.model
        if model is None or any(place.id is None for place in self):
            raise CapabilityMissing(
                "This text is of a runtime that cannot go on from one of its tokens.",
                "Load the model's safetensors with runtime='transformers', which can.",
            )
        index = whole("index", index, 0, len(self) - 1)
        if index >= self.given and self.completion is not None:
            at = index - self.given
            most = {} if length is None else {"max_new_tokens": at + length}
            return self.completion.on(model).branch(at, token, sampling, cancel, **most)
        if index == 0:
            raise InvalidData(
                "Nothing stands before the first token, so there is nothing to go on from.",
                "Choose a later token.",
            )
        if not isinstance(model, TokenModel):
            model._lacks("go on from a token that was not drawn")
        token = whole("token", token, 0, model.vocabulary_size - 1)
        now = sampling or Sampling()
        now = now if length is None else now.replace(max_new_tokens=length)
        return model.branch(self.ids[:index], (), token, now, cancel)

    def before(self, index: int) -> tuple[TokenPlace, ...]:
        """The given tokens that stay when another is taken at a place."""
        return self.places[: min(index, self.given)]

    @property
    def ids(self) -> list[int]:
        """The token ids, without those that a server does not tell."""
        return [place.id for place in self if place.id is not None]

    def to_frame(self) -> pd.DataFrame:
        """A row for each token: token, id, and each measure of the model's own distribution (logprob_raw, rank_raw,
        entropy_raw, margin_raw) and of the one that was drawn from (…_sampled); what is not known is missing.
        """  # fmt: skip
        import pandas as pd

        nothing = Measures()
        columns: dict[str, Any] = {
            "token": [place.token for place in self],
            "id": pd.array([place.id for place in self], dtype="Int64"),
        }
        for name in ("raw", "sampled"):
            for measure in MEASURES:
                values = [getattr(getattr(place, name) or nothing, measure) for place in self]
                if measure == "rank":
                    columns[f"rank_{name}"] = pd.array(values, dtype="Int64")
                else:
                    found = [math.nan if value is None else value for value in values]
                    columns[f"{measure}_{name}"] = pd.array(found, dtype="float64")
        return pd.DataFrame(columns).rename_axis("index")

    def __repr__(self) -> str:
        return f"Inspection({len(self)} tokens{', ' + self.missing if self.missing else ''})"


def of_completion(
    completion: Completion,
    cancel: threading.Event | None = None,
    on_place: OnTraced | None = None,
    given: Sequence[TokenPlace] = (),
) -> Inspection:
    """Every token of a completion, by one more pass over its text; what was recorded where there can be none.

    Args:
        completion: the text.
        cancel: set it, from any thread, to stop early: the rest is what was recorded.
        on_place: called with each `Place` as it comes and how many there are, in the calling thread.
        given: tokens that stood before it.

    Raises:
        CapabilityMissing: its model was unloaded.
        OutOfMemory: the logits of so many tokens would take more than 2 GiB.
    """
    if completion._origin is None or not completion.ids:
        return recorded(completion, given)
    trace = completion.what_if(cancel=cancel, on_place=on_place).trace
    places = [place for some in _pieces(trace.places) for place in _traced(trace, some)]
    rest = recorded(completion).places[len(places) :]
    missing = "It was stopped before every token was looked at." if rest else ""
    return Inspection((*given, *places, *rest), trace.model, len(given), completion, missing)


def recorded(completion: Completion, given: Sequence[TokenPlace] = ()) -> Inspection:
    """Every token of a completion, with what was recorded as it came; no pass."""
    events = [event for event in completion.tokens if event.is_token]
    places = [
        TokenPlace(
            event.id,
            event.text,
            Measures(event.logprob_raw),
            Measures(event.logprob_sampled),
            tuple(Alternative(id, str(id), logprob) for id, logprob in event.top),
        )
        for event in events
    ]
    known = any(event.logprob_raw is not None or event.logprob_sampled is not None for event in events)
    words = (
        "Only how probable each token was is known: ranks, entropies and other tokens take the model itself."
        if known
        else "The server does not tell how probable its tokens were: that takes the model itself."
    )
    model = None if completion._origin is None else completion._origin.model
    return Inspection((*given, *places), model, len(given), completion, words)


def of_text(
    model: Model,
    prompt: Prompt,
    cancel: threading.Event | None = None,
    on_progress: OnTokens | None = None,
) -> Inspection:
    """Every token of a text, by a scoring pass; arguments and errors as those of `Model.score`."""
    return of_scores(model.score(prompt, cancel=cancel, on_progress=on_progress, top=TOP), model)


def of_scores(scores: TokenScores, model: Model | None = None) -> Inspection:
    """Every token of a text that was scored; margins and other tokens where its `tops` were asked for.

    Args:
        scores: of the text.
        model: what scored it, to name the other tokens and to go on from one.
    """
    tops = scores.tops or (None,) * len(scores.ids)
    name = cache(
        lambda token: model.decode([token], special=True) if isinstance(model, TokenModel) else str(token)
    )
    places = []
    rows = zip(scores.ids, scores.tokens, scores.logprobs, scores.ranks, scores.entropies, tops, strict=True)
    for id, token, logprob, rank, nats, top in rows:
        others = [other for candidate, other in top or () if candidate != id]
        margin = None if logprob is None or not others else logprob - others[0]
        alternatives = [Alternative(one, name(one), value) for one, value in top or ()]
        places.append(TokenPlace(id, token, Measures(logprob, rank, nats, margin), None, tuple(alternatives)))
    notes = []
    if not scores.tops:
        notes.append("Margins and other tokens were not asked for: model.score(text, top=10) has them.")
    if scores.cancelled:
        notes.append("It was stopped before the end of the text.")
    if len(scores.ids) > scores.window:
        notes.append(
            f"The text is longer than {scores.window:,} tokens and was scored in windows of that size: "
            f"each token with at least {scores.window - scores.stride:,} before it, save at the beginning."
        )
    return Inspection(tuple(places), model, len(places), None, " ".join(notes))


def _pieces(places: Sequence[Place]) -> Iterator[Sequence[Place]]:
    size = max(1, _ENTRIES // places[0].logits.shape[0]) if places else 1
    for begin in range(0, len(places), size):
        yield places[begin : begin + size]


def _traced(trace: Trace, places: Sequence[Place]) -> Iterator[TokenPlace]:
    import torch

    logits = torch.stack([place.logits for place in places])
    pipeline = Pipeline(
        range(len(places)), [trace.sampling] * len(places), [list(place.prompt) for place in places],
        [list(place.before) for place in places], places[0].ends, logits.shape[1], logits.device,
        [place.grammar for place in places],
    )  # fmt: skip
    raw, scores = logits.log_softmax(-1), pipeline.run(logits)
    if trace.sampling.temperature > 0:
        sampled = scores.log_softmax(-1)
    else:  # nothing is drawn: the best has all of it
        sampled = torch.full_like(raw, -math.inf).scatter_(1, scores.argmax(-1, keepdim=True), 0.0)
    came = torch.tensor([place.id for place in places]).unsqueeze(-1)
    best = raw.topk(min(TOP, raw.shape[1])).indices
    shares = zip(
        best.tolist(), raw.gather(1, best).tolist(), sampled.gather(1, best).tolist(),
        _measured(raw, came), _measured(sampled, came), strict=True,
    )  # fmt: skip
    name = cache(trace.name)
    for place, (ids, own, drawn, of_raw, of_sampled) in zip(places, shares, strict=True):
        alternatives = [
            Alternative(token, name(token), min(one, 0.0), min(other, 0.0))
            for token, one, other in zip(ids, own, drawn, strict=True)
        ]
        yield TokenPlace(place.id, name(place.id), of_raw, of_sampled, tuple(alternatives))


def _measured(logprobs: torch.Tensor, came: torch.Tensor) -> list[Measures]:
    """Of distributions (n, vocabulary) and the tokens that came (n, 1)."""
    import torch

    own = logprobs.gather(1, came)
    ranks = (logprobs > own).sum(-1) + 1
    values, ids = logprobs.topk(min(2, logprobs.shape[1]))
    others = torch.where(ids[:, :1] == came, values[:, -1:], values[:, :1])
    return [
        Measures(min(one, 0.0), rank, nats, one - other)
        for one, rank, nats, other in zip(
            own[:, 0].tolist(), ranks.tolist(), entropy(logprobs).tolist(), others[:, 0].tolist(), strict=True
        )
    ]
