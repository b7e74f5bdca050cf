"""The table of what quantization costs in docs/models.md: `python -m tests.qualities` measures and writes it anew."""

from __future__ import annotations

from pathlib import Path

import influence_nb as inb
from influence_nb.engine.quality import TEXT

PAGE = Path(__file__).parent.parent / "docs" / "models.md"
BEGIN, END = "<!-- qualities: generated -->", "<!-- qualities: end -->"
COLUMNS = ("dtype", "quantization", "weights", "bits a weight", "perplexity", "beside float32")
WAYS = (("float32", None), ("bfloat16", None), ("bfloat16", "int8"), ("bfloat16", "nf4"))


def perplexity(dtype: str, quantization: str | None) -> tuple[float, int, float]:
    """(perplexity, bytes of weights, bits a weight) of the starter chat model on the fixed text."""
    model = inb.load("starter/chat", device="cpu", dtype=dtype, quantization=quantization)
    found = model.score(TEXT).perplexity, model.weights_size, model.report()["bits_per_weight"]
    model.unload()
    return found


def table() -> str:
    lines = [f"| {' | '.join(COLUMNS)} |", f"|{' --- |' * len(COLUMNS)}"]
    first = 0.0
    for dtype, quantization in WAYS:
        found, size, bits = perplexity(dtype, quantization)
        first = first or found
        cells = (dtype, quantization or "none", f"{size / 1e6:.0f} MB", f"{bits:.1f}", f"{found:.2f}",
                 f"{found / first - 1:+.1%}")  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def rows() -> list[dict[str, str]]:
    """The table as it stands in the page."""
    inside = PAGE.read_text().split(BEGIN)[1].split(END)[0].strip().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in inside]
    return [dict(zip(cells[0], line, strict=True)) for line in cells[2:]]


def main() -> None:
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
