"""What a network's rows and caches can do, found by trying on a few tokens: no list of architectures says it.

Padding must not change what a row comes to: attention masks it out; recurrent states, convolutions and attention in
blocks do only where an architecture sees to it. A cache must go on where it ended: some recurrent states do for a
single token only, and forget what was before several. It does not know prompts, sessions or batches.
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
        copies: whether the cache of one row can be copied to many, so that equal prompts are run once.
    """

    rows: bool
    mixed: bool
    mixed_below: int | None = None
    copies: bool = False


def together(network: Network) -> Together:
    """Try it: a row's logits alone, beside a longer row, beside one of its length, beside a copy; two steps each.

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
        copies = rows and _same(alone, network, [row, row])
    return Together(rows, mixed, _fixed_positions(network), copies)


def goes_on(network: Network) -> bool:
    """Whether a cache can be gone on with by several tokens at once, as a session's next turn does.

    Where it cannot it can by one token after the other, since that is what generating does.
    """
    import torch

    context = getattr(network.config.get_text_config(), "max_position_embeddings", None) or 2 * _LONG
    length = min(_SHORT, max(3, context // 2))
    vocabulary = int(network.get_input_embeddings().num_embeddings)
    prompt = [(7 * place + 3) % vocabulary for place in range(length)]
    try:
        with torch.no_grad():
            whole = Steps(network, [prompt]).prefill(lambda: False)
            begun = Steps(network, [prompt[: length * 2 // 3]])
            begun.prefill(lambda: False)
            if begun.cache is None:
                return False
            return _equal(network, Steps(network, [prompt], begun.cache).prefill(lambda: False), whole)
    except Exception:  # however an architecture says that it cannot
        return False


def sees_ahead(network: Network) -> bool:
    """Whether a token's logits depend on the token after it, as in encoders: then there is nothing to generate."""
    import torch

    one, other = torch.tensor([[1, 2, 3, 4]]), torch.tensor([[1, 2, 3, 5]])
    with torch.no_grad():
        first, second = (network(ids.to(network.device)).logits[:, :-1].float() for ids in (one, other))
    return not _equal(network, second, first)


def _equal(network: Network, found: torch.Tensor, expected: torch.Tensor) -> bool:
    """Whether logits differ by no more than rounding does in the network's dtype."""
    import torch

    tolerance = 1e-3 if network.dtype == torch.float32 else 0.25
    return bool((found - expected).abs().max() <= tolerance * expected.std())


def _same(alone: Sequence[torch.Tensor], network: Network, rows: list[list[int]]) -> bool:
    try:
        pairs = zip(alone, _logits(network, rows), strict=True)
        return all(_equal(network, found, expected) for expected, found in pairs)
    except Exception:  # however an architecture says that it cannot
        return False


def _logits(network: Network, rows: list[list[int]]) -> Iterator[torch.Tensor]:
    """The last row's next logits after its prompt, beside the others and then, once they have left, alone.

    The others take another token than it does, so that copies of one row part.
    """
    steps = Steps(network, rows, copies=True)
    yield steps.prefill(lambda: False)[-1]
    yield steps.step([*(token[1 % len(token)] for token in rows[:-1]), rows[-1][0]])[-1]
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
