"""Which rows a network can run in one batch, found by trying: with padding, of one length only, or one at a time.

Padding must not change what a row comes to. Attention masks it out; recurrent states, convolutions and attention in
blocks do only where an architecture sees to it. It does not know architectures by name, nor prompts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from influence_nb.engine.loop import Steps

if TYPE_CHECKING:
    import torch

    from influence_nb.engine.loop import Network

_LONG, _SHORT = 41, 23
"""Tokens of the two rows that are tried; no multiple of the blocks in which some architectures work."""


@dataclass(frozen=True)
class Together:
    """Which rows may run in one batch.

    Attributes:
        rows: whether several rows can run at once at all.
        mixed: whether they may be of different lengths, padded on the left.
        mixed_below: the longest text, in tokens, up to which that holds; None for no limit.
    """

    rows: bool
    mixed: bool
    mixed_below: int | None = None


def together(network: Network) -> Together:
    """Try it: a row's logits alone, beside a longer row, beside one of its length; two steps each.

    A few short forward passes. Logits count as equal when they differ by no more than rounding does in the
    network's dtype.
    """
    import torch

    context = getattr(network.config.get_text_config(), "max_position_embeddings", None) or 2 * _LONG
    long, short = min(_LONG, max(2, context // 2)), min(_SHORT, max(1, context // 4))
    vocabulary = int(network.get_input_embeddings().num_embeddings)
    row = [(7 * place + 3) % vocabulary for place in range(short)]
    with torch.no_grad():
        alone = list(_logits(network, [row]))
        mixed = _same(alone, network, [[(5 * place + 1) % vocabulary for place in range(long)], row])
        rows = mixed or _same(alone, network, [[(5 * place + 1) % vocabulary for place in range(short)], row])
    return Together(rows, mixed, _fixed_positions(network))


def _same(alone: Sequence[torch.Tensor], network: Network, rows: list[list[int]]) -> bool:
    import torch

    tolerance = 1e-3 if network.dtype == torch.float32 else 0.25
    try:
        for expected, found in zip(alone, _logits(network, rows), strict=True):
            if not (found - expected).abs().max() <= tolerance * expected.std():
                return False
    except Exception:  # however an architecture says that it cannot
        return False
    return True


def _logits(network: Network, rows: list[list[int]]) -> Iterator[torch.Tensor]:
    """The last row's next logits after its prompt, beside the others and then, once they have left, alone."""
    steps = Steps(network, rows)
    yield steps.prefill(lambda: False)[-1]
    yield steps.step([rows[-1][0]] * len(rows))[-1]
    if len(rows) > 1:
        steps.keep([len(rows) - 1])
    yield steps.step([rows[-1][1 % len(rows[-1])]])[-1]


def _fixed_positions(network: Network) -> int | None:
    """Up to which length rotary frequencies are the same for every row, whatever the longest in the batch.

    Two ways of stretching a context (dynamic NTK scaling, and LongRoPE, arXiv:2402.13753) compute them from the
    longest text of the batch.
    """
    limits = [
        limit
        for module in network.modules()
        if any(kind == "longrope" or "dynamic" in kind for kind in _rope_types(module))
        for limit in _limits(module)
    ]
    return min(limits, default=None)


def _rope_types(module: Any) -> list[str]:
    said = vars(module).get("rope_type")
    kinds = list(said.values()) if isinstance(said, dict) else [said]
    return [kind for kind in kinds if isinstance(kind, str)]


def _limits(module: Any) -> list[int]:
    parameters = getattr(getattr(module, "config", None), "rope_parameters", None) or {}
    nested = [parameters, *(value for value in parameters.values() if isinstance(value, dict))]
    said = [one.get("original_max_position_embeddings") for one in nested]
    said.append(vars(module).get("original_max_seq_len"))
    return [limit for limit in said if isinstance(limit, int)]
