"""Devices: which there are, which dtype suits, how much memory is used and free, and giving it back.

All code that differs from device to device is here. It does not know models.
"""

from __future__ import annotations

import ctypes
import gc
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from influence_nb.arguments import quoted
from influence_nb.errors import DeviceUnavailable, UnsupportedModel
from influence_nb.memory.budget import DeviceBudget
from influence_nb.settings import settings

if TYPE_CHECKING:
    import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""From glibc's malloc.h: how much a heap keeps at its end; from what size on an allocation gets pages of its own, which
go back when it is freed."""

_PAGES_FROM, _USUAL_PAGES_FROM = 128 * 2**10, 32 * 2**20
"""Bytes: the latter while weights are read, and afterwards what glibc lets it grow to by itself."""

_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
    ),
)
"""Where Linux says what a container may take, and takes: the second version of control groups, and the first."""

_WARMUP = 6

_SHARE = 0.9
"""Of what a GPU has free, how much of a model laid out over several it is given: caches and activations come on top."""

DTYPES = ("auto", "bfloat16", "float16", "float32")


def available() -> list[str]:
    """The names of this machine's devices, the one that "auto" takes first: "cuda:0", "mps", "cpu"."""
    import torch

    names = (
        [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    )
    if torch.backends.mps.is_available():
        names.append("mps")
    return [*names, "cpu"]


def resolve(name: str = "auto") -> torch.device:
    """The device of that name: "auto" (CUDA, then MPS, then CPU), "cpu", "cuda", "cuda:1", "mps".

    Raises:
        DeviceUnavailable: the name is unknown, or there is no such device in this machine.
    """
    import torch

    here = available()
    if name == "auto":
        return torch.device(here[0])
    name = str(name)
    wanted = "cuda:0" if name == "cuda" else name
    if wanted in here:
        return torch.device(wanted)
    known = wanted == "mps" or (wanted.startswith("cuda:") and wanted[5:].isdigit())
    if not known:
        raise DeviceUnavailable(f"{quoted(name)} is not a device.", f"Use one of: auto, {', '.join(here)}.")
    reason = f"there is no device {quoted(name)} in this machine"
    if wanted.startswith("cuda:") and not torch.backends.cuda.is_built():  # type: ignore[no-untyped-call]
        reason += " that this build of torch can use (it was built without CUDA)"
    raise DeviceUnavailable(f"{reason[0].upper()}{reason[1:]}.", f"Use one of: auto, {', '.join(here)}.")


def name(device: object) -> str:
    """A device as we write it, of one as accelerate counts them: 1 is "cuda:1"."""
    return f"cuda:{device}" if isinstance(device, int) else str(device)


@dataclass(frozen=True)
class Place:
    """Where a model goes.

    Attributes:
        device: the device, or the first of several.
        shares: {device: bytes that it may take} where one alone has no room for it, as accelerate counts devices;
            empty for one device.
    """

    device: torch.device
    shares: Mapping[int | str, int] = field(default_factory=dict)

    def options(self) -> dict[str, Any]:
        """What transformers is told, to have accelerate lay the layers out; nothing for one device."""
        return {"device_map": "auto", "max_memory": dict(self.shares)} if self.shares else {}


def place(name: str, needed: int) -> Place:
    """The device for a model that takes so many bytes, errors as `resolve`'s.

    "auto" with several GPUs is the first that has room for it; where none has, all of them together, if they have.
    """
    gpus = [one for one in available() if one.startswith("cuda")] if name == "auto" else []
    if len(gpus) < 2:
        return Place(resolve(name))
    free = {one: budget(one).free for one in gpus}
    if roomy := next((one for one in gpus if free[one] >= needed), None):
        return Place(resolve(roomy))
    shares: dict[int | str, int] = {index: int(free[one] * _SHARE) for index, one in enumerate(gpus)}
    return Place(resolve(gpus[0]), shares if sum(shares.values()) >= needed else {})


def resolve_dtype(name: str, device: torch.device, checkpoint: torch.dtype | None) -> torch.dtype:
    """The dtype to load in.

    "auto" is what the checkpoint says; where that is a 16-bit type, CPUs get bfloat16 if they compute it natively
    and float32 if not, and GPUs without bfloat16 get float16.

    Raises:
        UnsupportedModel: `name` is not a dtype that weights can be loaded in.
    """
    import torch

    if name not in DTYPES:
        raise UnsupportedModel(
            f"{quoted(name)} is not a dtype to load in.", f"Use one of: {', '.join(DTYPES)}."
        )
    if name != "auto":
        chosen: torch.dtype = getattr(torch, name)
        return chosen
    if checkpoint not in (torch.bfloat16, torch.float16):
        return torch.float32
    if device.type == "cpu":
        return torch.bfloat16 if _cpu_has_bfloat16() else torch.float32
    if checkpoint == torch.bfloat16 and device.type == "cuda":
        with torch.cuda.device(device):
            return (
                torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
            )
    return checkpoint


@cache
def _cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 natively: AVX512_BF16 or AMX on x86, BF16 on Arm."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        words = set(cpuinfo.read_text(errors="replace").split())
        return bool(words & {"avx512_bf16", "amx_bf16", "bf16"})
    return False


def memory(device: str = "cpu") -> tuple[int, int]:
    """Bytes used and bytes in all: of the device's memory, or for "cpu" this process's resident size and the host's."""
    import psutil

    if device.startswith("cuda"):
        import torch

        free, total = torch.cuda.mem_get_info(device)
        return total - free, total
    if device == "mps":
        import torch

        return torch.mps.driver_allocated_memory(), torch.mps.recommended_max_memory()
    return psutil.Process().memory_info().rss, psutil.virtual_memory().total


def budget(name: str = "auto") -> DeviceBudget:
    """The memory of a device, and what of it a model may take now.

    Of a GPU: what the driver says is free, and what torch holds there without using it. Of a CPU: what the host can
    give without swapping, and no more than a container's limit leaves.

    Args:
        name: as `engine.device.resolve` takes it.

    Raises:
        DeviceUnavailable: no such device.
    """
    import psutil
    import torch

    device = str(resolve(name))
    if device.startswith("cuda"):
        free, total = torch.cuda.mem_get_info(device)
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return DeviceBudget(device, total, free + held)
    if device == "mps":
        total = torch.mps.recommended_max_memory()
        return DeviceBudget(device, total, max(0, total - torch.mps.current_allocated_memory()))
    host = psutil.virtual_memory()
    limit, left = _container()
    return DeviceBudget(device, min(host.total, limit), min(host.available, left), _cpu_has_bfloat16())


def _container() -> tuple[int, int]:
    """(bytes that this process's control group may take, what is left of them); very many where nothing limits it."""
    unlimited = 1 << 62
    for limit_file, used_file, stat_file in _CGROUPS:
        try:
            limit, used = int(Path(limit_file).read_text()), int(Path(used_file).read_text())
        except (OSError, ValueError):  # no such file, or "max"
            continue
        with suppress(OSError):  # files' contents that the kernel drops when room is wanted
            found = re.search(r"^(?:total_)?inactive_file (\d+)$", Path(stat_file).read_text(), re.MULTILINE)
            used -= int(found[1]) if found else 0
        return min(limit, unlimited), max(0, limit - used)
    return unlimited, unlimited


@contextmanager
def tidy_allocations() -> Iterator[None]:
    """Keep what is allocated inside out of glibc's heaps, so that it is returned once it is freed.

    Weights are read by several threads; each would put them into a heap of its own, and the holes in those stay
    resident. The number of heaps is left alone: glibc keeps the smallest limit that it was ever given, and threads
    that share one heap wait for each other from then on.
    """
    adjust = _glibc("mallopt")
    if adjust is not None:
        adjust(_M_MMAP_THRESHOLD, _PAGES_FROM)
    try:
        yield
    finally:
        if adjust is not None:
            adjust(_M_MMAP_THRESHOLD, _USUAL_PAGES_FROM)
            adjust(_M_TRIM_THRESHOLD, 2 * _USUAL_PAGES_FROM)  # as it grows with the other


def warmup_tokens(device: torch.device) -> int:
    """How many tokens a model generates when it is loaded there: kernels are compiled and chosen by the first ones."""
    said = settings().warmup_tokens
    return said if said is not None else 1 if device.type == "cpu" else _WARMUP


def use_threads(count: int | None) -> None:
    """Compute with so many CPU threads from now on; None leaves it as it is."""
    import torch

    if count is not None and count != torch.get_num_threads():
        torch.set_num_threads(count)


def give_back() -> None:
    """Return freed memory to the device and to the operating system."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        elif torch.backends.mps.is_available():
            torch.mps.empty_cache()
    trim()


def trim() -> None:
    """Return what glibc holds of freed memory to the operating system."""
    release = _glibc("malloc_trim")
    if release is not None:
        release(0)


def _glibc(name: str) -> Callable[..., int] | None:
    """A function of glibc's; None on other systems and other C libraries."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
