"""Tokenizing 1 MB of text through a loaded model, against the tokenizers library's own batch call."""

from __future__ import annotations

import time
from collections.abc import Callable

import influence_nb as inb
from benchmarks.common import fail, in_turns, ratio
from influence_nb.embeddings.corpus import corpus

BYTES, ROUNDS = 1_000_000, 9


def main() -> None:
    model = inb.load(device="cpu")
    library = model.tokenizer.backend_tokenizer
    texts = corpus()["text"].tolist()
    lines: list[str] = []
    size = 0
    while size < BYTES:
        lines.append(f"{texts[len(lines) % len(texts)]} ({len(lines)})")
        size += len(lines[-1].encode()) + 1
    whole = "\n".join(lines)
    if model.encode_batch(lines, special=False) != [
        one.ids for one in library.encode_batch(lines, add_special_tokens=False)
    ]:
        fail("the ids are not those of the library")
    on_processors: dict[str, list[float]] = {}

    def rate(name: str, work: Callable[[], object]) -> Callable[[], float]:
        def measure() -> float:
            began, processor = time.perf_counter(), time.process_time()
            work()
            on_processors.setdefault(name, []).append(1 / (time.process_time() - processor))
            return 1 / (time.perf_counter() - began)

        return measure

    many: dict[str, Callable[[], object]] = {
        "model.encode_batch": lambda: model.encode_batch(lines),
        "encode_batch": lambda: [one.ids for one in library.encode_batch(lines)],
    }
    single: dict[str, Callable[[], object]] = {
        "model.encode": lambda: model.encode(whole),
        "encode_batch of one": lambda: library.encode_batch([whole])[0].ids,
    }
    found: dict[str, list[float]] = {}
    for works in (many, single):  # apart: what one text of 1 MB leaves behind slows down whoever comes next
        found |= in_turns({name: rate(name, work) for name, work in works.items()}, ROUNDS)
    for name, figures in found.items():
        print(f"{name}: {[round(figure, 2) for figure in figures]} MB a second")
    ratio(
        f"{len(lines):,} texts, model.encode_batch / tokenizers' encode_batch",
        found["model.encode_batch"],
        found["encode_batch"],
        "at least 1.0",
    )
    ratio(
        "the same for a second of processor time",
        on_processors["model.encode_batch"],
        on_processors["encode_batch"],
        "for comparison",
    )
    ratio(
        "one text of 1 MB, model.encode / tokenizers' encode_batch of it",
        found["model.encode"],
        found["encode_batch of one"],
        "at least 1.0",
    )


if __name__ == "__main__":
    main()
