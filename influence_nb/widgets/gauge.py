"""Memory as bars: how much each kind uses now, and how much it used before the last load or unload.

It asks the engine for figures; it does not know models.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from influence_nb.engine import device
from influence_nb.widgets.base import escape


@dataclass(frozen=True)
class Memory:
    """Bytes used and bytes in all, of a device or, for "cpu", of this process in the host's memory."""

    device: str
    used: int
    total: int

    @property
    def label(self) -> str:
        """What it is the memory of, in words."""
        return "Host, this process" if self.device == "cpu" else f"Memory of {self.device}"


def measure(devices: Iterable[str]) -> list[Memory]:
    """The memory of these devices, and of the host, which comes first."""
    names = ["cpu", *(name for name in devices if name != "cpu")]
    return [Memory(name, *device.memory(name)) for name in names]


def gauges(now: Iterable[Memory], before: Iterable[Memory] = ()) -> str:
    """Bars as HTML; where there was a measurement before, it is marked and the difference is written."""
    earlier = {one.device: one for one in before}
    return "".join(_gauge(one, earlier.get(one.device)) for one in now)


def _gauge(now: Memory, before: Memory | None) -> str:
    text = f"{size(now.used)} of {size(now.total)}"
    mark = ""
    if before is not None:
        change = now.used - before.used
        text += f" (before: {size(before.used)}, {'+' if change >= 0 else '−'}{size(abs(change))})"
        mark = f'<span class="inb-mark" style="left:{_percent(before):.2f}%"></span>'
    return (
        f'<div class="inb-gauge"><span class="inb-gauge-label">{escape(now.label)}</span>'
        f'<span class="inb-track" role="meter" aria-label="{escape(now.label)}" aria-valuemin="0" '
        f'aria-valuemax="{now.total}" aria-valuenow="{now.used}" aria-valuetext="{escape(text)}">'
        f'<span class="inb-fill" style="width:{_percent(now):.2f}%"></span>{mark}</span>'
        f'<span class="inb-gauge-text">{escape(text)}</span></div>'
    )


def _percent(memory: Memory) -> float:
    return 100 * min(1.0, memory.used / memory.total) if memory.total else 0.0


def size(amount: float) -> str:
    """Bytes in words: 812 MB, 1.2 GB (powers of ten)."""
    if amount < 1e9:
        return f"{amount / 1e6:.0f} MB"
    return f"{amount / 1e9:.1f} GB"
