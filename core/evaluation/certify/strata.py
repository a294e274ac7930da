"""Parts of a map to draw points in: each predicted class, cut by how sure the model was, and how many points each gets.

Cochran (1977): Sampling Techniques, chapters 5 and 5A: Neyman's allocation, and strata of equal weight times spread. Wright (2012):
The equivalence of Neyman optimum allocation for sampling and equal proportions for apportioning the U.S. House of Representatives.
The American Statistician 66, 217-224: point by point to the stratum with the highest priority is the best allocation in whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STRATA = 24
"""Strata of a map, at most; each class has one at least."""
FLOOR = 30
"""A class gets at least one point of so many, however small it is and however sure the model."""
LEAST = 2
"""Points that each stratum gets at least."""
BATCH = 60
"""Points between two looks at where more are needed."""
_LEAST_GUESS, _MOST_GUESS = 0.01, 0.7
_TRUST = 10.0
"""Errors whose weight the scale of all classes has, against those seen in one class, in the guess of how often the model errs there."""


@dataclass(frozen=True, eq=False)
class Strata:
    """Strata of a map, each a predicted class (`predicted` int (H,)) within two levels of confidence (`low` to `high` uint8 (H,), both
    in it), with its `pixels` int64 (H,) and the share of errors that the model's confidence tells, `told` (H,)."""

    predicted: np.ndarray
    low: np.ndarray
    high: np.ndarray
    pixels: np.ndarray
    told: np.ndarray

    @property
    def weight(self) -> np.ndarray:
        """The strata's parts of the map, (H,)."""
        return self.pixels / self.pixels.sum()

    def of(self, labels: np.ndarray, confidence: np.ndarray) -> np.ndarray:
        """The stratum of each pixel, int (h, w): -1 where a pixel belongs to none. Labels and confidence uint8 (h, w)."""
        table = np.full((256, 256), -1, np.int16)
        for number, (name, low, high) in enumerate(zip(self.predicted, self.low, self.high, strict=True)):
            table[name, low : int(high) + 1] = number
        return table[labels, confidence]


def strata_of(counts: np.ndarray, most: int = STRATA) -> Strata:
    """Strata of a map from its pixels by class and confidence level, int (K, 256): of about equal weight times guessed spread each.

    Classes without a pixel have none.
    """
    error = np.clip(1 - np.arange(256) / 255, _LEAST_GUESS, _MOST_GUESS)
    spread = counts * np.sqrt(error * (1 - error))
    shown = np.flatnonzero(counts.sum(1))
    shares = np.ones(len(shown), int)
    for _ in range(most - len(shown)):  # one more cut to the class whose strata are the largest
        shares[np.argmax(spread[shown].sum(1) / shares)] += 1
    rows = []
    for name, share in zip(shown, shares, strict=True):
        sums = np.cumsum(spread[name])
        cuts = np.searchsorted(sums, sums[-1] * np.arange(1, share) / share)
        for low, high in zip((0, *(cuts + 1)), (*cuts, 255), strict=True):
            pixels = counts[name, low : high + 1]
            if pixels.sum():
                rows.append((name, low, high, pixels.sum(), (pixels * error[low : high + 1]).sum() / pixels.sum()))
    predicted, low, high, pixels, told = (np.array(column) for column in zip(*rows, strict=True))
    return Strata(predicted, low, high, pixels.astype(np.int64), told)


def guessed_errors(strata: Strata, wrong: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """The share of errors to expect in each stratum, (..., H): what the model's confidence tells, scaled to the errors that were seen.

    wrong, drawn: int (..., H), points answered so far. The scale is that of the class, drawn to that of the map where there are few
    answers, and that one to 1. A stratum's own answers count no more than the others of its class: if points kept away from where
    the first ones happened to be right, nothing would correct that, and the map would seem better than it is.
    """
    same = strata.predicted[:, None] == strata.predicted
    expected = drawn * strata.told
    whole = (wrong.sum(-1, keepdims=True) + _TRUST) / (expected.sum(-1, keepdims=True) + _TRUST)
    scale = (wrong @ same + _TRUST * whole) / (expected @ same + _TRUST)
    return np.clip(scale * strata.told, _LEAST_GUESS / 2, _MOST_GUESS)


def batch_end(strata: Strata, given: int, total: int) -> int:
    """How many points are given out after the next batch, when `given` are and `total` are wanted: the first one reaches every stratum."""
    return min(total, given + BATCH if given else max(BATCH, LEAST * len(strata.pixels)))


def allocated(strata: Strata, total: int, *, wrong: np.ndarray, drawn: np.ndarray, planned: np.ndarray, room: np.ndarray) -> np.ndarray:
    """How many points each stratum is to have, int (..., H), when there are `total`: as Neyman, with a floor for small classes.

    wrong, drawn: int (..., H), the answers so far. planned: int (..., H), points that are given out already and stay. room: int (H,),
    the most that a stratum can have.
    """
    error = guessed_errors(strata, wrong, drawn)
    worth = strata.weight * np.sqrt(error * (1 - error))
    each = np.bincount(strata.predicted)[strata.predicted]
    floor = np.maximum(LEAST, -(-total // (FLOOR * each)))
    given = np.array(planned, np.int64)
    for _ in range(min(total, int(room.sum())) - int(np.max(given.sum(-1)))):
        priority = np.where(given < floor, 1e9 - given, worth / np.sqrt(np.maximum(given, 1) * (given + 1.0)))
        best = np.argmax(np.where(given < room, priority, -1), -1)[..., None]
        np.put_along_axis(given, best, np.take_along_axis(given, best, -1) + 1, -1)
    return given
