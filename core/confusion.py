"""Scores of a segmentation, all derived from one matrix of pixel counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.classes import ClassScheme
from core.errors import InputError


def counts_of_pairs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """How often each pair of values occurs in two uint8 arrays of equal shape: int64 (256, 256), rows = `first`."""
    codes = first.astype(np.uint16)
    codes <<= 8
    codes |= second
    return np.bincount(codes.ravel(), minlength=1 << 16).reshape(256, 256)


@dataclass(frozen=True, eq=False)
class Confusion:
    """Pixel counts: `counts` int64 (K, K), rows = truth, columns = prediction, and how many pixels were left out.

    A class without a single pixel of truth is absent: its scores are NaN and stay out of every mean. A class that is
    there but never predicted has IoU, recall and F1 of 0 and a precision of NaN.
    """

    counts: np.ndarray
    ignored_pixels: int = 0

    @classmethod
    def empty(cls, classes: int) -> Confusion:
        """No pixels yet, for `classes` classes."""
        return cls(np.zeros((classes, classes), np.int64), 0)

    def add(self, truth: np.ndarray, predicted: np.ndarray) -> Confusion:
        """With more pixels: class ids of equal shape; ids outside 0..K-1, in either, are ignored pixels.

        Raises InputError when the shapes differ.
        """
        truth, predicted = np.asarray(truth), np.asarray(predicted)
        if truth.shape != predicted.shape:
            raise InputError(
                f"labels of shape {truth.shape} and predictions of shape {predicted.shape}",
                expected="equal shapes",
                do="Compare the same window",
            )
        size = len(self.counts)
        if truth.dtype == predicted.dtype == np.uint8:
            counts = counts_of_pairs(truth, predicted)[:size, :size]
            return Confusion(self.counts + counts, self.ignored_pixels + int(truth.size - counts.sum()))
        used = (truth >= 0) & (truth < size) & (predicted >= 0) & (predicted < size)
        pairs = truth[used].astype(np.int64) * size + predicted[used].astype(np.int64)
        counts = np.bincount(pairs, minlength=size * size).reshape(size, size)
        return Confusion(self.counts + counts, self.ignored_pixels + int(truth.size - len(pairs)))

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(self.counts + other.counts, self.ignored_pixels + other.ignored_pixels)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Confusion) and self.ignored_pixels == other.ignored_pixels and np.array_equal(self.counts, other.counts)

    __hash__ = None  # type: ignore[assignment]

    @property
    def pixels(self) -> int:
        """Number of counted pixels."""
        return int(self.counts.sum())

    @property
    def present(self) -> np.ndarray:
        """bool (K,): classes with at least one pixel of truth."""
        return self.counts.sum(1) > 0

    @property
    def accuracy(self) -> float:
        """Fraction of the counted pixels that are right; NaN without pixels."""
        return float(_ratio(np.trace(self.counts), self.pixels))

    @property
    def iou(self) -> np.ndarray:
        """float64 (K,): TP / (TP + FP + FN); NaN for an absent class."""
        hits = np.diag(self.counts)
        return self._of_present(_ratio(hits, self.counts.sum(0) + self.counts.sum(1) - hits))

    @property
    def precision(self) -> np.ndarray:
        """float64 (K,): TP / (TP + FP); NaN for an absent class and for one that is never predicted."""
        return self._of_present(_ratio(np.diag(self.counts), self.counts.sum(0)))

    @property
    def recall(self) -> np.ndarray:
        """float64 (K,): TP / (TP + FN); NaN for an absent class."""
        return self._of_present(_ratio(np.diag(self.counts), self.counts.sum(1)))

    @property
    def f1(self) -> np.ndarray:
        """float64 (K,): 2 TP / (2 TP + FP + FN); NaN for an absent class."""
        return self._of_present(_ratio(2 * np.diag(self.counts), self.counts.sum(0) + self.counts.sum(1)))

    @property
    def mean_iou(self) -> float:
        """Mean IoU of the classes that are present; NaN without pixels."""
        return _mean(self.iou)

    @property
    def mean_f1(self) -> float:
        """Mean F1 of the classes that are present; NaN without pixels."""
        return _mean(self.f1)

    @property
    def micro_iou(self) -> float:
        """IoU of all classes pooled: TP / (TP + FP + FN) over the sums, so one wrong pixel counts twice."""
        hits = int(np.trace(self.counts))
        return float(_ratio(hits, 2 * self.pixels - hits))

    @property
    def kappa(self) -> float:
        """Agreement beyond chance (Cohen 1960); NaN when chance alone would agree fully."""
        total = self.pixels
        if not total:
            return float("nan")
        chance = float((self.counts.sum(0) / total) @ (self.counts.sum(1) / total))
        return float("nan") if chance >= 1 else (self.accuracy - chance) / (1 - chance)

    @property
    def class_kappa(self) -> np.ndarray:
        """float64 (K,): Cohen's kappa of each class against all others; NaN for an absent class and when chance explains all."""
        hits = np.diag(self.counts).astype(np.float64)
        missed, false = self.counts.sum(1) - hits, self.counts.sum(0) - hits
        rest = self.pixels - hits - missed - false
        chance = (hits + false) * (false + rest) + (hits + missed) * (missed + rest)
        return self._of_present(_ratio(2 * (hits * rest - missed * false), chance))

    def with_ignored(self, guesses: np.ndarray) -> Confusion:
        """The same with the unlabelled pixels as one more class, which no prediction can hit.

        `guesses` int (K,) are the classes that were predicted on unlabelled pixels.
        """
        size = len(self.counts)
        counts = np.zeros((size + 1, size + 1), np.int64)
        counts[:size, :size], counts[size, :size] = self.counts, guesses
        return Confusion(counts, self.ignored_pixels - int(np.sum(guesses)))

    def summary(self, scheme: ClassScheme) -> dict[str, Any]:
        """The scores by name, plain values; NaN where a class is absent."""
        columns = {"iou": self.iou, "precision": self.precision, "recall": self.recall, "f1": self.f1, "kappa": self.class_kappa}
        return {
            "accuracy": self.accuracy,
            "mean_iou": self.mean_iou,
            "micro_iou": self.micro_iou,
            "mean_f1": self.mean_f1,
            "kappa": self.kappa,
            "classes": {
                name: {**{key: float(values[i]) for key, values in columns.items()}, "pixels": int(self.counts[i].sum())}
                for i, name in enumerate(scheme.names)
            },
            "absent": [name for name, there in zip(scheme.names, self.present, strict=True) if not there],
            "pixels": self.pixels,
            "ignored_pixels": self.ignored_pixels,
            "confusion": self.counts.tolist(),
        }

    def _of_present(self, values: np.ndarray) -> np.ndarray:
        return np.where(self.present, values, np.nan)


def _ratio(numerator: Any, denominator: Any) -> np.ndarray:
    top, bottom = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    return np.divide(top, bottom, out=np.full(bottom.shape, np.nan), where=bottom > 0)


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
