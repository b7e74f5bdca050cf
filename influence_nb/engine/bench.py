"""`bench`: how fast a loaded model is on this machine, over prompt lengths and batch sizes.

    result = inb.bench(model)
    result.to_frame(), result.plot(), result.save("here.json")

It knows models that take token ids, and what runs several at once; what is made of the figures is `benched.py`'s.
"""

from __future__ import annotations

import random
import statistics
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from influence_nb.arguments import expect_call, expect_event, quoted
from influence_nb.engine import device as devices
from influence_nb.engine.benched import Bench, Cell
from influence_nb.engine.completion import Completion
from influence_nb.engine.machine import machine
from influence_nb.engine.model import Model
from influence_nb.engine.receipts import package_versions
from influence_nb.engine.runtimes.transformers import TransformersModel
from influence_nb.engine.sampling import Sampling
from influence_nb.engine.token_model import TokenModel
from influence_nb.engine.watch import Watch
from influence_nb.errors import CapabilityMissing, InvalidData, OutOfMemory
from influence_nb.memory.activations import activations

if TYPE_CHECKING:
    from influence_nb.memory import ModelShape

__all__ = ["Bench", "BenchProgress", "bench"]


@dataclass(frozen=True)
class BenchProgress:
    """How far a bench is.

    Attributes:
        done, total: runs done, and in all; each cell has a run for each repeat.
        prompt_length, batch_size: of the cell at hand.
        cell: what was measured of it, once it is done; None before.
    """

    done: int
    total: int
    prompt_length: int
    batch_size: int
    cell: Cell | None = None


OnBench = Callable[[BenchProgress], object]


def bench(
    model: Model,
    prompt_lengths: Sequence[int] = (128, 512, 2048),
    batch_sizes: Sequence[int] = (1, 4, 16),
    new_tokens: int = 64,
    repeats: int = 3,
    cancel: threading.Event | None = None,
    on_progress: OnBench | None = None,
) -> Bench:
    """Measure prefill and decode speed, time to the first token and memory, for each prompt length and batch size.

    Prompts are tokens drawn by chance, the same each time; generation is greedy and never ends early. A batch runs
    as one, as `model.batch` runs prompts of one length. What does not fit the model's context, what the memory does
    not hold and what the runtime cannot do is noted in its cell, and the rest goes on.

    Args:
        model: a loaded model; not one on a server.
        prompt_lengths: tokens in each prompt, >= 1.
        batch_sizes: prompts at once, >= 1.
        new_tokens: tokens generated for each prompt, >= 2.
        repeats: runs of each cell, >= 1, after a short one to warm up; the figures are their medians.
        cancel: set it, from any thread, to stop at the next token; cells that are done are kept.
        on_progress: called with a `BenchProgress`, in the calling thread.

    Raises:
        InvalidData: an argument of the wrong kind or out of its range.
        CapabilityMissing: the model is on a server, or was unloaded.
    """
    if not isinstance(model, Model):
        raise InvalidData(
            f"model={quoted(model)} is no loaded model.", "Load it first: inb.bench(inb.load())."
        )
    expect_event(cancel)
    expect_call(on_progress=on_progress)
    lengths = _sizes("prompt_lengths", prompt_lengths)
    sizes = _sizes("batch_sizes", batch_sizes)
    new_tokens, repeats = _whole("new_tokens", new_tokens, 2), _whole("repeats", repeats, 1)
    if not isinstance(model, TokenModel):
        raise CapabilityMissing(
            f"The {model.runtime} runtime cannot be measured: its prompts are not made of tokens here.",
            "Measure on the machine that runs the model.",
        )
    if not model.is_loaded:
        raise CapabilityMissing(f"{model.name} was unloaded.", f"Load it again: inb.load({model.name!r}).")
    tell = on_progress or (lambda progress: None)
    todo = [(length, size) for length in lengths for size in sizes]
    cells: list[Cell] = []
    cancelled, total = False, len(todo) * repeats
    for length, size in todo:
        done, found = len(cells) * repeats, list[_Figures]()
        tell(BenchProgress(done, total, length, size))
        note = _obstacle(model, length, size, new_tokens)
        try:
            if not note:
                for figures in _runs(model, length, size, new_tokens, repeats, cancel):
                    found.append(figures)
                    if len(found) < repeats:
                        tell(BenchProgress(done + len(found), total, length, size))
        except OutOfMemory as error:
            devices.give_back()
            note = f"out of memory: {error.message}"
        if not note and len(found) < repeats:
            cancelled = True
            break
        cells.append(Cell(length, size, note=note) if note else _medians(length, size, found))
        tell(BenchProgress(done + repeats, total, length, size, cells[-1]))
    hardware, versions = machine(model.device), dict(package_versions())
    return Bench(_facts(model), hardware, versions, tuple(cells), new_tokens, repeats, cancelled, len(todo))


