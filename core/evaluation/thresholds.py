"""Precision and recall of each class at any threshold, from one histogram of byte probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class ThresholdCurve:
    """Scores (256,) of "the probability of the class is at least t", at t = 0/255 to 255/255 in `threshold`.

    `coverage` is the share of all labelled pixels that are at or above the threshold. Precision is NaN where no pixel is,
    recall where the class is absent.
    """

    threshold: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    coverage: np.ndarray

    def at(self, threshold: float) -> dict[str, float]:
        """The scores at a threshold from 0 to 1: of the smallest byte that reaches it."""
        place = min(255, max(0, int(np.ceil(threshold * 255 - 1e-9))))
        return {name: float(getattr(self, name)[place]) for name in ("precision", "recall", "f1", "coverage")}

    @property
    def best(self) -> float:
        """The lowest threshold with the highest F1; NaN for an absent class."""
        return float("nan") if np.isnan(self.f1).all() else float(self.threshold[int(np.nanargmax(self.f1))])


def probability_histogram(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """int64 (K, 2, 256): of the labelled pixels, how many have each byte, [k, 1] where the truth is class k, [k, 0] elsewhere.

    probabilities: uint8 (K, n). truth: ids uint8 (n,), all of them labelled.
    """
    found = np.empty((len(probabilities), 2, 256), np.int64)
    for number, values in enumerate(probabilities):
        hit = truth == number
        found[number, 1] = np.bincount(values[hit], minlength=256)
        found[number, 0] = np.bincount(values, minlength=256) - found[number, 1]
    return found


def threshold_curve(histogram: np.ndarray) -> ThresholdCurve:
    """The curve of one class from its histogram int64 (2, 256): pixels of other classes, pixels of the class."""
    false, hits = (np.cumsum(side[::-1])[::-1].astype(np.float64) for side in histogram)
    return ThresholdCurve(
        threshold=np.arange(256) / 255,
        precision=_ratio(hits, hits + false),
        recall=_ratio(hits, hits[0]),
        f1=np.where(hits[0] > 0, _ratio(2 * hits, hits + false + hits[0]), np.nan),
        coverage=_ratio(hits + false, hits[0] + false[0]),
    )


def _ratio(top: np.ndarray, bottom: np.ndarray | float) -> np.ndarray:
    bottom = np.broadcast_to(bottom, top.shape)
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)
