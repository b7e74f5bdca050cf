"""Replaying a receipt: the same prompt, sampling and seed once more, and where the tokens part from those recorded.

    replay = model.replay(completion.receipt)
    replay.identical, replay.first_difference, replay.margin, replay.changed_facts

It knows models that take token ids, and receipts; it does not know what runs the model, save for the margin.
"""

from __future__ import annotations

import html
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from influence_nb.arguments import expect_call, expect_event
from influence_nb.engine import prompts
from influence_nb.engine.completion import TokenEvent
from influence_nb.engine.loop import SHORT, Cancelled, Steps
from influence_nb.engine.receipts import Receipt
from influence_nb.engine.sampler import Sampler
from influence_nb.engine.sampling import Sampling
from influence_nb.errors import InvalidData
from influence_nb.store import records

if TYPE_CHECKING:
    from influence_nb.engine.runtimes.transformers import TransformersModel
    from influence_nb.engine.token_model import TokenModel

OnReplayed = Callable[[int, int], object]
"""Called with how many tokens have been compared, and how many there are."""

_GIVEN = ("prompt_ids", "sampling", "seed", "output_ids")
"""What a replay takes from the receipt, or compares by itself: no fact that can have changed."""

_WEIGHTS = (".safetensors", ".gguf", ".bin", ".pt", ".pth")


@dataclass(frozen=True)
class Difference:
    """The first token that came otherwise.

    Attributes:
        index: its place in the output, from 0; all tokens before it are the same.
        recorded, now: the token's id in the receipt, and the one that was chosen now; `now` is None where the text
            ended before this place.
        recorded_text, now_text: their texts, special tokens shown.
    """

    index: int
    recorded: int
    now: int | None
    recorded_text: str
    now_text: str


@dataclass(frozen=True, repr=False)
class Replay:
    """What came of running a receipt again. `influence_nb` gives it from `model.replay`.

    Attributes:
        identical: whether every recorded token came again.
        first_difference: the first token that did not, or None.
        margin: how near that choice was, in nats, >= 0: by how much the token chosen now beats the recorded one in the
            draw, which takes the largest of post-sampler scores plus (above temperature 0) the seed's noise. inf where
            the sampler cut the recorded token. Small margins are rounding: another dtype, batch or device may tip
            them. None without a difference, and where it cannot be told: the text ended, or another runtime.
        changed_facts: what else differs, by the receipt's field: {field: (recorded, now)}; of files and versions only
            the entries that differ. It may hold more than was the cause, and is empty on the same ground.
        compared: how many tokens were the same.
        cancelled: whether it was stopped before anything differed.
        recorded: the receipt that was replayed.
        now: the receipt of this run, which ends where the texts part.
    """

    identical: bool
    first_difference: Difference | None
    margin: float | None
    changed_facts: Mapping[str, tuple[Any, Any]]
    compared: int
    cancelled: bool
    recorded: Receipt
    now: Receipt

    @property
    def summary(self) -> str:
        """What came of it, in a sentence."""
        total = len(self.recorded.output_ids)
        if self.identical:
            return f"identical: all {total} tokens came again"
        if self.first_difference is None:
            return f"cancelled after {self.compared} of {total} tokens, identical so far"
        one = self.first_difference
        other = "the text ended" if one.now is None else f"{one.now_text!r} ({one.now})"
        margin = "" if self.margin is None else f", by a margin of {self.margin:.3g} nats"
        return (
            f"differs from token {one.index} of {total} on: "
            f"{one.recorded_text!r} ({one.recorded}) was recorded, now {other}{margin}"
        )

    def __repr__(self) -> str:
        changed = f"; changed: {', '.join(self.changed_facts)}" if self.changed_facts else ""
        return f"Replay({self.summary}{changed})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{_shown(then)}</td><td>{_shown(now)}</td></tr>"
            for name, (then, now) in self.changed_facts.items()
        )
        table = f"<table><tr><th>changed</th><th>recorded</th><th>now</th></tr>{rows}</table>" if rows else ""
        return f"<div>{html.escape(self.summary[0].upper() + self.summary[1:])}.</div>{table}"


def replay(
    model: TokenModel,
    receipt: Receipt | Mapping[str, Any] | str | Path,
    cancel: threading.Event | None,
    on_progress: OnReplayed | None,
) -> Replay:
    """Arguments and errors as those of `Model.replay`."""
    expect_event(cancel)
    expect_call(on_progress=on_progress)
    recorded = _receipt(receipt)
    prompt, sampling = _checked(model, recorded)
    wanted = recorded.output_ids
    stop = _Either(cancel)
    sampling = sampling.replace(max_new_tokens=len(wanted))
    compared, other = max(recorded.given - 1, 0), None
    if recorded.given:
        begun = [TokenEvent(place, token, "", None, None) for place, token in enumerate(wanted[:compared])]
        stream = model.branch(prompt, begun, wanted[compared], sampling, stop)
    else:
        stream = model.stream_ids(prompt, sampling, stop)
    for event in stream:
        if event.id is None or stop.is_set():
            continue
        if event.id != wanted[compared]:
            other = event.id
            stop.set()  # and not closed: what the run was made from is still to be told
            continue
        compared += 1
        if on_progress is not None:
            on_progress(compared, len(wanted))
    done = stream.completion
    identical = compared == len(wanted)
    cancelled = not identical and other is None and done.finish_reason == "cancelled"
    difference = lead = None
    if not identical and not cancelled:
        texts = [
            "" if one is None else model.decode([one], special=True) for one in (wanted[compared], other)
        ]
        difference = Difference(compared, wanted[compared], other, *texts)
        if other is not None:
            lead = model.margin(prompt, wanted[:compared], sampling, other, wanted[compared])
    now = done.receipt
    return Replay(identical, difference, lead, _changed(recorded, now), compared, cancelled, recorded, now)


