"""Chat templates: messages to text, the tokens that end a turn, and the template's own switches.

It knows tokenizers; it does not know models or sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from influence_nb.errors import BrokenModel, CapabilityMissing, InvalidData

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Message = Mapping[str, str]
_SENTINEL = "influence sentinel"


class Templated(Protocol):
    """What has a chat template and renders it: transformers' tokenizers, and those of other runtimes."""

    chat_template: Any

    @property
    def apply_chat_template(self) -> Callable[..., Any]:
        """Renders messages; arguments as those of transformers' tokenizers."""


def render(
    tokenizer: Templated,
    messages: Sequence[Message],
    switches: Mapping[str, Any] | None = None,
    answering: bool = True,
) -> str:
    """The text that is sent for `messages`, up to where the assistant's answer begins.

    Args:
        messages: {"role", "content"} each; roles as the template knows them.
        switches: variables for the template, such as {"enable_thinking": False}.
        answering: whether the beginning of the assistant's answer stands at the end.

    Raises:
        CapabilityMissing: the model has no chat template.
        BrokenModel: the template is no template.
        InvalidData: a message without role or content, or messages that the template refuses.
    """
    plain = checked(messages)
    if not tokenizer.chat_template:
        raise CapabilityMissing(
            "This model has no chat template, so it cannot take messages.",
            "Give it plain text to continue: model.generate('Once upon a time').",
        )
    try:
        text = tokenizer.apply_chat_template(
            plain, tokenize=False, add_generation_prompt=answering, **(switches or {})
        )
    except Exception as error:
        if type(error).__name__ == "TemplateSyntaxError":
            raise BrokenModel(
                f"The model's chat template cannot be read: {error}.",
                "Fetch the model again, or give it plain text to continue: model.generate('Once upon a time').",
            ) from error
        raise InvalidData(
            f"The model's chat template refuses these messages: {error}",
            "Check the roles and their order; some templates allow no system message.",
        ) from error
    assert isinstance(text, str)
    return text


def ends(tokenizer: PreTrainedTokenizerBase, said: int | list[int] | None, name: str) -> frozenset[int]:
    """What ends a turn: `said` by the generation config and the chat template's; else the tokenizer's.

    Raises:
        BrokenModel: the generation config of the model of that `name` names what is no token's id.
    """
    found = set(said if isinstance(said, list) else [said] if said is not None else [])
    if odd := [end for end in found if not isinstance(end, int)]:
        raise BrokenModel(
            f"{name} names {odd[0]!r} as an end of its turns, which is no token's id.",
            "Look at eos_token_id in its generation_config.json and config.json.",
        )
    found |= end_of_turn(tokenizer)
    if not found and tokenizer.eos_token_id is not None:
        found = {tokenizer.eos_token_id}
    return frozenset(found)


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """The special token with which the template closes an assistant's message, if it does."""
    if not tokenizer.chat_template:
        return set()
    messages = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": _SENTINEL}]
    try:
        text = tokenizer.apply_chat_template(messages, tokenize=False)
    except Exception:  # a template may refuse anything; then the generation config's ends are all there is
        return set()
    assert isinstance(text, str)
    after = text.rpartition(_SENTINEL)[2]
    ids = tokenizer(after, add_special_tokens=False)["input_ids"]
    special = set(tokenizer.all_special_ids) | {
        token for token, added in tokenizer.added_tokens_decoder.items() if added.special
    }
    return {next(token for token in ids if token in special)} if special & set(ids) else set()


def switches(tokenizer: Templated) -> dict[str, bool]:
    """The template's own on/off variables, such as enable_thinking, and what each is when not set."""
    if not isinstance(tokenizer.chat_template, str):
        return {}
    try:
        names = _boolean_names(tokenizer.chat_template)
        messages = [{"role": "user", "content": "hello"}]
        default = render(tokenizer, messages)
        return {name: render(tokenizer, messages, {name: True}) == default for name in sorted(names)}
    except Exception:  # whatever is odd about a template, chatting without switches still works
        return {}


def variables(tokenizer: Templated) -> set[str] | None:
    """What the template reads beside the messages, such as enable_thinking; None where that cannot be told."""
    if not isinstance(tokenizer.chat_template, str):
        return None
    try:
        return _given(_parsed(tokenizer.chat_template))
    except Exception:  # rendering will say what is wrong
        return None


def _parsed(template: str) -> Any:
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(extensions=[loopcontrols])
    # transformers' {% generation %} marks are not plain jinja
    plain = template.replace("{% generation %}", "").replace("{% endgeneration %}", "")
    return environment.parse(plain)


def _given(tree: Any) -> set[str]:
    """Variables that the template reads and never sets, and that only its user can give."""
    from jinja2.meta import find_undeclared_variables

    return set(find_undeclared_variables(tree)) - {
        "add_generation_prompt", "documents", "messages", "raise_exception", "strftime_now", "tools",
        "builtin_tools", "custom_tools", "bos_token", "eos_token", "unk_token", "pad_token",
    }  # fmt: skip


def _boolean_names(template: str) -> set[str]:
    """Those of them that are used as conditions."""
    from jinja2 import nodes

    tree = _parsed(template)
    tested = {test.node.name for test in tree.find_all(nodes.Test)
              if test.name in ("true", "false") and isinstance(test.node, nodes.Name)}  # fmt: skip
    conditions = [node.test for node in tree.find_all(nodes.If)]
    conditions += [node.test for node in tree.find_all(nodes.CondExpr)]
    tested |= {name.name for condition in conditions for name in _bare_names(condition)}
    return _given(tree) & tested


def _bare_names(test: Any) -> list[Any]:
    """Names that stand as conditions by themselves, under and, or, not."""
    from jinja2 import nodes

    if isinstance(test, nodes.Name):
        return [test]
    if isinstance(test, nodes.Not):
        return _bare_names(test.node)
    if isinstance(test, nodes.And | nodes.Or):
        return _bare_names(test.left) + _bare_names(test.right)
    return []


def checked(messages: Sequence[Message]) -> list[dict[str, str]]:
    """The messages as plain dicts.

    Raises:
        InvalidData: there are none, or one lacks a role or text.
    """
    if not messages:
        raise InvalidData(
            "There are no messages.", "Give at least one: [{'role': 'user', 'content': '...'}]."
        )
    for place, message in enumerate(messages):
        if not isinstance(message, Mapping) or not {"role", "content"} <= set(message):
            raise InvalidData(
                f"Message {place} has no role or no content.",
                "Each message is a dict: {'role': 'user', 'content': '...'}.",
            )
        if not isinstance(message["content"], str) or not isinstance(message["role"], str):
            raise InvalidData(
                f"The role or the content of message {place} is not text.", "Only text goes in and out."
            )
    return [dict(message) for message in messages]
