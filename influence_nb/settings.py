"""Settings from INFLUENCE_* variables and `.env`, as one frozen value, read when first asked for.

It does not know who uses them. Sampling defaults from the environment are for the command line and the
server only: the Python API takes what it is given.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import platformdirs
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from influence_nb.errors import SettingsError


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
