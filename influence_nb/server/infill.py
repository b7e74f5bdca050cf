"""Filling in: a prompt for what stands between two texts, by the tokens that models are trained on for it.

It does not know what is written there. The orders are those of the models' own cards.
"""

from __future__ import annotations

from influence_nb.engine.token_model import TokenModel

_FORMS = (
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),  # Qwen's coders, CodeGemma, Granite 4
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),  # StarCoder, Granite's code models
    ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),  # SantaCoder
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),  # DeepSeek's coders
)
"""What stands before the text, before what comes after it, and before what is to be filled in."""


def prompt(model: TokenModel, before: str, after: str, special: bool = True) -> list[int] | None:
    """The token ids that ask for what stands between two texts; None where the model has no tokens for that.

    The tokenizer's own special tokens stand before them unless `special` is False.
    """
    for form in _FORMS:
        marks = [model.encode(mark, special=False) for mark in form]
        if all(len(mark) == 1 for mark in marks):
            first, second, third = marks
            texts = [model.encode(text, special=False) for text in (before, after)]
            return [*model.encode("", special=special), *first, *texts[0], *second, *texts[1], *third]
    return None
