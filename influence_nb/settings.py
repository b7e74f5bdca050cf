"""Settings from INFLUENCE_* variables and `.env`, as one frozen value, read when first asked for.

It does not know who uses them. The model, the device, the port, the output directory and the sampling defaults are for
the command line and the server only: the Python API takes what it is given.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from influence_nb.errors import SettingsError

PREFIX = "INFLUENCE_"
ENVIRONMENT, DEFAULT = "environment", "default"

_UNITS = {"": 1, "B": 1, **{f"{letter}B": 1000**power for power, letter in enumerate("KMGT", 1)}}
_UNITS |= {f"{letter}IB": 1024**power for power, letter in enumerate("KMGT", 1)}


def _bytes(value: object) -> object:
    """A number of bytes as people write it: "8GB", "512 MiB"."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", value) if isinstance(value, str) else None
    if found is None or found[2].upper() not in _UNITS:
        return value
    return int(float(found[1]) * _UNITS[found[2].upper()])


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


class Settings(BaseSettings):
    """What the environment decides; each field is read from `INFLUENCE_<NAME>`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True, allow_inf_nan=False
    )

    home: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("influence_nb", appauthor=False)),
        description="Where our own state lives: the starter models, one SQLite file and its journal, computed vectors.",
    )
    offline: bool = Field(default=False, description="Ask no package index and no hub for anything.")
    mirror: str | None = Field(
        default=None, description="The address of the hub to ask; unset means huggingface_hub's own endpoint."
    )
    xet: bool = Field(
        default=False, description="Fetch large files by Xet, which can be faster and cannot be resumed."
    )
    output_dir: Path | None = Field(
        default=None,
        description="Where `influence download` puts models, each in owner/name below it; unset means the Hub's cache; "
        "and where the explorer saves maps, unset there means the notebook's folder.",
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
    vector_cache: Annotated[int, BeforeValidator(_bytes)] = Field(
        default=4_000_000_000,
        ge=0,
        description="The most bytes of computed vectors that are kept for next time, such as 4GB; 0 keeps none.",
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
    receipts: Path | None = Field(
        default=None,
        description="A file that the receipt of every completion is added to, a line of JSON each; unset means none.",
    )
    model_path: str | None = Field(
        default=None,
        min_length=1,
        description="The model that commands and the server load when none is named: a name, a folder or a GGUF file; "
        "unset means starter/chat.",
    )
    device: Annotated[str, BeforeValidator(_lower)] = Field(
        default="auto",
        min_length=1,
        description="Where commands and the server load models: auto, cpu, cuda, cuda:1 or mps.",
    )
    device_index: int | None = Field(
        default=None, ge=0, description="Which GPU, counted from 0, where the device names none."
    )
    temperature: float | None = Field(
        default=None,
        ge=0,
        description="Of commands and the server: 0 takes the most probable token; unset means 0.7.",
    )
    top_p: float | None = Field(
        default=None, gt=0, le=1, description="Of commands and the server: nucleus sampling; unset means 0.9."
    )
    top_k: int | None = Field(
        default=None,
        ge=1,
        description="Of commands and the server: keep the k most probable tokens; unset means all.",
    )
    repeat_penalty: float | None = Field(
        default=None, gt=0, description="Of commands and the server: the repetition penalty; unset means 1.1."
    )
    max_tokens: int | None = Field(
        default=None, ge=1, description="Of commands and the server: the most new tokens; unset means 512."
    )
    port: int = Field(default=11434, ge=1, le=65535, description="Where `influence serve` listens.")
    api_key: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="The key that the server asks of its clients; needed to listen elsewhere than on 127.0.0.1.",
    )
    log: Annotated[Literal["error", "warning", "info", "debug"], BeforeValidator(_lower)] = Field(
        default="warning",
        description="What commands and the server log to standard error; --verbose means info.",
    )


@dataclass(frozen=True)
class Setting:
    """One setting as it is in force.

    Attributes:
        variable: its name, such as "INFLUENCE_PORT".
        value: what holds; "set" stands for a secret, which is not shown.
        origin: "environment", "default", or the path of the `.env` that it was read from.
        description: what it does.
    """

    variable: str
    value: Any
    origin: str
    description: str


@cache
def settings() -> Settings:
    """The settings in force. `settings.cache_clear()` makes the next call read the environment again.

    Raises:
        SettingsError: a variable has a value that cannot be read, or `.env` cannot be.
    """
    try:
        read: dict[str, Any] = {"_env_file": dotenv(), "_env_file_encoding": "utf-8"}
        return Settings(**read)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        raise _unreadable(field, first["msg"], first["input"]) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{dotenv()} cannot be read: {error}.", "Make it a readable text file in UTF-8, or move it away."
        ) from error


def explained() -> list[Setting]:
    """Every setting with its value and where it came from; errors as `settings`'."""
    here = settings()
    rows = []
    for name, field in Settings.model_fields.items():
        value = getattr(here, name)
        shown = "set" if isinstance(value, SecretStr) else value
        rows.append(Setting(PREFIX + name.upper(), shown, _origin(name), field.description or ""))
    return rows


def unknown() -> list[tuple[str, str, str]]:
    """(variable, where it is set, the nearest setting in name or "") of what looks like a setting and is none."""
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    file = dotenv()
    places = [(ENVIRONMENT, os.environ), (str(file), _written(file))]
    return [
        (name, place, next(iter(difflib.get_close_matches(name.upper(), known, n=1)), ""))
        for place, variables in places
        for name in sorted(variables)
        if name.upper().startswith(PREFIX) and name.upper() not in known
    ]


def secrets() -> list[str]:
    """The values that must not be shown anywhere."""
    here = settings()
    held = [getattr(here, name) for name in Settings.model_fields]
    return [one.get_secret_value() for one in held if isinstance(one, SecretStr)]


def dotenv() -> Path | None:
    """The `.env` that is read: the working folder's, or below the home directory also the nearest in a folder above
    it, up to home. A folder that the home directory lies in is never looked at: whoever else can write there could
    choose our hub. None where there is no such file.
    """
    try:
        here, home = Path.cwd(), Path.home().resolve()
    except (OSError, RuntimeError):  # the folder is gone; nobody knows where home is
        return None
    if here in home.parents:
        return None
    folders = [here, *here.parents] if home in here.parents else [here]
    for folder in folders:
        file = folder / ".env"
        if file.is_file():
            return file
        if folder == home:
            break
    return None


def _origin(field: str) -> str:
    variable = PREFIX + field.upper()
    file = dotenv()
    for place, variables in ((ENVIRONMENT, os.environ), (str(file), _written(file))):
        if any(name.upper() == variable and value for name, value in variables.items()):
            return place
    return DEFAULT


def _written(file: Path | None) -> Mapping[str, str | None]:
    if file is None:
        return {}
    from dotenv import dotenv_values

    return dotenv_values(file, encoding="utf-8")


def _unreadable(field: str, why: str, value: object) -> SettingsError:
    variable, origin = PREFIX + field.upper(), _origin(field)
    where = "the environment" if origin == ENVIRONMENT else origin
    secret = "SecretStr" in str(Settings.model_fields[field].annotation)
    shown = "" if secret else f"it is {value!r}, "
    return SettingsError(
        f"{variable} cannot be read: {why} ({shown}from {where}).", f"Change or unset {variable} in {where}."
    )
