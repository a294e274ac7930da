"""Mean, spread, range and percentiles of bands, gathered piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.progress import ShouldStop, check
from core.scenes.scene import Scene, windows_of

_PIECE_PX = 1024


@dataclass(frozen=True, eq=False)
class BandStatistics:
    """Sums over pixels seen so far: number, mean, sum of squared deviations, minimum and maximum of each band, float64 (B,).

    Pieces are merged with the pairwise update of Chan, Golub and LeVeque (1979), which stays exact where a plain sum
    of squares loses its digits (large offsets, millions of pixels).
    """

    pixels: int
    mean: np.ndarray
    squares: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def empty(cls, bands: int) -> BandStatistics:
        """Nothing seen yet."""
        return cls(0, np.zeros(bands), np.zeros(bands), np.full(bands, np.inf), np.full(bands, -np.inf))

    def add(self, pixels: np.ndarray) -> BandStatistics:
        """With pixels (n, B) more."""
        count = len(pixels)
        if count == 0:
            return self
        mean, variance = (of(axis=0, dtype=np.float64) for of in (pixels.mean, pixels.var))
        return self._and(BandStatistics(count, mean, variance * count, pixels.min(axis=0), pixels.max(axis=0)))

    def _and(self, other: BandStatistics) -> BandStatistics:
        """With the pixels of another one, which has some."""
        total = self.pixels + other.pixels
        step = other.mean - self.mean
        return BandStatistics(
            total,
            self.mean + step * (other.pixels / total),
            self.squares + other.squares + step**2 * (self.pixels * other.pixels / total),
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
        )

    @classmethod
    def merged(cls, summaries: Sequence[dict[str, Any]]) -> BandStatistics:
        """What several `summary`s tell together."""
        whole = cls.empty(len(summaries[0]["mean"]))
        for one in summaries:
            count = one["pixels"]
            if count:
                mean, std, low, high = (np.array(one[key], float) for key in ("mean", "std", "min", "max"))
                whole = whole._and(cls(count, mean, std**2 * count, low, high))
        return whole

    def summary(self) -> dict[str, Any]:
        """ "mean", "std", "min" and "max" of each band, and "pixels" seen; zeros where none was."""
        if self.pixels == 0:
            zeros = [0.0] * len(self.mean)
            return {"mean": zeros, "std": zeros, "min": zeros, "max": zeros, "pixels": 0}
        return {
            "mean": self.mean.tolist(),
            "std": np.sqrt(self.squares / self.pixels).tolist(),
            "min": self.low.tolist(),
            "max": self.high.tolist(),
            "pixels": self.pixels,
        }

    def to_dict(self) -> dict[str, Any]:
        """All sums, for JSON."""
        keep = self.pixels > 0
        return {
            "pixels": self.pixels,
            "mean": self.mean.tolist(),
            "squares": self.squares.tolist(),
            "low": self.low.tolist() if keep else None,
            "high": self.high.tolist() if keep else None,
        }

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> BandStatistics:
        """Read what `to_dict` gave."""
        bands = len(value["mean"])
        if value["pixels"] == 0:
            return cls.empty(bands)
        return cls(int(value["pixels"]), *(np.array(value[key], float) for key in ("mean", "squares", "low", "high")))


def image_limits(scene: Scene, bands: Sequence[int], *, low: float, high: float, should_stop: ShouldStop | None = None) -> np.ndarray:
    """Percentiles `low` and `high` of each band over the valid pixels of a scene, float64 (2, B), read window by window.

    Raises Cancelled.
    """

    def pieces() -> Iterator[np.ndarray]:
        for window in windows_of(scene.height, scene.width, _PIECE_PX):
            check(should_stop)
            yield scene.read(window, bands)[scene.valid(window)]

    return percentiles(pieces, len(bands), (low, high))


def percentiles(pieces: Callable[[], Iterable[np.ndarray]], bands: int, wanted: Sequence[float]) -> np.ndarray:
    """What `np.percentile(pixels, wanted, axis=0)` gives, float64 (Q, B), of pixels (n, B) that come in pieces; of no pixel 0 and 1.

    Memory is bounded by 65,536 counts for each band and percentage: values are sorted by the upper half of their bits, and those
    around a percentage then by the lower half, for which the pieces are asked a second time. NaN does not count. Values of
    more than 16 bits are taken as float32, as networks take them.
    """
    upper = np.zeros((bands, 1 << 16), np.int64)
    dtype = np.dtype(np.float32)
    for pixels in pieces():
        dtype = pixels.dtype
        for band in range(bands):
            upper[band] += np.bincount(_codes(pixels[:, band]) >> 16, minlength=1 << 16)
    result = np.tile(np.linspace(0.0, 1.0, len(wanted))[:, None], bands)
    above, places = np.cumsum(upper, axis=1), []
    for band in range(bands):
        last = int(above[band, -1]) - 1
        for number, percentage in enumerate(wanted) if last >= 0 else ():
            at = last * percentage / 100
            places += [(band, number, rank, weight) for rank, weight in ((int(at), 1 - at % 1), (min(int(at) + 1, last), at % 1))]
    bins = {(band, int(np.searchsorted(above[band], rank, side="right"))) for band, _, rank, _ in places}
    lower = {place: np.zeros(1 << 16, np.int64) for place in bins}
    for pixels in pieces() if bins else ():
        for band, top in bins:
            codes = _codes(pixels[:, band])
            lower[band, top] += np.bincount(codes[codes >> 16 == top] & 0xFFFF, minlength=1 << 16)
    if bins:
        result[:] = 0
    for band, number, rank, weight in places:
        top = int(np.searchsorted(above[band], rank, side="right"))
        below = int(above[band, top - 1]) if top else 0
        bottom = int(np.searchsorted(np.cumsum(lower[band, top]), rank - below, side="right"))
        result[number, band] += weight * _value(top << 16 | bottom, dtype)
    return result


def _codes(values: np.ndarray) -> np.ndarray:
    """Whole numbers int64 from 0 to 2^32 - 1 in the order of the values, those that are no number left out."""
    if _is_short(values.dtype):
        return (values.astype(np.int64) - np.iinfo(values.dtype).min) << 16
    values = values.astype(np.float32)
    bits = values[np.isfinite(values)].view(np.uint32).astype(np.int64)
    return np.where(bits >> 31, 0xFFFFFFFF - bits, bits + 0x80000000)


def _value(code: int, dtype: np.dtype) -> float:
    """The value of a code."""
    if _is_short(dtype):
        return float((code >> 16) + np.iinfo(dtype).min)
    bits = code - 0x80000000 if code >> 31 else 0xFFFFFFFF - code
    return float(np.array(bits, np.uint32).view(np.float32))


def _is_short(dtype: np.dtype) -> bool:
    return np.issubdtype(dtype, np.integer) and dtype.itemsize <= 2
