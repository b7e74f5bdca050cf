"""lm-evaluation-harness on a loaded model, in this process: its tasks, its prompts, its scoring, our engine.

    import lm_eval
    lm_eval.simple_evaluate(model=inb.lm_eval_model(model), tasks=["arc_easy"])

It does not know tasks; whatever the harness asks of a model is answered: log-likelihoods and texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from influence_nb.arguments import quoted
from influence_nb.engine import likelihood
from influence_nb.engine.model import Model
from influence_nb.engine.runtimes.transformers import TransformersModel
from influence_nb.engine.sampling import Sampling
from influence_nb.engine.score import windows
from influence_nb.errors import InvalidData, MissingExtra

MOST_TOKENS = 256
"""Tokens of an answer where the task does not say, as the harness has it."""


def lm_eval_model(model: Model) -> Any:
    """A loaded model as lm-evaluation-harness takes one: `lm_eval.simple_evaluate(model=...)`.

    Log-likelihoods equal those of the harness's own `hf` model in the same dtype, up to rounding: contexts and
    continuations are parted into tokens as it does, and a context that is too long loses its beginning.

    Args:
        model: from `inb.load()`, run by transformers.

    Returns:
        An instance of `lm_eval.api.model.LM`.

    Raises:
        MissingExtra: the harness is not installed.
        InvalidData: no loaded model, or one of a runtime that cannot tell how probable a text is.
    """
    try:
        from lm_eval.api.model import LM
    except ImportError as error:
        raise MissingExtra(
            "lm-evaluation-harness is not installed.", "Run: pip install 'influence_nb[lm-eval]'."
        ) from error
    if not isinstance(model, TransformersModel):
        raise InvalidData(
            f"{quoted(model)} cannot answer lm-evaluation-harness.",
            "Give a model of inb.load(), run by transformers.",
        )

    loaded = model

    class Loaded(LM):
        """Each call answers a list of the harness's requests, in order; `args` of one are its texts."""

        def loglikelihood(self, requests: Any, **_: Any) -> list[tuple[float, bool]]:
            pairs = [likelihood.split(loaded, *one.args) for one in requests]
            found = likelihood.of_ids(loaded, [(shortened(loaded, *pair), pair[1]) for pair in pairs])
            return [(one.logprob, one.greedy) for one in found]

        def loglikelihood_rolling(self, requests: Any, **_: Any) -> list[float]:
            return [rolling(loaded, one.args[0]) for one in requests]

        def generate_until(self, requests: Any, **_: Any) -> list[str]:
            asked = [one.args for one in requests]
            samplings = [sampling_of(how) for _, how in asked]
            room = [loaded.context_length and loaded.context_length - one.max_new_tokens for one in samplings]
            prompts = [
                loaded.encode(text)[-most if most else 0 :]
                for (text, _), most in zip(asked, room, strict=True)
            ]
            return [one.text for one in loaded.batch(prompts, samplings)]

        def apply_chat_template(
            self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
        ) -> str:
            text: Any = loaded.tokenizer.apply_chat_template(
                chat_history,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                continue_final_message=not add_generation_prompt,
            )
            return str(text)

        def chat_template(self, chat_template: bool | str = False) -> str | None:
            return loaded.chat_template if chat_template else None

        @property
        def tokenizer_name(self) -> str:
            return loaded.name.replace("/", "__")

        def get_model_info(self) -> dict[str, Any]:
            return {"model_name": loaded.name, "model_dtype": loaded.dtype, "model_device": loaded.device}

    return Loaded()


def shortened(model: TransformersModel, context: Sequence[int], continuation: Sequence[int]) -> list[int]:
    """As much of a context's end as fits before a continuation, whose last token is never run."""
    most = model.context_length
    return list(context if most is None else context[-max(1, most + 1 - len(continuation)) :])


def rolling(model: TransformersModel, text: str) -> float:
    """The log-probability of a whole text in nats, <= 0, the token that begins or else ends one before it.

    A text longer than the context is cut into windows that do not overlap, as the harness cuts it.
    """
    from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

    ids = model.encode(text)
    if not ids:
        return 0.0
    first = model.tokenizer.bos_token_id
    parts = get_rolling_token_windows(
        token_list=ids,
        prefix_token=next(iter(model.ends), 0) if first is None else first,
        max_seq_len=model.context_length or 2048,
        context_len=1,
    )
    total = 0.0
    for context, continuation in map(make_disjoint_window, parts):
        ids = [*context, *continuation]
        pieces = model.on_worker(partial(windows, model, ids, len(ids), len(ids)), "scoring", None)
        total += sum([one for piece in pieces for one in piece.logprobs][len(context) - 1 :])
    return total


def sampling_of(asked: Mapping[str, Any]) -> Sampling:
    """The harness's `gen_kwargs` as a `Sampling`; greedy where it does not ask for sampling.

    Raises:
        InvalidData: it asks for something that a `Sampling` has not.
    """
    given = dict(asked)
    until = given.pop("until", None) or []
    lengths = [given.pop(name, None) for name in ("max_gen_toks", "max_new_tokens", "max_tokens")]
    drawn = given.pop("do_sample", None)
    heat = float(given.pop("temperature", 0.0 if drawn is not True else 1.0) or 0.0)
    values: dict[str, Any] = {
        "stop": tuple([until] if isinstance(until, str) else until),
        "max_new_tokens": next((int(one) for one in lengths if one is not None), MOST_TOKENS),
        "temperature": 0.0 if drawn is False else heat,
        "top_k": given.pop("top_k", None) or None,
        "top_p": given.pop("top_p", 1.0),
        "min_p": given.pop("min_p", 0.0),
        "repetition_penalty": given.pop("repetition_penalty", 1.0),
    }
    if given:
        raise InvalidData(
            f"The task asks for {next(iter(given))!r} in generation.", "Take it out of generation_kwargs."
        )
    return Sampling(**values)
