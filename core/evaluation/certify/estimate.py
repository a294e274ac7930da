"""What the answers tell: accuracies and areas with 95 % intervals that hold for small counts too.

A stratum with 0 errors among 5 points has some, so variances are taken from shares that a few guessed points are added to; and the
intervals are Wilson's with the sample size that would give the same variance, which stay between 0 and 1. Franco, Little, Louis,
Slud (2019): Comparative study of confidence intervals for proportions in complex sample surveys. Journal of Survey Statistics and
Methodology 7, 334-364.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.evaluation.areas import Z95, stratified
from core.evaluation.certify.strata import Strata, guessed_errors

_ADDED = 2.0
"""Guessed points that the variance of each stratum is taken with."""
_LEARNT = 1.01
"""How much larger variances are than they seem, since answers guide where later points lie; measured on simulated audits."""
SCORES = ("accuracy", "users", "producers", "area")


@dataclass(frozen=True, eq=False)
class Certified:
    """Estimates from answered points by name (`SCORES`): (...) or, by class, (..., K), with the ends of their 95 % intervals.

    `users` are the accuracies seen from the map, `producers` those seen from the ground, `area` the shares of the whole area. NaN where
    the map, or the ground, shows no such class.
    """

    value: Mapping[str, np.ndarray]
    low: Mapping[str, np.ndarray]
    high: Mapping[str, np.ndarray]


def certified(strata: Strata, counts: np.ndarray) -> Certified:
    """What int (..., H, K) answers tell, points by stratum and true class; many audits at once where there are axes before.

    A stratum without an answer counts as the model's confidence and the other answers let expect, with the variance of one point.
    """
    classes = counts.shape[-1]
    drawn = counts.sum(-1)
    own = strata.predicted[:, None] == np.arange(classes)
    wrong = drawn - (counts * own).sum(-1)
    error = guessed_errors(strata, wrong, drawn)[..., None]
    elsewhere = np.where(own, 0, strata.weight @ own + 1 / classes)
    guess = np.where(own, 1 - error, error * elsewhere / np.maximum(elsewhere.sum(-1, keepdims=True), 1e-9))
    some = np.maximum(drawn, 1)[..., None]
    share = np.where(drawn[..., None] > 0, counts / some, guess)
    smooth = (counts + _ADDED * guess) / (drawn[..., None] + _ADDED)
    how = {"weight": strata.weight, "predicted": strata.predicted}
    # What the guessed points take from the variance of a share, on average, goes from the size that it is divided by.
    size = np.maximum(drawn * (1 - drawn / (drawn + _ADDED) ** 2), 1) / _LEARNT
    found = stratified(share, smooth, size, **how)
    middle = stratified(smooth, smooth, size, **how)
    z = _students(drawn.sum(-1) - (drawn > 0).sum(-1))
    value = {name: getattr(found, name) for name in SCORES}
    ends = {}
    for name in SCORES:
        middle_value, error = getattr(middle, name), getattr(middle, f"{name}_error")
        ends[name] = wilson(value[name], middle_value, error, z=z if name == "accuracy" else z[..., None])
    return Certified(value, {name: low for name, (low, _) in ends.items()}, {name: high for name, (_, high) in ends.items()})


def wilson(value: np.ndarray, middle: np.ndarray, error: np.ndarray, *, z: np.ndarray | float = Z95) -> tuple[np.ndarray, np.ndarray]:
    """Ends of intervals of shares: Wilson's of as many points as give `middle`, a share inside 0 to 1, the standard error `error`.

    z: standard errors from the middle of an interval to its ends.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        size = middle * (1 - middle) / error**2
        part = z**2 / size
        centre = (value + part / 2) / (1 + part)
        half = np.sqrt(part * (value * (1 - value) + part / 4)) / (1 + part)
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def _students(freedom: np.ndarray) -> np.ndarray:
    """Standard errors from the middle of a 95 % interval to its ends by Student's t with these degrees of freedom, (...)."""
    from scipy.special import stdtrit

    return np.asarray(stdtrit(np.maximum(freedom, 1), 0.975))