def margin(
    model: TransformersModel,
    prompt: Sequence[int],
    before: Sequence[int],
    sampling: Sampling,
    chosen: int,
    other: int,
    ends: Collection[int],
) -> float | None:
    """How far apart `chosen` and `other` are in the draw after `before`: run once more up to there, in the same steps.

    None where the model is unloaded meanwhile.
    """

    def job(stopped: Callable[[], bool]) -> Iterator[float]:
        import torch

        with torch.no_grad():
            at_once = len(prompt) <= SHORT or model.goes_on()
            steps = Steps(model.loaded(), [prompt], at_once=at_once)
            try:
                logits = steps.prefill(stopped)
            except Cancelled:
                return
            for token in before:
                if stopped():
                    return
                logits = steps.step([token])
            scores = Sampler([sampling], [prompt], ends, [before]).noisy(logits)[0]
            yield float(scores[chosen] - scores[other])

    with closing(model.on_worker(job, "replaying")) as found:
        lead = next(found, None)
    return (
        None if lead is None else abs(lead)
    )  # of a draw that comes out otherwise each time, still how near it was


class _Either(threading.Event):
    """Set by itself or by another."""

    def __init__(self, other: threading.Event | None) -> None:
        super().__init__()
        self._other = other

    def is_set(self) -> bool:
        return super().is_set() or (self._other is not None and self._other.is_set())


def _receipt(given: Receipt | Mapping[str, Any] | str | Path) -> Receipt:
    if isinstance(given, str | Path):
        return Receipt.load(given)
    return Receipt.from_dict(given.to_dict() if isinstance(given, Receipt) else given)


def _checked(model: TokenModel, receipt: Receipt) -> tuple[list[int], Sampling]:
    """The prompt and the sampling, with its seed, once it is sure that this model can replay them."""
    if model.name != receipt.model and not _same_weights(model, receipt):
        raise InvalidData(
            f"The receipt is of {receipt.model}, and {model.name} has other weights.",
            f"Replay it there: inb.load({receipt.model!r}).replay(receipt).",
        )
    for name in ("prompt_ids", "output_ids"):
        if not getattr(receipt, name):
            raise InvalidData(
                f"The receipt holds no {name}, so there is nothing to replay.",
                "It is of a completion without tokens, or of a server that does not tell their ids.",
            )
    if receipt.given > len(receipt.output_ids):
        raise InvalidData(
            f"The receipt says that {receipt.given} tokens were given, and its output has {len(receipt.output_ids)}.",
            "The receipt was changed.",
        )
    if odd := [token for token in receipt.output_ids if token >= model.vocabulary_size]:
        raise InvalidData(
            f"The receipt's output holds the token id {odd[0]}, which is outside the vocabulary of {model.name}.",
            f"Ids go from 0 to {model.vocabulary_size - 1}. The receipt was changed, or is of another model.",
        )
    sampling = Sampling.from_dict(receipt.sampling)
    seeds = {sampling.seed, receipt.seed} - {None}
    if len(seeds) > 1 or (not seeds and sampling.temperature > 0):
        said = "two seeds" if seeds else "no seed"
        raise InvalidData(
            f"The receipt has {said}: {receipt.seed} and in its sampling {sampling.seed}.",
            "A draw can be repeated with its own seed only; receipts of completions on this machine have it.",
        )
    return prompts.ids(receipt.prompt_ids, model), sampling.replace(seed=next(iter(seeds), 0))


def _same_weights(model: TokenModel, receipt: Receipt) -> bool:
    here = records.hashes(Path(model.local.path)) if model.local is not None else {}
    mine, theirs = (
        {digest for name, digest in files.items() if name.endswith(_WEIGHTS)}
        for files in (here, receipt.files)
    )
    return bool(mine & theirs)


def _changed(recorded: Receipt, now: Receipt) -> dict[str, tuple[Any, Any]]:
    changed = {}
    for name in (one.name for one in fields(Receipt) if one.name not in _GIVEN):
        before, after = getattr(recorded, name), getattr(now, name)
        if isinstance(before, Mapping):
            odd = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
            before, after = ({key: one[key] for key in odd if key in one} for one in (before, after))
        if before != after:
            changed[name] = (before, after)
    return changed


def _shown(value: Any) -> str:
    said = (
        "; ".join(f"{name} {one}" for name, one in value.items())
        if isinstance(value, Mapping)
        else str(value)
    )
    return html.escape(said)
