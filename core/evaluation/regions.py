"""Connected regions of a scene that comes in bands of rows, and the polygon score that follows from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SMALLEST_PX = 4


class Regions:
    """Numbers the regions (4 neighbours) of a mask that is handed over in bands of rows, top to bottom.

    Memory is that of one row and a few numbers a region.
    """

    def __init__(self):
        self.count = 0
        self._above: np.ndarray | None = None
        self._seams: list[np.ndarray] = []

    def add(self, mask: np.ndarray) -> np.ndarray:
        """Provisional numbers int64 (h, w), 0 where `mask` (h, w) bool is False; `roots` tells which of them are one region."""
        from scipy.ndimage import label  # here, so that a page which shows scores does without SciPy

        found, here = label(mask)
        numbers = np.where(found > 0, found.astype(np.int64) + self.count, 0)
        self.count += here
        if self._above is not None:
            touching = (self._above > 0) & (numbers[0] > 0)
            self._seams.append(np.unique(np.stack([self._above[touching], numbers[0][touching]]), axis=1))
        self._above = numbers[-1].copy()
        return numbers

    def roots(self) -> np.ndarray:
        """int64 (count + 1,): region of each provisional number, 1 to the number of regions; 0 stays 0."""
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        pairs = np.concatenate(self._seams, axis=1) if self._seams else np.zeros((2, 0), np.int64)
        graph = coo_matrix((np.ones(pairs.shape[1], np.int8), (pairs[0], pairs[1])), shape=(self.count + 1, self.count + 1))
        region = connected_components(graph, directed=False)[1].astype(np.int64)
        # Number 0 touches nothing, so it is a region of its own: the first.
        return region - region[0]


@dataclass(frozen=True)
class PolygonScore:
    """Objects of one class: how many there are, how many were predicted, and how many of them match one to one."""

    truth: int = 0
    predicted: int = 0
    matched: int = 0

    def __add__(self, other: PolygonScore) -> PolygonScore:
        return PolygonScore(self.truth + other.truth, self.predicted + other.predicted, self.matched + other.matched)

    @property
    def precision(self) -> float:
        """Share of the predicted objects that match; NaN when none was predicted."""
        return self.matched / self.predicted if self.predicted else float("nan")

    @property
    def recall(self) -> float:
        """Share of the objects that were found; NaN when there are none."""
        return self.matched / self.truth if self.truth else float("nan")

    @property
    def f1(self) -> float:
        """2 matched / (objects + predicted objects); NaN when there are none of either."""
        both = self.truth + self.predicted
        return 2 * self.matched / both if both else float("nan")


class PolygonMatcher:
    """Matches the regions of one class in truth and prediction, both handed over in bands of rows.

    Two regions match at an IoU of at least `iou`. Regions smaller than `smallest_px` do not count. Memory grows with the
    number of regions, not with the scene.
    """

    def __init__(self, *, iou: float = 0.5, smallest_px: int = SMALLEST_PX):
        self._iou, self._smallest = iou, smallest_px
        self._truth, self._found = Regions(), Regions()
        self._overlaps: list[np.ndarray] = []

    def add(self, truth: np.ndarray, found: np.ndarray) -> None:
        """Take the next rows, bool (h, w) each."""
        first, second = self._truth.add(truth), self._found.add(found)
        some = (first > 0) | (second > 0)
        pairs = first[some] * (self._found.count + 1) + second[some]
        keys, pixels = np.unique(pairs, return_counts=True)
        self._overlaps.append(np.stack([keys // (self._found.count + 1), keys % (self._found.count + 1), pixels]))

    def score(self) -> PolygonScore:
        """The score of all rows so far."""
        if not self._overlaps:
            return PolygonScore()
        first, second, pixels = np.concatenate(self._overlaps, axis=1)
        first, second = self._truth.roots()[first], self._found.roots()[second]
        areas = [np.bincount(ids, pixels, minlength=ids.max(initial=0) + 1).astype(np.int64) for ids in (first, second)]
        large = [area >= self._smallest for area in areas]
        for known in large:
            known[0] = False
        both = large[0][first] & large[1][second]
        width = len(areas[1])
        keys, where = np.unique(first[both] * width + second[both], return_inverse=True)
        shared = np.bincount(where, pixels[both], minlength=len(keys))
        truth, found = keys // width, keys % width
        iou = shared / (areas[0][truth] + areas[1][found] - shared)
        order = np.argsort(-iou, kind="stable")
        order = order[iou[order] >= self._iou]
        # At exactly one half a region may reach two others: each of them is given away once, the best first.
        order = order[np.sort(np.unique(truth[order], return_index=True)[1])]
        matched = len(np.unique(found[order]))
        return PolygonScore(int(large[0].sum()), int(large[1].sum()), matched)
