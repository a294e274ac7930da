"""Resizing by any factor, exact and the same whether a picture is resized whole or in bands of rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.classes import IGNORED_ID


def scaled_length(length: int, factor: float) -> int:
    """Pixels of a side after resizing by `factor`, at least 1."""
    return max(1, int(round(length * factor)))


def source_rows(start: int, stop: int, *, length: int, out_length: int) -> tuple[int, int]:
    """Rows of the picture (first, behind the last) that rows start..stop of the resized one are made of."""
    ratio = length / out_length
    if ratio >= 1:
        return int(np.floor(start * ratio + 1e-9)), min(length, int(np.ceil(stop * ratio - 1e-9)))
    first = int(np.floor((start + 0.5) * ratio - 0.5))
    last = int(np.floor((stop - 0.5) * ratio - 0.5)) + 1
    return max(0, first), min(length, last + 1)


@dataclass(frozen=True, eq=False)
class Taps:
    """Which pixels of a side make each resized pixel, and with what share: index int (n, taps), share float32 (n, taps)."""

    index: np.ndarray
    share: np.ndarray

    def along_rows(self, data: np.ndarray) -> np.ndarray:
        """Resize axis 0 of float32 data."""
        return self._apply(data, 0)

    def along_cols(self, data: np.ndarray) -> np.ndarray:
        """Resize axis 1 of float32 data."""
        return self._apply(data, 1)

    def _apply(self, data: np.ndarray, axis: int) -> np.ndarray:
        column = (slice(None),) + (None,) * (data.ndim - 1 - axis)
        result = np.take(data, self.index[:, 0], axis) * self.share[:, 0][column]
        for tap in range(1, self.index.shape[1]):
            result += np.take(data, self.index[:, tap], axis) * self.share[:, tap][column]
        return result


@lru_cache(maxsize=64)
def taps(length: int, out_length: int, start: int, stop: int) -> Taps:
    """What makes the resized pixels start..stop, counted from the first source row of `source_rows`.

    Smaller: the area that a source pixel covers of the resized one. Larger: bilinear between pixel centres.
    """
    first, last = source_rows(start, stop, length=length, out_length=out_length)
    ratio = length / out_length
    out = np.arange(start, stop, dtype=np.float64)[:, None]
    if ratio >= 1:
        begin = np.floor(out * ratio + 1e-9)
        source = begin + np.arange(math.ceil(ratio) + 1)
        share = np.minimum((out + 1) * ratio, source + 1) - np.maximum(out * ratio, source)
    else:
        centre = np.clip((out + 0.5) * ratio - 0.5, 0, length - 1)
        source = np.floor(centre) + np.arange(2)
        share = 1 - np.abs(source - centre)
    share = np.where(source < last, np.clip(share, 0, None), 0)
    share /= share.sum(axis=1, keepdims=True)
    index = np.clip(source, first, last - 1).astype(np.intp) - first
    return Taps(index, share.astype(np.float32))


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
        return np.ones((rows.index.shape[0], cols.index.shape[0]), bool)
    return _apply(valid[..., None].astype(np.float32), rows, cols)[..., 0] >= 0.5 - 1e-6


def resize_labels(ids: np.ndarray, rows: Taps, cols: Taps) -> np.ndarray:
    """Class ids uint8 of the resized shape: the class with most area; the lowest id where two are equal.

    Unlabelled area (255) takes part in the vote, so a pixel that is mostly unlabelled stays so.
    """
    best = np.full((rows.index.shape[0], cols.index.shape[0]), -1.0, np.float32)
    winner = np.full(best.shape, IGNORED_ID, np.uint8)
    for class_id in np.flatnonzero(np.bincount(ids.ravel(), minlength=256)):
        share = _apply((ids == class_id)[..., None].astype(np.float32), rows, cols)[..., 0]
        more = share > best + 1e-5
        winner[more] = class_id
        best = np.maximum(best, share)
    return winner


def _apply(data: np.ndarray, rows: Taps, cols: Taps) -> np.ndarray:
    return cols.along_cols(rows.along_rows(data))
