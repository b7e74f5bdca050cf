"""The decoding loop: transformers prepares each architecture's inputs, masks and caches; the steps are ours.

The same for one row and for many: rows leave as they finish. It does not know text, templates or threads.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from influence_nb.engine import growing
from influence_nb.engine.completion import TokenEvent
from influence_nb.engine.sampler import Sampler

if TYPE_CHECKING:
    import torch

    from influence_nb.engine.pipeline import Watch
    from influence_nb.engine.row import Row

Network = Any
"""A causal language model of transformers; the methods of its `generate` that are used here carry no types."""

_PIECE = 512
"""Tokens in one piece of a long prefill: activations take no more room than that."""

SHORT = 2 * _PIECE
"""A prompt of up to so many tokens runs at once."""

_CACHE_NAMES = ("cache", "past_key_values", "cache_params", "state")
"""What architectures call their cache: the first from transformers 5.24 on, the others before."""


class Cancelled(Exception):
    """Somebody asked to stop before the prompt had been run."""


class Steps:
    """A batch of token sequences on their way through a network, one forward pass at a time.

    Args:
        network: a causal language model of transformers.
        prompts: token ids, one list a row; shorter ones are padded on the left and masked.
        cache: the KV cache of the first tokens of a single row's prompt, or None.
        cached: how many tokens `cache` holds.
        at_once: whether a cache takes several tokens at once (`engine.abilities.goes_on`).
        copies: whether rows whose prompts are the same are run once, and the cache copied to all of them.

    Attributes:
        shape: (rows, tokens of the longest prompt), padding included.
    """

    def __init__(
        self,
        network: Network,
        prompts: Sequence[Sequence[int]],
        cache: Any = None,
        cached: int = 0,
        at_once: bool = True,
        copies: bool = False,
    ) -> None:
        import torch
        from transformers import GenerationConfig

        self.shape = (len(prompts), max(map(len, prompts)))
        longest = self.shape[1]
        places = {tuple(prompt): place for place, prompt in enumerate(dict.fromkeys(map(tuple, prompts)))}
        self._copies: list[int] | None = None
        if copies and len(places) < len(prompts):
            self._copies = [places[tuple(prompt)] for prompt in prompts]
            prompts = list(places)
        padded = [[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
        masks = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        inputs: dict[str, Any] = {
            "input_ids": torch.tensor(padded, device=network.device),
            "attention_mask": torch.tensor(masks, device=network.device),
        }
        if cache is not None:
            inputs[cache[0]] = cache[1]
        self._network = network
        self._fed = 0
        self._cached, self._at_once = cached, at_once
        network.generate(
            **inputs,
            custom_generate=self._prepared,
            generation_config=GenerationConfig(do_sample=False, max_new_tokens=1, use_cache=True),  # type: ignore[no-untyped-call]
        )

    def _prepared(
        self,
        network: Network,
        input_ids: torch.Tensor,
        logits_processor: Any,
        stopping_criteria: Any,
        generation_config: Any,
        **model_inputs: Any,
    ) -> torch.Tensor:
        """Called by `generate` once everything is prepared; keeps it for the steps."""
        self._ids, self._config, self._inputs = input_ids, generation_config, model_inputs
        return input_ids

    def prefill(self, cancelled: Callable[[], bool]) -> torch.Tensor:
        """Run the prompts, long ones in pieces. Returns the next token's raw logits, float32 (rows, vocabulary).

        Raises:
            Cancelled: `cancelled` answered True before a piece, or a layer of one, began.
        """

        def check(*_: object) -> None:
            if cancelled():
                raise Cancelled

        held = self._held_in_pieces()
        if held is not None and self._ids.shape[1] - held.get_seq_length() > SHORT:
            self._config.prefill_chunk_size = _PIECE
        watched = (self._network, *self._layers())
        watching = [module.register_forward_pre_hook(check, prepend=True) for module in watched]
        try:
            if self._cached and not self._at_once:
                return self._one_by_one()
            outputs = self._network._prefill(self._ids, self._config, self._inputs)
        finally:
            for hook in watching:
                hook.remove()
        logits = self._after(outputs)
        if self._copies is not None:
            self.keep(self._copies)
            logits = logits[self._copies]
        if self.shape[0] > 1 and (held := self.cache):
            growing.in_place(held[1])
        return logits

    def _layers(self) -> Iterator[torch.nn.Module]:
        """The network's layers: on a large model a single piece takes long, and a cancel is seen between them."""
        import torch

        for part in self._network.base_model.children():
            if isinstance(part, torch.nn.ModuleList):
                yield from part

    def _one_by_one(self) -> torch.Tensor:
        """The prompt's tokens after the cached ones, each in a pass of its own."""
        ids, here = self._ids, self._cached + 1
        self._ids = ids[:, :here]
        for name in ("attention_mask", "position_ids"):
            if self._inputs.get(name) is not None:
                self._inputs[name] = self._inputs[name][..., :here]
        inputs = self._network.prepare_inputs_for_generation(
            self._ids, next_sequence_length=1, **self._inputs
        )
        logits = self._after(self._network(**inputs, return_dict=True))
        for token in ids[0, here:].tolist():
            logits = self.step([token])
        return logits

    def pieces(self, size: int, skip: int, cancelled: Callable[[], bool]) -> Iterator[torch.Tensor]:
        """Run a single prompt in pieces; yields the raw logits at each of its places, (tokens, vocabulary).

        Args:
            size: tokens in a piece; a network that takes its prompt only as a whole gets it so.
            skip: so many places at the beginning are run for what follows them only; their logits are not wanted,
                and those of whole pieces are left out as (tokens, 0).

        Raises:
            Cancelled: `cancelled` answered True before a piece began.
        """
        inputs, ids = self._inputs, self._ids
        self._inputs = {}
        slices = inputs.pop("logits_to_keep", None) is not None
        held = self._held_in_pieces(inputs)
        length = ids.shape[1]
        size = size if held is not None else length
        mask, positions = inputs.pop("attention_mask", None), inputs.pop("position_ids", None)
        for begin in range(0, length, size):
            if cancelled():
                raise Cancelled
            end = min(begin + size, length)
            wanted = end > skip
            if mask is not None:
                inputs["attention_mask"] = mask[:, :end]
            if positions is not None:
                inputs["position_ids"] = positions[..., begin:end]
            prepared = self._network.prepare_inputs_for_generation(
                ids[:, begin:end], is_first_iteration=True, **inputs
            )
            if slices:
                prepared["logits_to_keep"] = 0 if wanted else 1
            outputs = self._network(**prepared, return_dict=True)
            yield outputs.logits[0] if wanted else outputs.logits.new_empty(end - begin, 0)

    def _held_in_pieces(self, inputs: dict[str, Any] | None = None) -> Any:
        """The cache, if a prompt may go into it piece by piece: not where all layers are recurrent."""
        inputs = self._inputs if inputs is None else inputs
        held: Any = inputs.get("cache", inputs.get("past_key_values"))
        apart = self._at_once and not all(getattr(held, "is_linear", [False]))
        return held if held is not None and apart else None

    def step(self, tokens: Sequence[int]) -> torch.Tensor:
        """Append one token a row and run it. Returns the next raw logits, float32 (rows, vocabulary)."""
        import torch

        column = torch.tensor(tokens, device=self._ids.device).unsqueeze(-1)
        self._ids = torch.cat([self._ids, column], dim=-1)
        inputs = self._network.prepare_inputs_for_generation(
            self._ids, next_sequence_length=1 if self._inputs["use_cache"] else None, **self._inputs
        )
        return self._after(self._network(**inputs, return_dict=True))

    def keep(self, rows: Sequence[int]) -> None:
        """Let go of all rows but these, given by their places in the batch; a place named twice becomes two rows."""
        import torch

        index = torch.tensor(rows, device=self._ids.device)
        batch = self._ids.shape[0]
        self._ids = self._ids[index]
        for name, value in self._inputs.items():
            if name in _CACHE_NAMES and value is not None:
                value.reorder_cache(index)
            elif isinstance(value, torch.Tensor) and value.dim() > 1:
                axis = next((axis for axis in range(value.dim() - 1) if value.shape[axis] == batch), None)
                if axis is not None:
                    self._inputs[name] = value.index_select(axis, index)

    @property
    def cache(self) -> tuple[str, Any] | None:
        """The cache under the name by which this architecture takes it; it holds the first `fed` tokens."""
        held = ((name, self._inputs.get(name)) for name in _CACHE_NAMES)
        return next(((name, cache) for name, cache in held if cache is not None), None)

    @property
    def fed(self) -> int:
        """How many tokens of each row have been run, padding included."""
        return self._fed

    def _after(self, outputs: Any) -> torch.Tensor:
        import torch

        self._fed = int(self._ids.shape[1])
        self._inputs = self._network._update_model_kwargs_for_generation(outputs, self._inputs)
        logits: torch.Tensor = outputs.logits[:, -1].to(torch.float32, copy=True)
        return logits


