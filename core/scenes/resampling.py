"""Resizing by any factor, exact and the same whether a picture is resized whole or in bands of rows.

The weights are for everybody; here NumPy applies them, so that pages open without a compiler, in prediction a compiled kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.classes import IGNORED_ID


def scaled_length(length: int, factor: float) -> int:
    """Pixels of a side after resizing by `factor`, at least 1."""
    return max(1, int(round(length * factor)))


@dataclass(frozen=True, eq=False)
class Taps:
    """How each of `length` resized pixels of a side is mixed: source pixel first[i] + t with share[i, t], up to last[i].

    first and last int64 (length,), share float32 (length, taps).
    """

    first: np.ndarray
    last: np.ndarray
    share: np.ndarray

    @property
    def length(self) -> int:
        """Number of resized pixels."""
        return len(self.first)

    def needed(self, start: int, stop: int) -> tuple[int, int]:
        """First source pixel and one past the last that the resized pixels start..stop - 1 need."""
        return int(self.first[start]), int(self.last[stop - 1]) + 1

    def ready(self, inputs: int) -> int:
        """Number of resized pixels that can be made from the first `inputs` source pixels."""
        return int(np.searchsorted(self.last, inputs, side="left"))

    def part(self, start: int, stop: int) -> Taps:
        """Those of the resized pixels start..stop - 1 alone, counted from the first source pixel that they need."""
        first, _ = self.needed(start, stop)
        return Taps(self.first[start:stop] - first, self.last[start:stop] - first, self.share[start:stop])

    def apply(self, data: np.ndarray, axis: int) -> np.ndarray:
        """Resize an axis of float32 data whose first pixel is source pixel 0."""
        column = (slice(None),) + (None,) * (data.ndim - 1 - axis)
        # A share past the last pixel that is needed is 0.
        index = np.minimum(self.first[:, None] + np.arange(self.share.shape[1]), self.last[-1])
        result = np.take(data, index[:, 0], axis) * self.share[:, 0][column]
        for tap in range(1, index.shape[1]):
            result += np.take(data, index[:, tap], axis) * self.share[:, tap][column]
        return result


@lru_cache(maxsize=64)
def taps(length: int, out_length: int) -> Taps:
    """What resizes a side of `length` pixels to `out_length`, both covering the same length on the ground.

    Smaller: the area that a source pixel covers of the resized one. Larger: bilinear between pixel centres.
    """
    ratio = length / out_length
    out = np.arange(out_length, dtype=np.float64)
    if ratio >= 1:
        low, high = out * ratio, (out + 1) * ratio
        first = np.floor(low + 1e-9).astype(np.int64)
        last = np.minimum(np.ceil(high - 1e-9).astype(np.int64), length) - 1
        places = first[:, None] + np.arange(int((last - first).max()) + 1)
        share = np.minimum(high[:, None], places + 1) - np.maximum(low[:, None], places)
    else:
        centre = np.clip((out + 0.5) * ratio - 0.5, 0, length - 1)
        first = np.minimum(np.floor(centre).astype(np.int64), max(0, length - 2))
        last = np.ceil(centre).astype(np.int64)
        places = first[:, None] + np.arange(2)
        share = 1 - np.abs(places - centre[:, None])
    share = np.where(places <= last[:, None], np.clip(share, 0, None), 0)
    return Taps(first, last, (share / share.sum(axis=1, keepdims=True)).astype(np.float32))


def resize_image(pixels: np.ndarray, rows: Taps, cols: Taps, *, valid: np.ndarray | None = None) -> np.ndarray:
    """Pixels (h, w, bands) resized along both sides, of the same dtype; invalid pixels lend nothing to the others.

    `valid` is bool (h, w). Where no valid pixel contributes the result is 0. Integers are rounded.
    """
    data = pixels.astype(np.float32)
    if valid is None or valid.all():
        result = _apply(data, rows, cols)
    else:
        data = np.where(valid[..., None], np.nan_to_num(data), np.float32(0))
        share = _apply(valid[..., None].astype(np.float32), rows, cols)
        result = _apply(data, rows, cols) / np.maximum(share, 1e-6)
    if np.issubdtype(pixels.dtype, np.integer):
        limits = np.iinfo(pixels.dtype)
        result = np.clip(np.rint(result), limits.min, limits.max)
    return result.astype(pixels.dtype)


def resize_valid(valid: np.ndarray, rows: Taps, cols: Taps) -> np.ndarray:
    """bool of the resized shape: True where at least half of the area is valid."""
    if valid.all():
        return np.ones((rows.length, cols.length), bool)
    return _apply(valid[..., None].astype(np.float32), rows, cols)[..., 0] >= 0.5 - 1e-6


def resize_labels(ids: np.ndarray, rows: Taps, cols: Taps) -> np.ndarray:
    """Class ids uint8 of the resized shape: the class with most area; the lowest id where two are equal.

    Unlabelled area (255) takes part in the vote, so a pixel that is mostly unlabelled stays so.
    """
    best = np.full((rows.length, cols.length), -1.0, np.float32)
    winner = np.full(best.shape, IGNORED_ID, np.uint8)
    for class_id in np.flatnonzero(np.bincount(ids.ravel(), minlength=256)):
        share = _apply((ids == class_id)[..., None].astype(np.float32), rows, cols)[..., 0]
        more = share > best + 1e-5
        winner[more] = class_id
        best = np.maximum(best, share)
    return winner


def _apply(data: np.ndarray, rows: Taps, cols: Taps) -> np.ndarray:
    return cols.apply(rows.apply(data, 0), 1)
