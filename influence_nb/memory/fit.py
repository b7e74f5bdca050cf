"""Whether a model fits a device: weights, cache and activations against what is free, and what to do if not.

Pure arithmetic. It does not know where shape, budget and calibration come from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from influence_nb.errors import InvalidData
from influence_nb.memory.activations import PIECE, activations
from influence_nb.memory.budget import Calibration, DeviceBudget, Fits
from influence_nb.memory.report import FitReport, gb
from influence_nb.memory.shape import ModelShape
from influence_nb.memory.weights import MIXES, PACKED

DTYPES = ("auto", "bfloat16", "float16", "float32")
"""What models are loaded in."""

_SHORTEST = 256
"""A context shorter than this is not worth suggesting."""
_FARTHEST = 1 << 20
"""How far the curve and the search for the longest context go, where a model does not say what it was made for."""
_LEFT_BEHIND = 0.5
"""What a cache that grew piece by piece leaves behind in a process's heap, as a share of it: every piece moves it to a
longer place. Measured with glibc at 2,000 to 4,000 tokens: 0.53 to 0.56, activations subtracted with a margin. GPUs'
allocators hand such places back before they give up."""


@dataclass(frozen=True)
class _Case:
    """One way to run a model, and what it takes."""

    shape: ModelShape
    budget: DeviceBudget
    dtype: str
    quantization: str | None
    context: int
    batch: int
    correction: int

    @property
    def weights(self) -> int:
        kept_packed = (
            self.quantization is None and self.shape.quantization is not None and self.dtype == "stored"
        )
        return self.shape.weights.size("stored" if kept_packed else self.dtype, self.quantization)

    @property
    def computes(self) -> str:
        """The dtype of cache and activations."""
        return self.dtype if self.dtype != "stored" else sixteen_bits(self.shape)

    @property
    def cache(self) -> int:
        return self.shape.cache(self.context, self.batch, self.computes)

    @property
    def activations(self) -> int:
        beside = activations(self.shape, self.context, self.batch, self.computes)
        if self.budget.device == "cpu" and self.context > 2 * PIECE:
            beside += int(_LEFT_BEHIND * self.cache)
        return max(0, beside + self.budget.framework + self.correction)

    @property
    def total(self) -> int:
        return self.weights + self.cache + self.activations

    @property
    def fits(self) -> bool:
        return self.total <= self.budget.free

    def longest(self, limit: int) -> int:
        """The longest context that fits, up to `limit`; 0 when none does."""
        low, high = 0, limit
        while low < high:
            middle = (low + high + 1) // 2
            if replace(self, context=middle).fits:
                low = middle
            else:
                high = middle - 1
        return low


def estimate(
    shape: ModelShape,
    budget: DeviceBudget,
    dtype: str = "auto",
    quantization: str | None = None,
    context: int = 4096,
    batch: int = 1,
    calibration: Calibration | None = None,
    name: str = "",
) -> FitReport:
    """Whether a model fits, and what it takes.

    Args:
        shape: of the model.
        budget: of the device.
        dtype: "auto" (the checkpoint's; packed checkpoints stay as they are), "float32", "bfloat16", "float16".
        quantization: None, "int8", "nf4", or a GGUF type such as "Q4_K_M".
        context: tokens in each row, prompt and answer together, 1 or more.
        batch: rows, 1 or more.
        calibration: what was measured when it was last loaded; counts where device, dtype and quantization are the
            same.
        name: of the model, for the report.

    Raises:
        InvalidData: no such dtype or quantization, a context or batch below 1, or a packed checkpoint that cannot be
            packed otherwise.
    """
    check_wishes(dtype, quantization, context, batch)
    chosen = _dtype(shape, dtype)
    quantization = None if quantization is not None and quantization == shape.quantization else quantization
    if quantization is not None and shape.quantization is not None and quantization not in MIXES:
        raise InvalidData(
            f"{name or 'The model'} is packed already ({shape.quantization}) and cannot be packed as {quantization}.",
            "Leave quantization at None, or take the repository with the plain weights.",
        )
    case = _Case(shape, budget, chosen, quantization, context, batch, 0)
    case = replace(case, correction=_correction(case, calibration))
    fits = _verdict(case)
    limit = shape.context or _FARTHEST
    longest = case.longest(limit)
    curve = _curve(case, max(limit, context), longest)
    return FitReport(
        weights=case.weights,
        cache=case.cache,
        activations=case.activations,
        total=case.total,
        budget=budget.free,
        fits=fits,
        suggestion=_suggestion(case, fits, longest, limit),
        longest_context=longest,
        curve=curve,
        name=name,
        device=budget.device,
        dtype=case.computes,
        quantization=quantization or shape.quantization,
        context=context,
        batch=batch,
        model_context=shape.context,
        overhead=budget.framework,
        correction=case.correction,
        calibrated=_counts(case, calibration),
        estimated=shape.weights.estimated,
    )


def check_wishes(dtype: str, quantization: str | None, context: int, batch: int) -> None:
    """Refuse what `estimate` would, before a model's shape is known.

    Raises:
        InvalidData: no such dtype or quantization, or a context or batch below 1.
    """
    if dtype not in DTYPES:
        raise InvalidData(
            f"{dtype!r} is not a dtype that weights are loaded in.", f"Use one of: {', '.join(DTYPES)}."
        )
    if quantization is not None and quantization not in (*PACKED, *MIXES):
        raise InvalidData(
            f"{quantization!r} is not a quantization.",
            f"Use None, int8, nf4 or a GGUF type: {', '.join(sorted(MIXES))}.",
        )
    for what, value, unit in (("context", context, "tokens"), ("batch", batch, "rows")):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InvalidData(
                f"{what}={value!r} is not a whole number of 1 or more.", f"Give {what} as a number of {unit}."
            )


def _dtype(shape: ModelShape, dtype: str) -> str:
    packed = shape.quantization is not None
    if dtype == "auto":
        return "stored" if packed else shape.dtype or "float32"
    return "stored" if packed and shape.quantization != "gguf" else dtype


def sixteen_bits(shape: ModelShape) -> str:
    """The dtype in which a packed checkpoint computes."""
    return shape.dtype if shape.dtype in ("bfloat16", "float16") else "bfloat16"


def _counts(case: _Case, calibration: Calibration | None) -> bool:
    return (
        calibration is not None
        and calibration.device.partition(":")[0] == case.budget.device.partition(":")[0]
        and calibration.dtype == case.computes
        and calibration.quantization == (case.quantization or case.shape.quantization)
    )


def _correction(case: _Case, calibration: Calibration | None) -> int:
    """Bytes by which the measured peak, at a prompt of one token, differs from what the formulas say of it."""
    if calibration is None or not _counts(case, calibration):
        return 0
    return calibration.peak - replace(case, context=1, batch=1).total


def _verdict(case: _Case) -> Fits:
    if case.fits:
        return "yes"
    if case.quantization in PACKED or (case.quantization is None and case.dtype != "stored"):
        for packed in (
            PACKED[PACKED.index(case.quantization) + 1 :] if case.quantization in PACKED else PACKED
        ):
            if _as(case, packed).fits:
                return "int8" if packed == "int8" else "nf4"
    return "no"


def _as(case: _Case, quantization: str) -> _Case:
    return replace(case, quantization=quantization, correction=0)


def _suggestion(case: _Case, fits: Fits, longest: int, limit: int) -> str:
    rows = f" in each of {case.batch} rows" if case.batch > 1 else ""
    if fits == "yes":
        spare = gb(case.budget.free - case.total)
        further = (
            f" It would fit up to {longest:,} tokens of context{rows}" if longest >= case.context else ""
        )
        most = ", all that the model was made for." if longest == limit else "."
        return f"It fits, with {spare} to spare.{further}{most if further else ''}"
    short = f"It needs {gb(case.total)} and {case.budget.device} has {gb(case.budget.free)} free."
    ways = _ways(case, longest, rows)
    if not ways:
        return f"{short} Nothing that can be set here makes it fit: take a smaller model, or another device."
    return f"{short} It would fit with {', or '.join(ways)}."


def _ways(case: _Case, longest: int, rows: str) -> list[str]:
    """What would make it fit, the gentlest first."""
    ways = []
    plain = case.quantization is None and case.dtype != "stored"
    if plain and case.dtype == "float32" and replace(case, dtype="bfloat16", correction=0).fits:
        ways.append('dtype="bfloat16"')
    if plain or case.quantization in PACKED:
        ways += [
            f'quantization="{packed}"'
            for packed in PACKED
            if packed != case.quantization and _as(case, packed).fits
        ]
    if longest >= _SHORTEST and longest < case.context:
        ways.append(f"a context of up to {longest:,} tokens{rows}")
    if case.batch > 1 and replace(case, batch=1).fits:
        ways.append("a smaller batch")
    if not ways and plain:
        for packed in PACKED:
            reach = _as(case, packed).longest(case.context)
            if reach >= _SHORTEST:
                return [f'quantization="{packed}" and a context of up to {reach:,} tokens{rows}']
    return ways


def _curve(case: _Case, farthest: int, longest: int) -> tuple[tuple[int, int, int], ...]:
    """(context, cache, total) at powers of two, at the context asked for, at the longest and at the farthest."""
    contexts = {1 << power for power in range(8, 31) if 1 << power <= farthest}
    contexts |= {case.context, farthest} | ({longest} if longest >= _SHORTEST else set())
    at: Callable[[int], _Case] = lambda context: replace(case, context=context)  # noqa: E731
    return tuple((context, at(context).cache, at(context).total) for context in sorted(contexts))