_Figures = tuple[float, float, float, int]
"""Of one run: prompt tokens a second, generated tokens a second, seconds to the first token, bytes taken."""


def _runs(
    model: TokenModel,
    length: int,
    size: int,
    new_tokens: int,
    repeats: int,
    cancel: threading.Event | None,
) -> Iterator[_Figures]:
    """The figures of each run, after a short one without; ends early once somebody cancels."""
    draw = random.Random(length)
    prompts = [[draw.randrange(model.vocabulary_size) for _ in range(length)] for _ in range(size)]
    devices.give_back()
    watch = Watch(model.device)
    watch.forget_peak()
    warm = False
    for tokens in (2, *[new_tokens] * repeats):
        sampling = Sampling(
            temperature=0, top_p=None, repetition_penalty=1.0, min_new_tokens=tokens, max_new_tokens=tokens
        )
        answers = _together(model, prompts, sampling, cancel)
        if any(answer.finish_reason == "cancelled" for answer in answers):
            return
        if warm:
            yield _figures(answers, watch)
        warm = True


def _medians(length: int, size: int, found: Sequence[_Figures]) -> Cell:
    prefill, decode, first, memory = zip(*found, strict=True)
    median = statistics.median
    return Cell(length, size, median(prefill), median(decode), median(first), max(memory))


def _together(
    model: TokenModel, prompts: list[list[int]], sampling: Sampling, cancel: threading.Event | None
) -> list[Completion]:
    """The prompts run as one batch, whatever `model.batch` would make of them."""
    if not isinstance(model, TransformersModel):
        return [model.stream_ids(prompts[0], sampling, cancel).completion]
    rows = [model.row(prompt, sampling) for prompt in prompts]
    for _ in model.decoded(rows, cancel):
        pass
    return [model.completion(row) for row in rows]


def _figures(answers: Sequence[Completion], watch: Watch) -> _Figures:
    prompt = sum(answer.usage.prompt_tokens or 0 for answer in answers)
    prefill = max(answer.timings.prefill for answer in answers)
    decode = sum(answer.timings.tokens_per_second for answer in answers)
    first = max(answer.timings.first_token for answer in answers)
    return prompt / prefill, decode, first, max(watch.taken(), 0)


def _obstacle(model: TokenModel, length: int, size: int, new_tokens: int) -> str:
    """Why a cell cannot be run; "" where nothing is known to stand in its way."""
    context = model.context_length
    if context is not None and length + new_tokens > context:
        return f"longer than the context of {context} tokens"
    if not isinstance(model, TransformersModel):
        return "" if size == 1 else f"the {model.runtime} runtime runs one prompt at a time"
    if size > 1 and not model.together().rows:
        return "this architecture runs one prompt at a time"
    shape: ModelShape | None = model.shape
    if model.device == "cpu" and shape is not None:
        # A CPU's memory does not say that it is full: the system ends the process instead.
        needed = shape.cache(length + new_tokens, size, model.dtype) + activations(
            shape, length, size, model.dtype
        )
        free = devices.budget("cpu").free
        if needed > free:
            return (
                f"out of memory: it would take about {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free"
            )
    return ""


def _facts(model: TokenModel) -> dict[str, Any]:
    report = model.report()
    local = model.local
    asked = ("name", "architecture", "parameters", "weights", "attention")
    return {
        **{name: report.get(name) for name in asked},
        "revision": local.revision if local else None,
        "dtype": model.dtype,
        "quantization": local.quantization if local else None,
        "device": model.device,
        "runtime": model.runtime,
    }


def _sizes(name: str, values: Any) -> list[int]:
    if isinstance(values, str | bytes) or not isinstance(values, Sequence) or not values:
        raise InvalidData(f"{name}={quoted(values)} is no list of sizes.", f"Write {name}=[1, 4].")
    return list(dict.fromkeys(_whole(name, value, 1) for value in values))


def _whole(name: str, value: Any, low: int) -> int:
    if type(value) is not int or value < low:
        raise InvalidData(
            f"{name}={quoted(value)} is out of range.", f"{name} takes whole numbers, at least {low}."
        )
    return value
