"""Class areas corrected for the map's own errors, with intervals.

Olofsson, Foody, Herold, Stehman, Woodcock, Wulder (2014): Good practices for estimating area and assessing accuracy of
land change. Remote Sensing of Environment 148, 42-57; the stratified estimator, equations 5 to 11. Where strata are finer than
the classes of the map, Stehman (2014): Estimating area and map accuracy for stratified random sampling when the strata are
different from the map classes. International Journal of Remote Sensing 35, 4923-4939.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.errors import InputError

Z95 = 1.96
"""Standard errors from the middle of a 95 % interval to its ends."""


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
    total, drawn = mapped.sum(), counts.sum(axis=1)
    share = counts / np.where(drawn > 0, drawn, np.nan)[:, None]
    found = stratified(share, share, np.where(drawn > 1, drawn - 1, np.nan), weight=mapped / total, predicted=np.arange(len(mapped)))
    return AdjustedAreas(
        mapped=mapped,
        estimated=found.area * total,
        half_width=Z95 * found.area_error * total,
        users=np.diag(share).copy(),
        users_half_width=Z95 * found.users_error,
        producers=found.producers,
        accuracy=float(found.accuracy),
        accuracy_half_width=float(Z95 * found.accuracy_error),
        sample=int(counts.sum()),
    )


@dataclass(frozen=True, eq=False)
class Stratified:
    """Estimates of a stratified sample and their standard errors: overall accuracy (...), and by class (..., K) the accuracies seen from
    the map and from the ground, and the shares of the whole area."""

    accuracy: np.ndarray
    accuracy_error: np.ndarray
    users: np.ndarray
    users_error: np.ndarray
    producers: np.ndarray
    producers_error: np.ndarray
    area: np.ndarray
    area_error: np.ndarray


def stratified(share: np.ndarray, spread: np.ndarray, size: np.ndarray, *, weight: np.ndarray, predicted: np.ndarray) -> Stratified:
    """Accuracies and areas from the shares of the true classes in each stratum of a map, many samples at once where there are axes before.

    share: (..., H, K), the true classes in the sample of each stratum. spread: (..., H, K), the shares that the variance in a stratum is
    taken from, which is divided by size (..., H). weight: (H,), the strata's parts of the whole area; one of 0 does not count.
    predicted: int (H,), the class of the map in each stratum. Ratios have the variance of their linear form.
    """
    used = weight > 0
    share, spread, size, weight, predicted = share[..., used, :], spread[..., used, :], size[..., used], weight[used], predicted[used]
    every = np.arange(share.shape[-1])
    own = predicted[:, None] == every  # bool (H, K): where a true class is the class of the map
    part = weight[:, None] * share
    mapped, area, right = weight @ own, part.sum(-2), np.where(own, part, 0).sum(-2)
    with np.errstate(invalid="ignore", divide="ignore"):
        users, producers = (np.where(whole > 0, right / whole, np.nan) for whole in (mapped, area))

    def error(value: np.ndarray, strata: np.ndarray) -> np.ndarray:
        """Standard error (...) of the sum over some strata (bool (H,)) of a value (..., H, K) that each true class counts there."""
        variance = (spread * np.square(value)).sum(-1) - (spread * value).sum(-1) ** 2
        return np.sqrt(np.where(strata, weight**2 * np.maximum(variance, 0) / size, 0).sum(-1))

    anywhere = np.ones(len(weight), bool)
    with np.errstate(invalid="ignore", divide="ignore"):
        missed = [(own - producers[..., [k], None]) * (every == k) for k in every]  # the ratio's linear form
        return Stratified(
            accuracy=right.sum(-1),
            accuracy_error=error(own, anywhere),
            users=users,
            users_error=np.stack([error(own, predicted == k) for k in every], -1) / np.where(mapped > 0, mapped, np.nan),
            producers=producers,
            producers_error=np.stack([error(value, anywhere) for value in missed], -1) / np.where(area > 0, area, np.nan),
            area=area,
            area_error=np.stack([error(np.broadcast_to(every == k, own.shape), anywhere) for k in every], -1),
        )
