"""`Watch`: the most memory that was taken of a device between two moments.

It does not know what took it.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from influence_nb.engine import device as devices

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


class Watch:
    """What is taken of a device between two moments: begun before a model is loaded, asked once it has run.

    On a GPU, bytes of tensors; on a CPU, the process's resident size, which has the libraries in it that were
    imported on the way.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._before = self._used()

    def forget_peak(self) -> None:
        """Let the peak be that of what happens from now on."""
        import torch

        if self._device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats(self._device)
        elif self._device == "cpu":
            with suppress(OSError):  # elsewhere than on Linux there is no such file
                _CLEAR.write_text("5")

    def taken(self) -> int:
        """The most bytes at once since `forget_peak`, above what was taken at the beginning."""
        return self._used(peak=True) - self._before

    def _used(self, peak: bool = False) -> int:
        import torch

        if self._device.startswith("cuda"):
            ask = torch.cuda.max_memory_allocated if peak else torch.cuda.memory_allocated
            return int(ask(self._device))
        used, _ = devices.memory(self._device)
        return max(used, _high_water()) if peak and self._device == "cpu" else used


def _high_water() -> int:
    """The largest resident size of this process since `forget_peak`; 0 where that is not said."""
    try:
        found = re.search(r"^VmHWM:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0