def decode(
    steps: Steps,
    rows: Sequence[Row],
    ends: Collection[int],
    cancelled: Callable[[], bool],
    watch: Watch | None = None,
) -> Iterator[tuple[Row, TokenEvent]]:
    """Generate until every row has finished or is cancelled; yields each row's events as they come.

    After `cancelled` has answered True, or the last row was cancelled, no forward pass starts.
    """
    import torch

    alive = list(rows)
    guides = [row.guide for row in alive]
    samplings, prompts = [row.sampling for row in alive], [row.prompt for row in alive]
    sampler = Sampler(samplings, prompts, ends, [row.ids for row in alive], guides)
    top = max((row.top for row in rows), default=0)
    tokens: list[int] = []

    def stopped() -> bool:
        return cancelled() or all(row.is_cancelled for row in alive)

    while alive:
        if stopped():
            yield from [(row, row.cancel()) for row in alive]
            return
        with torch.no_grad():
            try:
                logits = steps.step(tokens) if tokens else steps.prefill(stopped)
            except Cancelled:
                continue  # to the check above
            forced = [row.forced for row in alive]
            picks = sampler.draw(logits, watch, top, forced)
        for row, pick in zip(alive, picks, strict=True):
            yield row, row.cancel() if row.is_cancelled else row.accept(pick)
        staying = [place for place, row in enumerate(alive) if row.finish_reason is None]
        if staying and len(staying) < len(alive):
            sampler.keep(staying)
            steps.keep(staying)
        tokens = [picks[place].id for place in staying]
        alive = [alive[place] for place in staying]
