"""Resizing by rows and by columns as they come: area average when it shrinks, bilinear when it grows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.prediction.blend.kernels import mix_cols, mix_rows


@dataclass(frozen=True, eq=False)
class Taps:
    """How each of `length` outputs is mixed from neighbouring inputs: input first[i] + t with weights[i, t]."""

    first: np.ndarray
    last: np.ndarray
    weights: np.ndarray

    @property
    def length(self) -> int:
        """Number of outputs."""
        return len(self.first)

    def needed(self, start: int, stop: int) -> tuple[int, int]:
        """First input and one past the last input that the outputs start..stop - 1 need."""
        return int(self.first[start]), int(self.last[stop - 1]) + 1

    def ready(self, inputs: int) -> int:
        """Number of outputs that can be made from the first `inputs` inputs."""
        return int(np.searchsorted(self.last, inputs, side="left"))

    def rows(self, source: np.ndarray, source_first: int, start: int, stop: int) -> np.ndarray:
        """Outputs start..stop - 1 along axis 0 of `source` (n, w, K), whose row 0 is input `source_first`; float32."""
        out = np.empty((stop - start, *source.shape[1:]), np.float32)
        mix_rows(np.ascontiguousarray(source), source_first, self.first[start:stop], self.weights[start:stop], out)
        return out

    def cols(self, source: np.ndarray, source_first: int, start: int, stop: int) -> np.ndarray:
        """The same along axis 1."""
        out = np.empty((source.shape[0], stop - start, source.shape[2]), np.float32)
        mix_cols(source, source_first, self.first[start:stop], self.weights[start:stop], out)
        return out


def taps(inputs: int, outputs: int) -> Taps:
    """Weights that resize `inputs` samples to `outputs`, both covering the same length on the ground."""
    ratio = inputs / outputs
    if ratio <= 1:
        return _bilinear(inputs, outputs, ratio)
    low = np.arange(outputs) * ratio
    high = np.minimum(low + ratio, inputs)
    first = np.floor(low + 1e-9).astype(np.int64)
    last = np.minimum(np.ceil(high - 1e-9).astype(np.int64) - 1, inputs - 1)
    places = first[:, None] + np.arange(int((last - first).max()) + 1)
    covered = np.minimum(places + 1, high[:, None]) - np.maximum(places, low[:, None])
    weights = np.clip(covered, 0, None) * (places <= last[:, None])
    return Taps(first, last, (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))


def _bilinear(inputs: int, outputs: int, ratio: float) -> Taps:
    centre = np.clip((np.arange(outputs) + 0.5) * ratio - 0.5, 0, inputs - 1)
    first = np.minimum(np.floor(centre).astype(np.int64), max(0, inputs - 2))
    part = (centre - first).astype(np.float32)
    last = np.where(part > 0, first + 1, first)
    return Taps(first, np.maximum.accumulate(last), np.stack([1 - part, part], axis=1))
