"""Resizing by any factor, exact and the same whether a picture is resized whole or in bands of rows."""

from __future__ import annotations

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


@lru_cache(maxsize=64)
def weights(length: int, out_length: int, start: int, stop: int) -> np.ndarray:
    """Share of each source pixel in the resized pixels start..stop, float32 (stop - start, source rows).

    Smaller: the area that a source pixel covers of the resized one. Larger: bilinear between pixel centres. Rows of
    the matrix sum to 1. The source rows are those of `source_rows`.
    """
    first, last = source_rows(start, stop, length=length, out_length=out_length)
    ratio = length / out_length
    out = np.arange(start, stop, dtype=np.float64)[:, None]
    source = np.arange(first, last, dtype=np.float64)[None, :]
    if ratio >= 1:
        overlap = np.minimum((out + 1) * ratio, source + 1) - np.maximum(out * ratio, source)
        share = np.clip(overlap, 0, None)
    else:
        centre = np.clip((out + 0.5) * ratio - 0.5, 0, length - 1)
        share = np.clip(1 - np.abs(source - centre), 0, None)
    share /= share.sum(axis=1, keepdims=True)
    return share.astype(np.float32)


def resize_image(pixels: np.ndarray, row_weights: np.ndarray, col_weights: np.ndarray, *, valid: np.ndarray | None = None) -> np.ndarray:
    """Pixels (h, w, bands) resized with two weight matrices to their dtype; invalid pixels lend nothing to the others.

    `valid` is bool (h, w). Where no valid pixel contributes the result is 0. Integers are rounded.
    """
    data = pixels.astype(np.float32)
    if valid is None or valid.all():
        result = _apply(data, row_weights, col_weights)
    else:
        data = np.where(valid[..., None], np.nan_to_num(data), np.float32(0))
        share = _apply(valid[..., None].astype(np.float32), row_weights, col_weights)
        result = _apply(data, row_weights, col_weights) / np.maximum(share, 1e-6)
    if np.issubdtype(pixels.dtype, np.integer):
        limits = np.iinfo(pixels.dtype)
        result = np.clip(np.rint(result), limits.min, limits.max)
    return result.astype(pixels.dtype)


def resize_valid(valid: np.ndarray, row_weights: np.ndarray, col_weights: np.ndarray) -> np.ndarray:
    """bool of the resized shape: True where at least half of the area is valid."""
    if valid.all():
        return np.ones((row_weights.shape[0], col_weights.shape[0]), bool)
    return _apply(valid[..., None].astype(np.float32), row_weights, col_weights)[..., 0] >= 0.5 - 1e-6


def resize_labels(ids: np.ndarray, row_weights: np.ndarray, col_weights: np.ndarray) -> np.ndarray:
    """Class ids uint8 of the resized shape: the class with most area; the lowest id where two are equal.

    Unlabelled area (255) takes part in the vote, so a pixel that is mostly unlabelled stays so.
    """
    best = np.full((row_weights.shape[0], col_weights.shape[0]), -1.0, np.float32)
    winner = np.full(best.shape, IGNORED_ID, np.uint8)
    for class_id in np.flatnonzero(np.bincount(ids.ravel(), minlength=256)):
        share = _apply((ids == class_id)[..., None].astype(np.float32), row_weights, col_weights)[..., 0]
        more = share > best + 1e-5
        winner[more] = class_id
        best = np.maximum(best, share)
    return winner


def _apply(data: np.ndarray, row_weights: np.ndarray, col_weights: np.ndarray) -> np.ndarray:
    """row_weights @ data @ col_weights.T for each band, float32 (rows, cols, bands)."""
    height, width, bands = data.shape
    rows = row_weights @ data.reshape(height, width * bands)
    turned = rows.reshape(-1, width, bands).transpose(1, 0, 2).reshape(width, -1)
    result = (col_weights @ turned).reshape(col_weights.shape[0], row_weights.shape[0], bands)
    return np.ascontiguousarray(result.transpose(1, 0, 2))
