"""What is said about a map in the end: accuracy and areas with their intervals, from whose answers, and how many more would help."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from core.classes import ClassScheme
from core.confusion import Confusion
from core.evaluation.certify.answers import PointAnswers
from core.evaluation.certify.estimate import Certified, certified

FEWEST = 30
"""PointAnswers from which on something can be said."""
WANTED = 0.02
"""Half the width that an interval of the accuracy is wanted to have."""


@dataclass(frozen=True, eq=False)
class Certificate:
    """The estimates of a map called `title`, from `points` sure answers and `not_sure` others, of which that of `first` counted.

    `area` is that of the map in m2, or in px where `in_metres` is false; `mapped` (K,) are its parts on the map. `counts` int (K, K) are
    the points by true class and class of the map. `if_wrong` and `if_right` are the accuracy with each "not sure" so. `more` points
    would make the accuracy's interval `WANTED` to both sides, about. `day` is that of the last answer. `other` answered too, and
    `agreement` compares the two.
    """

    title: str
    scheme: ClassScheme
    found: Certified
    counts: np.ndarray
    mapped: np.ndarray
    area: float
    in_metres: bool
    points: int
    not_sure: int
    if_wrong: float
    if_right: float
    more: int
    day: str
    first: str
    other: str | None = None
    agreement: Confusion | None = None
    differing: int = 0

    @property
    def unit(self) -> str:
        """The unit of the areas, as `core.words` has it."""
        return "m" if self.in_metres else "px"

    def ends(self, score: str, number: int | None = None) -> tuple[float, float, float]:
        """A score with the low and the high end of its 95 % interval; of one class where `number` is given."""
        pick = () if number is None else (number,)
        value, low, high = (float(part[score][pick]) for part in (self.found.value, self.found.low, self.found.high))
        return value, low, high


def certificate_of(answers: PointAnswers, first: str, title: str) -> Certificate | None:
    """What the answers say, where those of `first` count before others'; None with fewer than `FEWEST` sure ones."""
    prediction, points = answers.prediction, answers.points
    strata = points.strata
    counts, not_sure = answers.counts(first)
    total = int(counts.sum())
    if total < FEWEST:
        return None
    found = certified(strata, counts)
    unsure = np.bincount(points.stratum[[p for p, name in answers.counting(first).items() if name < 0]], minlength=len(counts))
    bounds = []
    for right in (False, True):
        with_unsure = counts.copy()
        named = strata.predicted if right else (strata.predicted + 1) % len(answers.scheme)
        with_unsure[np.arange(len(counts)), named] += unsure
        bounds.append(float(certified(strata, with_unsure).value["accuracy"]))
    other = next((person for person in answers.persons if person != first), None)
    by_class = np.zeros((len(answers.scheme),) * 2, np.int64)
    np.add.at(by_class.T, strata.predicted, counts)
    pixel = prediction.geo.mean_pixel_area_m2(prediction.height, prediction.width)
    return Certificate(
        title=title,
        scheme=answers.scheme,
        found=found,
        counts=by_class,
        mapped=np.bincount(strata.predicted, weights=strata.weight, minlength=len(answers.scheme)),
        area=float(strata.pixels.sum() * (pixel or 1)),
        in_metres=pixel is not None,
        points=total,
        not_sure=not_sure,
        if_wrong=bounds[0],
        if_right=bounds[1],
        more=more_points(float(found.high["accuracy"] - found.low["accuracy"]) / 2, total),
        day=time.strftime("%d %B %Y", time.localtime(max(one.time_s for one in answers.answers))),
        first=first,
        other=other,
        agreement=None if other is None else answers.agreement(first, other),
        differing=0 if other is None else len(answers.differing(first, other)),
    )


def more_points(half_width: float, points: int, wanted: float = WANTED) -> int:
    """How many points more would take an interval of this half width, from so many points, to the wanted one: it goes with their root."""
    return max(0, math.ceil(points * (half_width / wanted) ** 2) - points)
