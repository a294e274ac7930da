"""Random points of a map, by stratum: drawn once, more than will be asked for, in two readings of the map by windows."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypedDict

import numpy as np

from core.errors import InputError
from core.evaluation.certify.strata import Strata, strata_of
from core.files import dump_json, replacing
from core.prediction.folder.rasters import Prediction
from core.progress import OnProgress, ShouldStop, check, report
from core.reading.readable import read_record, reason
from core.scenes.scene import windows_of

RESERVE = 250
"""Points drawn in each stratum at most; nobody answers that many."""
_STEP_PX = 1024


class _Written(TypedDict):
    """What a file of points holds: the columns of strata and points."""

    predicted: list[int]
    low: list[int]
    high: list[int]
    pixels: list[int]
    told: list[float]
    stratum: list[int]
    row: list[int]
    col: list[int]
    confidence: list[int]


@dataclass(frozen=True, eq=False)
class DrawnPoints:
    """Pixels drawn at random without replacement, int (n,) each: `stratum`, `row`, `col`, and the model's `confidence` (0 to 255) there.

    Those of a stratum stand in random order, so that its first ones are a sample of their own.
    """

    strata: Strata
    stratum: np.ndarray
    row: np.ndarray
    col: np.ndarray
    confidence: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """Class ids of the map at the points, int (n,)."""
        return self.strata.predicted[self.stratum]

    def save(self, path: Path) -> None:
        """Write strata and points as JSON, in one step."""
        columns = {**vars(self.strata), **{name: values for name, values in vars(self).items() if name != "strata"}}
        with replacing(path) as temporary:
            temporary.write_text(dump_json(columns), encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike, *, classes: int, height: int, width: int) -> DrawnPoints:
        """Read points of a map of this size and number of classes. Raises InputError when the file holds none."""
        try:
            columns = {name: np.array(values) for name, values in read_record(path, _Written).items()}
            names = list(Strata.__dataclass_fields__)
            strata = Strata(*(columns.pop(name) for name in names))
            points = cls(strata, *(columns[name] for name in list(cls.__dataclass_fields__)[1:]))
            shapes = [[values.shape for values in vars(one).values() if isinstance(values, np.ndarray)] for one in (strata, points)]
            limits = ((strata.predicted, classes), (points.stratum, len(strata.pixels)), (points.row, height), (points.col, width))
            if any(len(set(one)) > 1 for one in shapes) or not points.row.size or (strata.pixels < 1).any():
                raise ValueError("its columns do not fit each other")
            if any((values < 0).any() or (values >= limit).any() for values, limit in limits):
                raise ValueError("it is of another map")
        except (OSError, ValueError, OverflowError) as error:
            raise InputError(
                f"no points in {Path(path).name} ({reason(error)})",
                expected="those that were drawn on this map",
                do="Delete its folder to start anew",
            ) from error
        return points


def draw_points(
    prediction: Prediction,
    *,
    seed: int = 0,
    each: int = RESERVE,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> DrawnPoints:
    """Up to `each` points of every stratum of a prediction; the same ones for the same seed. Raises InputError where nothing is mapped."""
    report(on_progress, 0, 0, "Counting the classes of the map")
    counts = prediction.confidence_counts()
    if not counts.any():
        raise InputError("a prediction without a mapped pixel", expected="a map to draw points on", do="Choose another prediction")
    strata = strata_of(counts)
    rng = np.random.default_rng(seed)
    # Which ones of a stratum's pixels, counted in the order in which the windows come.
    ranks = [np.sort(rng.choice(int(pixels), min(each, int(pixels)), replace=False)) for pixels in strata.pixels]
    seen = np.zeros(len(ranks), np.int64)
    found: list[np.ndarray] = []
    windows = list(windows_of(prediction.height, prediction.width, _STEP_PX))
    for done, window in enumerate(windows):
        check(should_stop)
        report(on_progress, done, len(windows), "Drawing points")
        labels, confidence = prediction.labels(window), prediction.confidence(window)
        belongs = strata.of(labels, confidence).ravel()
        order = np.argsort(belongs, kind="stable")
        starts = np.searchsorted(belongs[order], np.arange(len(ranks) + 1))
        for number, (begin, end) in enumerate(pairwise(starts)):
            here = ranks[number][slice(*np.searchsorted(ranks[number], (seen[number], seen[number] + end - begin)))]
            at = order[begin + here - seen[number]]
            rows, cols = np.divmod(at, window.width)
            found.append(np.stack([np.full(len(at), number), window.row + rows, window.col + cols, confidence.ravel()[at]]))
            seen[number] += end - begin
    points = np.concatenate(found, axis=1)
    points = points[:, rng.permutation(points.shape[1])]
    return DrawnPoints(strata, *points[:, np.argsort(points[0], kind="stable")])
