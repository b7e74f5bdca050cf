"""What is asked of every architecture, and the table of what came out: `python -m tests.architectures` writes it.

Random tiny models, in float32, through the public API. It does not know architectures: those with a name here come
from `tiny`, the others are drawn by seed from all that transformers registers.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

import influence_nb as inb
from influence_nb import Sampling
from influence_nb.errors import UnsupportedModel
from tests import shrunk, tiny

USUAL_SEED = 5
SEED = int(os.environ.get("TEST_SEED", USUAL_SEED))
"""Draws the architectures that nobody chose; the table in the docs is of the usual one."""
DRAWN = 8
PAGE = Path(__file__).parents[1] / "docs" / "models.md"
BEGIN, END = "<!-- architectures: generated -->", "<!-- architectures: end -->"

GREEDY = Sampling(temperature=0, top_p=None, repetition_penalty=1.0, max_new_tokens=8)
TURNS = ("hello world", "the quick brown fox", "how are you?")
TEXT = "user assistant system hello world, how are you today? The lazy dog."


def generation(model: inb.Model) -> str:
    """Greedy output is that of transformers' own `generate`."""
    import torch

    ids = model.encode(TEXT)
    with torch.no_grad():
        theirs = model.network.generate(torch.tensor([ids]), max_new_tokens=8, do_sample=False)[0, len(ids) :]
    ours = model.generate(ids, GREEDY).ids
    assert ours == theirs.tolist()[: len(ours)]
    assert len(ours) == 8 or model.generate(ids, GREEDY).finish_reason == "stop"
    return "yes"


def session_reuse(model: inb.Model) -> str:
    """Every turn is that of a fresh run; so is one after an edit of the past."""
    session = model.session(sampling=GREEDY)
    cached = []
    for turn, text in enumerate(TURNS):
        hot = {"seed": turn, "temperature": float(turn % 2)}
        answer = session.send(text, **hot)
        assert answer.ids == model.generate(session.messages[:-1], GREEDY, **hot).ids
        cached.append(answer.usage.cached_tokens)
    session.messages[2:] = [{"role": "user", "content": "the quick red fox"}]
    edited = session.reply().completion
    assert edited.ids == model.generate(session.messages[:-1], GREEDY).ids
    if edited.usage.cached_tokens:
        return "yes, after edits too"
    return "where it extends"  # that it does then is what `forked_caches` looks at


def batch(model: inb.Model) -> str:
    """Rows of different lengths and settings, some of one prompt, leaving at different times, are single calls'."""
    prompts = ["The quick", TEXT, [7, 8, 9], TEXT * 2, "lazy dog.", [9, 8, 7], TEXT, TEXT]
    samplings = [
        GREEDY,
        Sampling(seed=1, temperature=1.0, max_new_tokens=12),
        GREEDY.replace(max_new_tokens=2),
        Sampling(seed=2, temperature=0.8, top_k=20, max_new_tokens=6),
        Sampling(seed=3, max_new_tokens=9),
        GREEDY.replace(max_new_tokens=5),
        GREEDY,
        Sampling(seed=1, temperature=1.5, top_p=None, max_new_tokens=7),
    ]
    found = model.batch(prompts, samplings)
    for one, prompt, sampling in zip(found, prompts, samplings, strict=True):
        assert one.ids == model.generate(prompt, sampling).ids
    ways = model.together()
    return "mixed lengths" if ways.mixed else "equal lengths" if ways.rows else "one by one"


def forked_caches(model: inb.Model) -> str:
    """One prefill, copied, goes on in two ways, and each is that of a fresh run."""
    start = model.encode(TEXT)
    first = model.new_prefix()
    begun = model.stream_ids(start, GREEDY.replace(max_new_tokens=3), prefix=first).completion
    second = model.new_prefix()
    second.copy(first)
    reused = 0
    for prefix, more in ((first, [5, 6, 7]), (second, [8, 9]), (first, [5, 6, 7, 11])):
        prompt = [*start, *begun.ids, *more]
        found = model.stream_ids(prompt, GREEDY, prefix=prefix).completion
        assert found.ids == model.generate(prompt, GREEDY).ids
        reused += found.usage.cached_tokens
    assert reused, "no cache was gone on with"
    return "yes" if model.goes_on() else "token by token"


def scoring(model: inb.Model) -> str:
    """Log-probabilities are those of one plain forward pass."""
    import torch

    ids = model.encode(TEXT)
    with torch.no_grad():
        logprobs = model.network(torch.tensor([ids])).logits[0].float().log_softmax(-1)
    own = [logprobs[place, token].item() for place, token in enumerate(ids[1:])]
    assert model.score(TEXT).logprobs[1:] == pytest.approx(own, abs=1e-3)
    return "yes"


CHECKS: tuple[Callable[[inb.Model], str], ...] = (generation, session_reuse, batch, forked_caches, scoring)


def run(folder: Path) -> tuple[str, dict[str, str]]:
    """(the class, {check: what came out}) of the model in a folder."""
    model = inb.load(folder, device="cpu", dtype="float32")
    try:
        return model.local.architecture, {check.__name__: check(model) for check in CHECKS}
    finally:
        model.unload()


def drawn(into: Path) -> Iterator[tuple[str, tuple[str, dict[str, str]]]]:
    """(kind, what `run` gave) of architectures that nobody chose."""
    left = DRAWN
    for kind, network in shrunk.drawn(SEED, 1000):
        folder = into / kind
        tiny.sharpen(network)
        network.save_pretrained(folder)
        tiny.tokenizer().save_pretrained(folder)
        try:
            yield kind, run(folder)
        except UnsupportedModel:  # an encoder that could have been a decoder
            continue
        left -= 1
        if not left:
            return


def table(found: dict[str, tuple[str, dict[str, str]]]) -> str:
    """The table in Markdown; `found` is what `run` gave for each kind."""
    import transformers

    names = [check.__name__ for check in CHECKS]
    head = ["architecture", "model type", *(name.replace("_", " ") for name in names)]
    lines = [head, ["---"] * len(head)]
    for kind, (architecture, results) in found.items():
        lines.append([architecture, f"`{kind}`", *(results[name] for name in names)])
    rows = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"With transformers {transformers.__version__}:\n\n{rows}"


def on_page() -> str:
    """The table as docs/models.md has it."""
    return PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].strip()


def main() -> None:
    with tempfile.TemporaryDirectory() as into:
        found: dict[str, Any] = {}
        named = ((kind, run(tiny.build(Path(into) / kind, kind))) for kind in tiny.KINDS)
        for kind, results in chain(named, drawn(Path(into))):
            found[kind] = results
            print(kind, *found[kind], flush=True)
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table(found)}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
