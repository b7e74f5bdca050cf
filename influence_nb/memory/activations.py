"""What a step needs besides weights and cache: the stream between layers, the inside of one layer, the logits.

An estimate from above of what the engine's loop does. It does not know the framework's own overhead.
"""

from __future__ import annotations

from influence_nb.memory.kept import FLOAT32
from influence_nb.memory.shape import ModelShape
from influence_nb.memory.weights import ITEMSIZES

PIECE = 512
"""Tokens in one piece of a long prefill, as in `engine.loop`; a prompt of up to two pieces runs at once."""
LOGITS = 6
"""Copies of one row of float32 logits that the sampler holds at once: raw, processed, their log-probabilities, noise
and what is sorted."""


def activations(shape: ModelShape, context: int, batch: int, dtype: str) -> int:
    """Bytes at the peak of a prefill of `batch` rows of `context` tokens, which is more than any later step takes.

    For each token in flight: the stream of width w, its normalized copies (one in float32, as RMSNorm and LayerNorm
    compute) and what is added to it; and the inside of one layer, either the MLP (gate, up, their product) or
    attention (queries, output). Attention's scores are never whole in memory (FlashAttention, arXiv:2205.14135), but
    keys and values of one layer are, once joined with the new ones and once repeated for every head.
    """
    itemsize = ITEMSIZES[dtype]
    flight = context if shape.constant or context <= 2 * PIECE else PIECE
    stream = flight * shape.hidden * (3 * itemsize + 2 * FLOAT32)
    mlp = 3 * flight * shape.widest * itemsize
    inner = shape.heads * shape.head_dim
    layer = max((part.size(context, itemsize) for part in shape.kept), default=0)
    repeated = 0 if shape.constant else 2 * context * inner * itemsize
    attention = 2 * flight * inner * itemsize + layer + repeated + flight * context
    logits = LOGITS * shape.vocabulary * FLOAT32
    return batch * (stream + max(mlp, attention) + logits)
