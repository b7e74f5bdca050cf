"""How a model's folder says that one vector is made of many: pooling, what follows it, prompts, length limit.

It knows sentence-transformers' layout (`modules.json`) but not the package, and loads no weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from influence_nb.errors import BrokenModel, InvalidData, UnsupportedModel

if TYPE_CHECKING:
    from torch import Tensor

POOLINGS = ("mean", "cls", "last", "weighted_mean")
"""What `pool` can do; the names sentence-transformers uses are mapped to these."""
NORMALIZE = "normalize"
"""A step after pooling: scale to length 1."""

_THEIRS = {"mean": "mean", "cls": "cls", "lasttoken": "last", "weightedmean": "weighted_mean"}
_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_lasttoken": "last",
    "pooling_mode_weightedmean_tokens": "weighted_mean",
}


@dataclass(frozen=True)
class Recipe:
    """What a model's folder says about turning its hidden states into one vector a text.

    Attributes:
        pooling: one of `POOLINGS`.
        steps: what follows pooling, in order: `NORMALIZE`, or the folder of a dense layer.
        max_tokens: longer texts are cut; None where the folder does not say.
        stated: True when the folder says so; False when `mean` is this program's choice.
        prompts: what is put before texts, by name.
        default_prompt: the name of the one that is used where none is asked for.
        lowercase: whether texts are made lower case first.
        pools_prompt: whether the prompt's own tokens take part in pooling.
    """

    pooling: str = "mean"
    steps: tuple[str | Path, ...] = ()
    max_tokens: int | None = None
    stated: bool = False
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    lowercase: bool = False
    pools_prompt: bool = True

    @property
    def normalize(self) -> bool:
        """Whether vectors are scaled to length 1."""
        return NORMALIZE in self.steps


def read_recipe(folder: Path) -> Recipe:
    """Read `modules.json`, the modules' configs, `sentence_bert_config.json` and `config_sentence_transformers.json`.

    Args:
        folder: a model's folder; without `modules.json` the answer is `Recipe()`, which is mean pooling.

    Raises:
        BrokenModel: a file that is named is missing, is not JSON or says something else.
        UnsupportedModel: a kind of module or pooling that is not in `POOLINGS`.
    """
    try:
        return _recipe(folder)
    except (TypeError, AttributeError, KeyError, OSError) as error:
        raise BrokenModel(
            f"The modules.json of {folder}, or a file it names, cannot be read: {error}.",
            "Fetch the model again.",
        ) from error


def _recipe(folder: Path) -> Recipe:
    if not (folder / "modules.json").is_file():
        return Recipe()
    pooling, limit, lowercase, pools_prompt = "mean", None, False, True
    steps: list[str | Path] = []
    for module in _read(folder / "modules.json"):
        kind = str(module.get("type", "")).rsplit(".", 1)[-1]
        inside = folder / str(module.get("path", ""))
        if kind == "Transformer":
            described = inside / "sentence_bert_config.json"
            said = _read(described) if described.is_file() else {}
            limit, lowercase = said.get("max_seq_length"), bool(said.get("do_lower_case"))
        elif kind == "Pooling":
            config = _read(inside / "config.json")
            pooling, pools_prompt = _pooling(config, folder), bool(config.get("include_prompt", True))
        elif kind == "Dense":
            steps.append(inside)
        elif kind == "Normalize":
            steps.append(NORMALIZE)
        elif kind != "Dropout":  # which does nothing once trained
            raise UnsupportedModel(
                f"{folder.name} has a module of the kind {kind!r} after its encoder.",
                "Transformer, Pooling, Dense and Normalize modules can be run; choose another encoder.",
            )
    prompts, default = _prompts(folder)
    return Recipe(
        pooling, tuple(steps), limit, True, prompts, default, lowercase=lowercase, pools_prompt=pools_prompt
    )


def _prompts(folder: Path) -> tuple[dict[str, str], str | None]:
    file = folder / "config_sentence_transformers.json"
    said = _read(file) if file.is_file() else {}
    prompts = {str(name): str(text) for name, text in (said.get("prompts") or {}).items() if text is not None}
    default = said.get("default_prompt_name")
    if default is not None and default not in prompts:
        raise BrokenModel(
            f"{file} has no prompt {default!r}, which it says is the default.", "Fetch the model again."
        )
    return prompts, default


def _pooling(config: dict[str, Any], folder: Path) -> str:
    if "pooling_mode" in config:
        modes = config["pooling_mode"]
        asked = [modes] if isinstance(modes, str) else list(modes)
        known = [_THEIRS.get(mode) for mode in asked]
    else:
        asked = [flag for flag, on in config.items() if flag.startswith("pooling_mode_") and on]
        known = [_FLAGS.get(flag) for flag in asked]
    if len(known) == 1 and known[0]:
        return known[0]
    raise UnsupportedModel(
        f"{folder.name} asks for the pooling {' + '.join(asked) or 'none'}.",
        f"One of {', '.join(POOLINGS)} can be run; choose one with pooling=... or another encoder.",
    )


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BrokenModel(
            f"{path} is missing.", "Fetch the model again; its modules.json names it."
        ) from error
    except ValueError as error:
        raise BrokenModel(f"{path} is not JSON: {error}.", "Fetch the model again.") from error


def check_pooling(name: str) -> str:
    """Give the name back, or raise InvalidData when it is not in `POOLINGS`."""
    if name not in POOLINGS:
        raise InvalidData(f"There is no pooling {name!r}.", f"Choose one of {', '.join(POOLINGS)}.")
    return name


def pool(hidden: Tensor, mask: Tensor, how: str, skip: int = 0) -> Tensor:
    """One vector a row, from the positions that hold tokens.

    Args:
        hidden: (rows, positions, d), padded on the right.
        mask: (rows, positions), 1 where there is a token; at least one a row.
        how: "mean"; "cls" (the first token); "last" (the last token); "weighted_mean" (weights 1, 2, 3, ...
            along the text, so that tokens which saw more count more: Muennighoff 2022, SGPT, section 3.1).
        skip: so many tokens at the beginning take no part, where as many are left.

    Returns:
        (rows, d) in float32.
    """
    import torch

    hidden = hidden.float()
    length = mask.sum(1)
    if how == "last":
        return hidden[torch.arange(len(hidden), device=hidden.device), length - 1]
    first = torch.where(length > skip, skip, 0)
    if how == "cls":
        return hidden[torch.arange(len(hidden), device=hidden.device), first]
    place = torch.arange(mask.shape[1], device=mask.device)
    weights = mask.float() * (place >= first[:, None])
    if how == "weighted_mean":
        weights = weights * (place + 1)
    return (hidden * weights[:, :, None]).sum(1) / weights.sum(1, keepdim=True)
