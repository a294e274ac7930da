"""Boundary IoU: how well outlines agree, for objects of any size (Cheng et al. 2021, arXiv:2103.16562)."""

from __future__ import annotations

import numpy as np

from core.classes import IGNORED_ID


def boundary_distance_px(size_px: int) -> int:
    """Width of the strip along outlines: 2 % of the diagonal of a square of `size_px`, at least 1 (the paper's choice)."""
    return max(1, round(0.02 * size_px * 2**0.5))


def boundary_counts(truth: np.ndarray, labels: np.ndarray, *, classes: int, distance_px: int, rows: slice = slice(None)) -> np.ndarray:
    """Pixels in which the inner outline strips of truth and prediction meet, and in which either lies: int64 (K, 2).

    Class ids uint8 (h, w), 255 = not known. Counted are `rows`; the rows around them are context, `distance_px` of them
    are enough. What is not known, and the rim of the scene, is no outline (the authors' code takes the rim for one).
    """
    counts = np.zeros((classes, 2), np.int64)
    counted = ((truth != IGNORED_ID) & (labels != IGNORED_ID))[rows]
    for number in np.flatnonzero(np.bincount(np.concatenate([truth[rows].ravel(), labels[rows].ravel()]), minlength=classes)[:classes]):
        strips = [_strip(ids, number, distance_px)[rows] & counted for ids in (truth, labels)]
        counts[number] = np.count_nonzero(strips[0] & strips[1]), np.count_nonzero(strips[0] | strips[1])
    return counts


def boundary_iou(counts: np.ndarray) -> np.ndarray:
    """float64 (K,) from counts (K, 2); NaN where a class has no outline."""
    counts = np.asarray(counts, np.float64)
    return np.divide(counts[:, 0], counts[:, 1], out=np.full(len(counts), np.nan), where=counts[:, 1] > 0)


def _strip(ids: np.ndarray, number: int, distance_px: int) -> np.ndarray:
    """bool: pixels of a class at most `distance_px` (in rows or columns, whichever is more) from its outline."""
    from scipy.ndimage import minimum_filter  # here, so that a page which shows scores does without SciPy

    inside = ids == number
    kept = minimum_filter((inside | (ids == IGNORED_ID)).view(np.uint8), size=2 * distance_px + 1, mode="constant", cval=1)
    return inside & (kept == 0)
