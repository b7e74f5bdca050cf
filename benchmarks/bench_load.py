"""Loading the starter chat model for the second time, against transformers' from_pretrained on the same files."""

from __future__ import annotations

import influence_nb as inb
from benchmarks.common import in_turns, ratio, seconds
from influence_nb.engine.device import give_back
from influence_nb.engine.quiet import quiet


def main() -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = inb.load(device="cpu")
    path, dtype = model.local.path, getattr(torch, model.dtype)
    model.unload()

    def ours() -> float:
        took = seconds(lambda: inb.load(device="cpu"))
        for loaded in inb.loaded():
            loaded.unload()
        return took

    def weights() -> float:
        with quiet():
            took = seconds(lambda: AutoModelForCausalLM.from_pretrained(path, dtype=dtype))
        give_back()
        return took

    def weights_and_tokenizer() -> float:
        with quiet():
            return weights() + seconds(lambda: AutoTokenizer.from_pretrained(path))

    found = in_turns({"ours": ours, "weights": weights, "both": weights_and_tokenizer}, 7)
    for name, figures in found.items():
        print(f"{name}: {[round(figure, 2) for figure in figures]} s")
    what = "loading the starter chat model, inb.load / from_pretrained of model and tokenizer"
    ratio(what, found["ours"], found["both"], "at most 1.2")
    ratio(
        "the same over from_pretrained of the model alone", found["ours"], found["weights"], "for comparison"
    )


if __name__ == "__main__":
    main()
