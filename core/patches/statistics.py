"""Mean, spread and range of bands, gathered piece by piece."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


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
        mean = pixels.mean(axis=0, dtype=np.float64)
        squares = pixels.var(axis=0, dtype=np.float64) * count
        total = self.pixels + count
        step = mean - self.mean
        return BandStatistics(
            total,
            self.mean + step * (count / total),
            self.squares + squares + step**2 * (self.pixels * count / total),
            np.minimum(self.low, pixels.min(axis=0)),
            np.maximum(self.high, pixels.max(axis=0)),
        )

    @classmethod
    def merged(cls, summaries: Sequence[dict[str, Any]]) -> BandStatistics:
        """What several `summary`s tell together."""
        whole = cls.empty(len(summaries[0]["mean"]))
        for one in summaries:
            count, mean, low, high = one["pixels"], *(np.array(one[key], float) for key in ("mean", "min", "max"))
            total, step = whole.pixels + count, mean - whole.mean
            if count:
                squares = whole.squares + np.array(one["std"], float) ** 2 * count + step**2 * (whole.pixels * count / total)
                whole = cls(total, whole.mean + step * (count / total), squares, np.minimum(whole.low, low), np.maximum(whole.high, high))
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
