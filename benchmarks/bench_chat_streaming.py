"""Tokens a second through a live ChatPanel in a real kernel, against transformers' own generate.

Same model, prompt, length and sampling parameters; only the way of drawing differs (ours is repeatable).
"""

from __future__ import annotations

from benchmarks.common import fail, kernel, ratio

TOKENS, ROUNDS = 96, 5

SETUP = f"""
import json, time, torch
import influence_nb as inb
from IPython.display import display

model = inb.load()
chat = inb.widgets.ChatPanel(model=model)
display(chat)
settings = dict(temperature=0.7, top_p=0.9, repetition_penalty=1.1)
question = "Tell me a long story about a lighthouse."

def through_the_panel():
    chat.clear()
    began = time.perf_counter()
    chat.send(question, seed=1, min_new_tokens={TOKENS}, max_new_tokens={TOKENS}, **settings).result()
    return {TOKENS} / (time.perf_counter() - began)

def by_generate():
    began = time.perf_counter()
    ids = torch.tensor([model.encode(model.render([dict(role="user", content=question)]), special=False)])
    model.network.generate(ids, do_sample=True, top_k=0, min_new_tokens={TOKENS}, max_new_tokens={TOKENS}, **settings)
    return {TOKENS} / (time.perf_counter() - began)

through_the_panel(), by_generate()
"""


def main() -> None:
    with kernel() as real:
        real.run(SETUP)
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(real.run("print(json.dumps(through_the_panel()))"))
            theirs.append(real.run("print(json.dumps(by_generate()))"))
        if not real.comm_bytes:
            fail("the panel sent nothing to a page")
    print(
        f"panel tokens/s: {[round(x, 1) for x in ours]}, generate tokens/s: {[round(x, 1) for x in theirs]}"
    )
    ratio("chat streaming, tokens a second, ChatPanel / transformers generate", ours, theirs, "at least 0.95")


if __name__ == "__main__":
    main()
