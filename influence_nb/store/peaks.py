"""The most memory that a model took on this machine when it was last loaded, in the one SQLite file.

It does not know how that is measured, nor what is made of it.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

from influence_nb.memory.budget import Calibration
from influence_nb.store.database import attempt


def remember_peak(name: str, device: str, dtype: str, quantization: str | None, peak: int) -> None:
    """Remember what a model took, in place of what it took before in the same dtype on the same device.

    Args:
        name: of the model.
        device: such as "cuda:0".
        dtype: such as "bfloat16".
        quantization: how its weights are packed; None for plain ones.
        peak: bytes.
    """
    now = datetime.now(UTC).isoformat()

    def write(db: sqlite3.Connection) -> None:
        db.execute(
            "insert or replace into peaks values (?, ?, ?, ?, ?, ?)",
            (name, device, dtype, quantization or "", peak, now),
        )

    attempt(write)


def peak_of(name: str, device: str, dtype: str, quantization: str | None = None) -> Calibration | None:
    """What was measured when the model was last loaded so; None where it never was, or that cannot be read."""
    key = (name, device, dtype, quantization or "")

    def read(db: sqlite3.Connection) -> Calibration | None:
        query = "select peak, measured from peaks where name = ? and device = ? and dtype = ? and quantization = ?"
        row = db.execute(query, key).fetchone()
        if row is None or not isinstance(row["peak"], int):
            return None
        return Calibration(device, dtype, quantization, row["peak"], str(row["measured"]))

    return attempt(read)
