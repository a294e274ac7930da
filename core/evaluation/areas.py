"""Class areas corrected for the map's own errors, with intervals.

Olofsson, Foody, Herold, Stehman, Woodcock, Wulder (2014): Good practices for estimating area and assessing accuracy of
land change. Remote Sensing of Environment 148, 42-57; the stratified estimator, equations 5 to 11.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.errors import InputError

_Z95 = 1.96


@dataclass(frozen=True, eq=False)
class AdjustedAreas:
    """Areas (K,) in the unit of the mapped areas: as mapped, estimated, and half the width of the 95 % interval.

    `users` and `producers` (K,) are the accuracies seen from the map and from the ground, with their half widths;
    `accuracy` is the overall one. NaN where the sample cannot tell. `sample` counts the sampled places.
    """

    mapped: np.ndarray
    estimated: np.ndarray
    half_width: np.ndarray
    users: np.ndarray
    users_half_width: np.ndarray
    producers: np.ndarray
    accuracy: float
    accuracy_half_width: float
    sample: int


def adjusted_areas(counts: np.ndarray, mapped: np.ndarray) -> AdjustedAreas:
    """Error-adjusted areas from a sample that was drawn class by class of the map.

    counts: int (K, K) sampled places, rows = truth, columns = map class (as `Confusion.counts`). mapped: (K,) area of each
    class on the map, in any unit. Classes that the map does not show have no weight; one that it shows and the sample
    missed makes the estimate NaN. Raises InputError when the shapes do not fit.
    """
    counts, mapped = np.asarray(counts, np.float64).T, np.asarray(mapped, np.float64)
    if counts.shape != (len(mapped), len(mapped)) or mapped.sum() <= 0:
        raise InputError(
            f"a sample of shape {counts.shape} for {len(mapped)} mapped areas", expected="one area per class, not all 0", do="Mend them"
        )
    total = mapped.sum()
    weight, drawn = mapped / total, counts.sum(axis=1)
    used = weight > 0
    enough = np.where(drawn > 1, drawn, np.nan)
    share = counts / np.where(drawn > 0, drawn, np.nan)[:, None]
    part = np.where(used[:, None], weight[:, None] * share, 0.0)
    spread = np.where(used[:, None], weight[:, None] ** 2 * share * (1 - share) / (enough - 1)[:, None], 0.0)
    estimated = part.sum(axis=0)
    users = np.diag(share).copy()
    users_variance = users * (1 - users) / (enough - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        producers = np.where(estimated > 0, np.diag(part) / estimated, np.nan)
    return AdjustedAreas(
        mapped=mapped,
        estimated=estimated * total,
        half_width=_Z95 * np.sqrt(spread.sum(axis=0)) * total,
        users=users,
        users_half_width=_Z95 * np.sqrt(users_variance),
        producers=producers,
        accuracy=float(np.trace(part)),
        accuracy_half_width=float(_Z95 * np.sqrt(np.where(used, weight**2 * users_variance, 0).sum())),
        sample=int(counts.sum()),
    )
