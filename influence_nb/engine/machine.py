"""What the machine is that something ran on, as plain values.

It does not know models.
"""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Any


def machine(device: str) -> dict[str, Any]:
    """Operating system, processor, cores, threads of torch, bytes of memory of the device, its GPU or None."""
    import psutil
    import torch

    from influence_nb.engine import device as devices

    gpu = (
        torch.cuda.get_device_name(device)
        if device.startswith("cuda")
        else device
        if device != "cpu"
        else None
    )
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory": devices.memory(device)[1] if gpu else psutil.virtual_memory().total,
        "accelerator": gpu,
    }


def _processor() -> str:
    """The processor's name, as well as the system tells it."""
    try:
        said = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        said = None
    return said[1].strip() if said else platform.processor() or platform.machine()
