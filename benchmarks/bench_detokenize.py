"""Streaming detokenization to 16,000 tokens: time a token along the way, beside transformers' TextIteratorStreamer.

The text has no line breaks, which is where the streamer begins anew.
"""

from __future__ import annotations

import statistics
import time

import influence_nb as inb
from benchmarks.common import fail, line
from influence_nb.embeddings.corpus import corpus
from influence_nb.engine.detokenize import Detokenizer

TOKENS, SAMPLE = 16_000, 100
PLACES = (1_000, 2_000, 4_000, 8_000, 16_000)


def main() -> None:
    import torch
    from transformers import TextIteratorStreamer

    model = inb.load(device="cpu")
    texts = [text.replace("\n", " ") for text in corpus()["text"]]
    ids: list[int] = []
    while len(ids) < TOKENS:
        ids += model.encode(" ".join(texts) + " ", special=False)
    ids = ids[:TOKENS]

    def ours() -> list[float]:
        """Microseconds a token, in the tokens before each place: the median, since all cost alike."""
        made, words = Detokenizer(model.tokenizer), []
        taken = []
        for token in ids:
            began = time.perf_counter()
            words.append(made.push(token))
            taken.append(time.perf_counter() - began)
        if "".join([*words, made.rest()]) != model.decode(ids):
            fail("the streamed text is not the decoded one")
        return [statistics.median(taken[place - SAMPLE : place]) * 1e6 for place in PLACES]

    def theirs() -> list[float]:
        """The same of the streamer, filled at once up to the tokens that are measured."""
        found = []
        for place in PLACES:
            streamer = TextIteratorStreamer(model.tokenizer, skip_special_tokens=True)
            streamer.put(torch.tensor(ids[: place - SAMPLE]))
            taken = []
            for token in ids[place - SAMPLE : place]:
                one = torch.tensor([token])
                began = time.perf_counter()
                streamer.put(one)
                taken.append(time.perf_counter() - began)
            found.append(statistics.median(taken) * 1e6)
        return found

    ours()
    for name, figures in (("ours", mine := ours()), ("TextIteratorStreamer", other := theirs())):
        shown = ", ".join(f"{figure:.0f} at {place:,}" for place, figure in zip(PLACES, figures, strict=True))
        print(f"{name}: {shown} (microseconds a token)")
    line("detokenizing, time a token at 16,000 / at 1,000 tokens", mine[-1] / mine[0], "at most 1.2")
    line("the same of TextIteratorStreamer", other[-1] / other[0], "for comparison")
    line("time a token at 16,000, ours / TextIteratorStreamer", mine[-1] / other[-1], "for comparison")


if __name__ == "__main__":
    main()
