"""Bytes, rates and times in words, as short as a row of a list can hold them.

It does not know what is counted.
"""

from __future__ import annotations

_UNITS = ("B", "kB", "MB", "GB", "TB")


def data(amount: float) -> str:
    """Bytes in words, in powers of ten with three digits: "640 B", "1.23 kB", "45.1 MB", "812 GB"."""
    unit = 0
    while amount >= 999.5 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    digits = 0 if unit == 0 or amount >= 99.95 else 1 if amount >= 9.995 else 2
    return f"{amount:.{digits}f} {_UNITS[unit]}"


def rate(bytes_per_second: float) -> str:
    """Bytes a second in words; "" for none, since a rate of 0 says that nothing is known yet."""
    return f"{data(bytes_per_second)}/s" if bytes_per_second > 0 else ""


def many(number: int, what: str) -> str:
    """A number of things in words: "1 file", "2,000 files"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def duration(seconds: float | None) -> str:
    """Seconds in words, rounded up: "8 s", "3 min 20 s", "2 h 05 min"; "" for None."""
    if seconds is None:
        return ""
    whole = -int(-seconds // 1)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 100 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400} days"


def percent(done: float, total: float) -> float:
    """The share that is done, 0 to 100; 100 when there is nothing to do."""
    return 100.0 if total <= 0 else 100 * min(1.0, max(0.0, done / total))
