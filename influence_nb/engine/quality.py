"""What is loaded and how, in numbers; and what quantization costs: perplexity beside the plain model's, on one text.

It knows how to load the plain model for a moment; it does not know how tokens are scored (`score.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from influence_nb.arguments import expect_bool, expect_text, quoted
from influence_nb.engine import device as devices
from influence_nb.engine import registry
from influence_nb.errors import InvalidData
from influence_nb.memory.weights import PACKED

if TYPE_CHECKING:
    from influence_nb.engine.runtimes.transformers import TransformersModel

TEXT = (
    "The harbour was quiet in the morning. Boats lay side by side along the wall, and the gulls walked between the "
    "nets as if they owned them. A woman with a blue bucket came down the steps to buy fish, and waited while the "
    "old man weighed it on a scale that he had carried from his boat. He told her that the wind would turn before "
    "noon. She did not believe him, because he said so every day, but she counted out the coins and thanked him. "
    "Water boils at a lower temperature in the mountains than at the sea, since the air presses less on its surface. "
    "A kettle that sings after four minutes in a village by the coast needs less heat on a high pass, yet potatoes "
    "take longer there, because what cooks them is not the boiling but the temperature of the water. "
    "To add two fractions, bring them to the same denominator, add the numerators, and shorten the result. One half "
    "and one third are three sixths and two sixths, which makes five sixths. If you forget the rule, draw a cake. "
    "The library opens at nine and closes at six. Members may borrow up to ten books for four weeks; whoever returns "
    "a book late pays a small fee for each day. Reference works and newspapers are read in the hall on the first "
    "floor, where there are desks, lamps, and a view of the river."
)
"""What perplexity is measured on where nobody gives a text: a few kinds of plain English, written for this."""


def report(model: TransformersModel, text: str | None, quality: bool) -> dict[str, Any]:
    """Arguments and values as those of `TransformersModel.report`."""
    measured = wanted(text, quality)
    used, total = devices.memory(model.device)
    numbers = sum(
        weight.numel() for weight in model.loaded().parameters() if not hasattr(weight, "quant_state")
    )
    count = model.local.parameters or numbers
    return {
        "name": model.name,
        "architecture": type(model.loaded()).__name__,
        "parameters": model.local.parameters,
        "weights": model.weights_size,
        "device": model.device,
        "dtype": model.dtype,
        "quantization": model.quantization,
        "bits_per_weight": round(8 * model.weights_size / count, 2) if count else None,
        "quality": measure(model, text or TEXT) if measured else None,
        "attention": model.attention,
        "context_length": model.context_length,
        "load_seconds": model.load_seconds,
        "memory": model.memory,
        "memory_used": used,
        "memory_total": total,
    }


def wanted(text: str | None, quality: bool) -> bool:
    """Whether a report is to measure quality.

    Raises:
        InvalidData: `text` is no text or has none, or `quality` is neither True nor False.
    """
    expect_text(text=text)
    expect_bool(quality=quality)
    if text is not None and not text.strip():
        raise InvalidData(
            f"text={quoted(text)} is empty: there is nothing to measure.",
            "Give some sentences, or leave it out: quality=True measures a text of ours.",
        )
    return quality or text is not None


def measure(model: TransformersModel, text: str) -> dict[str, float | None]:
    """{"perplexity", "unquantized", "ratio"} of a model on a text.

    Of weights that were packed while loading, "unquantized" is the perplexity of the plain model in the same dtype,
    one that is loaded already or one that is loaded for this and unloaded again. Of plain weights it is their own; None
    where the checkpoint was packed by somebody else, since the plain weights are not here.
    """
    own = model.score(text).perplexity
    if model.quantization is None:
        return {"perplexity": own, "unquantized": own, "ratio": 1.0}
    if model.quantization not in PACKED or model.local.quantization is not None:
        return {"perplexity": own, "unquantized": None, "ratio": None}
    plain = _plain(model, text)
    return {"perplexity": own, "unquantized": plain, "ratio": own / plain}


def _plain(model: TransformersModel, text: str) -> float:
    from influence_nb.engine.load import load_model

    for other in registry.loaded():
        if other.answers_to(model.local, model.device, model.dtype):
            return other.score(text).perplexity
    trusted = model.arguments.get("trust_remote_code", False)
    once = load_model(model.local, model.device, model.dtype, trust_remote_code=trusted)
    try:
        return once.score(text).perplexity
    finally:
        once.unload()
