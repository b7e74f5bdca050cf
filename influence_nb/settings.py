"""Settings from INFLUENCE_* variables and `.env`, as one frozen value, read when first asked for.

It does not know who uses them. Sampling defaults from the environment are for the command line and the
server only: the Python API takes what it is given.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Annotated

import platformdirs
from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from influence_nb.errors import SettingsError

_UNITS = {"": 1, "B": 1, **{f"{letter}B": 1000**power for power, letter in enumerate("KMGT", 1)}}
_UNITS |= {f"{letter}IB": 1024**power for power, letter in enumerate("KMGT", 1)}


def _bytes(value: object) -> object:
    """A number of bytes as people write it: "8GB", "512 MiB"."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", value) if isinstance(value, str) else None
    if found is None or found[2].upper() not in _UNITS:
        return value
    return int(float(found[1]) * _UNITS[found[2].upper()])


class Settings(BaseSettings):
    """What the environment decides; each field is read from `INFLUENCE_<NAME>`."""

    model_config = SettingsConfigDict(
        env_prefix="INFLUENCE_", env_file=".env", frozen=True, extra="ignore", env_ignore_empty=True
    )

    home: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("influence_nb", appauthor=False)),
        description="Where our own state lives: the starter models, one SQLite file and its journal.",
    )
    offline: bool = Field(default=False, description="Ask no package index and no hub for anything.")
    mirror: str | None = Field(
        default=None, description="The address of the hub to ask; unset means huggingface_hub's own endpoint."
    )
    xet: bool = Field(
        default=False, description="Fetch large files by Xet, which can be faster and cannot be resumed."
    )
    endpoint_key: SecretStr | None = Field(
        default=None,
        description="The key that servers are given which run models for us. It is never shown or kept.",
    )
    endpoint_timeout: float = Field(
        default=300,
        gt=0,
        description="Seconds of silence after which a server that runs a model for us counts as hanging.",
    )
    memory_budget: Annotated[int | None, BeforeValidator(_bytes)] = Field(
        default=None,
        gt=0,
        description="The most memory that loaded models may hold on one device, such as 8GB; unset means all there is.",
    )
    warmup_tokens: int | None = Field(
        default=None,
        ge=0,
        le=1024,
        description="Tokens that a model generates when it is loaded; unset means 6 on GPUs and 1 on CPUs, 0 none.",
    )
    threads: int | None = Field(
        default=None, ge=1, le=4096, description="CPU threads that compute; unset means what torch chooses."
    )


@cache
def settings() -> Settings:
    """The settings in force. `settings.cache_clear()` makes the next call read the environment again.

    Raises:
        SettingsError: a variable has a value that cannot be read.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "INFLUENCE_" + "_".join(str(part) for part in first["loc"]).upper()
        raise SettingsError(
            f"{name} cannot be read: {first['msg']} (it is {first['input']!r}).",
            f"Change or unset {name} in the environment or in .env.",
        ) from error
