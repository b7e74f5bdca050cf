"""Text to tokens and back with the tokenizer of a GGUF file, and its chat template.

It knows the file's header and asks llama.cpp to tokenize; it does not know models or sampling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from influence_nb.engine.runtimes.endpoint.model import check_text
from influence_nb.engine.runtimes.llamacpp.library import Library
from influence_nb.errors import InvalidData
from influence_nb.memory.gguf import GGUFHeader, Length

TYPES = "tokenizer.ggml.token_type"
"""The header's key for what each token is."""
_CONTROL = 3
"""Among those types: tokens that are no text."""
_SPECIAL = ("bos", "eos", "unk", "pad")


class Words:
    """A tokenizer; `engine.template` takes it in the place of transformers' own.

    Attributes:
        chat_template: from the file; None where it has none.
        size: tokens in the vocabulary.
    """

    def __init__(self, header: GGUFHeader, library: Library) -> None:
        self._library = library
        self._pieces: dict[int, bytes] = {}
        said = header.metadata
        template = said.get("tokenizer.chat_template")
        self.chat_template: str | None = template if isinstance(template, str) and template else None
        tokens = said.get("tokenizer.ggml.tokens")
        self.size = tokens.count if isinstance(tokens, Length) else len(tokens or ())
        kinds = said.get(TYPES)
        self._control = frozenset(
            place for place, kind in enumerate(kinds if isinstance(kinds, list) else ()) if kind == _CONTROL
        )
        named = {name: said.get(f"tokenizer.ggml.{name}_token_id") for name in _SPECIAL}
        named["pad"] = said.get("tokenizer.ggml.padding_token_id", named["pad"])
        named["unk"] = said.get("tokenizer.ggml.unknown_token_id", named["unk"])
        self._named = {
            f"{name}_token": self.decode([id], special=True)
            for name, id in named.items()
            if isinstance(id, int) and 0 <= id < self.size
        }

    def encode(self, text: str, special: bool = True) -> list[int]:
        """The ids of a text; the names of special tokens in it become those tokens.

        Raises:
            InvalidData: no str, or half a character in it.
        """
        return [id for id, _ in self.split(text, special)]

    def split(self, text: str, special: bool = False) -> list[tuple[int, bytes]]:
        """The ids of a text, each with the bytes that it stands for."""
        if not isinstance(text, str):
            raise InvalidData("This is not text that can be encoded.", "Give a str of whole characters.")
        check_text(text)
        answer = self._library.ask(
            "/tokenize", content=text, add_special=special, parse_special=True, with_pieces=True
        )
        found = [(int(one["id"]), _bytes(one["piece"])) for one in answer["tokens"]]
        self._pieces.update(found)
        return found

    def decode(self, ids: Sequence[int], special: bool = False) -> str:
        """The text of ids; special tokens are shown if `special`."""
        shown = [int(id) for id in ids if special or id not in self._control]
        if outside := [id for id in shown if not 0 <= id < self.size]:
            raise InvalidData(
                f"Token id {outside[0]} is outside the vocabulary.", f"Ids go from 0 to {self.size - 1}."
            )
        if len(shown) == 1 and shown[0] in self._pieces:
            return self._pieces[shown[0]].decode(errors="replace")
        return str(self._library.ask("/detokenize", tokens=shown)["content"]) if shown else ""

    def apply_chat_template(
        self,
        messages: Sequence[Mapping[str, str]],
        tokenize: bool = False,
        add_generation_prompt: bool = False,
        **switches: Any,
    ) -> str:
        """The text that the template makes of messages, rendered as transformers renders."""
        from transformers.utils.chat_template_utils import render_jinja_template

        rendered: Any = render_jinja_template(
            conversations=[[dict(message) for message in messages]],
            chat_template=self.chat_template,
            add_generation_prompt=add_generation_prompt,
            **{**self._named, **switches},
        )
        return str(rendered[0][0])


def _bytes(piece: Any) -> bytes:
    """A piece as the server writes it: text, or a list of bytes where it is no whole characters."""
    return piece.encode() if isinstance(piece, str) else bytes(piece)
