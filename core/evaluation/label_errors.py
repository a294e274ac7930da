"""Regions that are probably labelled wrongly: where the model is sure of another class than the label.

The thresholds are those of confident learning (Northcutt, Jiang, Chuang 2021, arXiv:1911.00068): a pixel speaks for a
class when its probability reaches the mean that pixels with that label have. Here nine tenths of the mean are enough,
because half the pixels of any region lie below their mean and a region is to stay whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.ndimage import find_objects, maximum_filter, minimum_filter

from core.classes import IGNORED_ID, ClassScheme
from core.evaluation.regions import Regions
from core.evaluation.result import LabelError
from core.progress import ShouldStop, check
from core.scenes.opening import open_scene
from core.scenes.scene import Window

THICKNESS_PX = 5
MOST = 100
_NEAR_MEAN = 0.9
_BAND_PX = 512


def class_thresholds(histogram: np.ndarray) -> np.ndarray:
    """float64 (K,) bytes: mean probability of each class over the pixels labelled so; infinite for an absent class."""
    hits = np.asarray(histogram, np.float64)[:, 1]
    pixels = hits.sum(axis=1)
    return np.where(pixels > 0, (hits @ np.arange(256)) / np.maximum(pixels, 1), np.inf)


def find_label_errors(
    maps: Sequence[tuple[str, Path]],
    scheme: ClassScheme,
    histogram: np.ndarray,
    *,
    most: int = MOST,
    thickness_px: int = THICKNESS_PX,
    should_stop: ShouldStop | None = None,
) -> tuple[LabelError, ...]:
    """The likeliest label errors of scenes, by their names and four-band maps (`core.evaluation.measure`), likeliest first.

    Regions thinner than `thickness_px` are outlines drawn a little beside, not errors of class, and are left out.
    """
    thresholds = class_thresholds(histogram)
    found: list[LabelError] = []
    for name, path in maps:
        check(should_stop)
        found += _in_scene(name, path, scheme, thresholds, thickness_px)
        found = sorted(found, key=lambda error: (-error.score, error.scene, error.row, error.col))[:most]
    return tuple(found)


def _in_scene(name: str, path: Path, scheme: ClassScheme, thresholds: np.ndarray, thickness_px: int) -> list[LabelError]:
    scene, size = open_scene(path, expand_palette=False), len(scheme)
    limits = np.full(256, np.inf)
    limits[:size] = thresholds
    regions, parts = Regions(), []
    for row in range(0, scene.height, _BAND_PX):
        stop = min(scene.height, row + _BAND_PX)
        top, bottom = max(0, row - 2 * thickness_px), min(scene.height, stop + 2 * thickness_px)
        labels, truth, confidence, own = np.moveaxis(scene.read(Window(top, 0, bottom - top, scene.width), categorical=True), 2, 0)
        sure = (truth != IGNORED_ID) & (labels != IGNORED_ID) & (labels != truth)
        sure &= (confidence >= _NEAR_MEAN * limits[labels]) & (own <= limits[truth] / 2)
        thick = maximum_filter(minimum_filter(sure, size=thickness_px), size=thickness_px)
        rows = slice(row - top, stop - top)
        numbers = regions.add(thick[rows])
        parts.append(_statistics(numbers, row, *(values[rows] for values in (labels, truth, confidence, own)), size))
    return _errors(name, scheme, regions.roots(), np.concatenate(parts, axis=1) if parts else np.zeros((9, 0)))


def _statistics(numbers, row, labels, truth, confidence, own, size) -> np.ndarray:
    """A column for each provisional region and pair of classes: number, pair, pixels, sums of both probabilities, extent."""
    some = numbers > 0
    if not some.any():
        return np.zeros((9, 0))
    first = int(numbers[some].min())
    extents = {first + k: place for k, place in enumerate(find_objects((np.where(some, numbers - first + 1, 0)).astype(np.int32))) if place}
    code = truth[some].astype(np.int64) * size + labels[some]
    keys, where = np.unique(numbers[some] * size * size + code, return_inverse=True)
    number = keys // (size * size)
    sums = [np.bincount(where, values) for values in (np.ones(len(where)), confidence[some], own[some])]
    extent = [
        [extents[int(one)][0].start + row for one in number],
        [extents[int(one)][0].stop + row for one in number],
        [extents[int(one)][1].start for one in number],
        [extents[int(one)][1].stop for one in number],
    ]
    return np.array([number, keys % (size * size), *sums, *extent], np.float64)


def _errors(name: str, scheme: ClassScheme, roots: np.ndarray, columns: np.ndarray) -> list[LabelError]:
    region = roots[columns[0].astype(np.int64)]
    errors = []
    order = np.argsort(region, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(region[order])) + 1) if len(order) else ():
        _, pair, pixels, confidence, own, top, bottom, left, right = columns[:, group]
        main = int(pair[np.argmax(np.bincount(np.unique(pair, return_inverse=True)[1], pixels)[np.unique(pair, return_inverse=True)[1]])])
        total = pixels.sum()
        labelled, predicted = divmod(main, len(scheme))
        errors.append(
            LabelError(
                scene=name,
                row=int(top.min()),
                col=int(left.min()),
                height=int(bottom.max() - top.min()),
                width=int(right.max() - left.min()),
                pixels=int(total),
                labelled=scheme.names[labelled],
                predicted=scheme.names[predicted],
                confidence=float(confidence.sum() / total / 255),
                label_probability=float(own.sum() / total / 255),
                score=float((confidence.sum() - own.sum()) / 255),
            )
        )
    return errors
