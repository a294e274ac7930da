"""The answer for a scene: what its strokes teach, together with what a model says, inside an area of work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from affine import Affine
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from core.classes import ClassScheme
from core.errors import InputError
from core.labelling.classifier import Fitted, fit
from core.labelling.features import SceneFeatures
from core.labelling.kernels import pool
from core.labelling.samples import Samples, take
from core.labelling.strokes import Stroke
from core.prediction.folder.rasters import Prediction
from core.scenes.scene import Window


@dataclass(frozen=True, eq=False)
class Answer:
    """Class probabilities of a scene's pixels, by window.

    `scheme` has the classes of the features' prediction first, then those that only the strokes know; `told` are the ids of those that
    `fitted` tells apart: the painted ones, and those that the model is sure of somewhere. `area` is the area of work in pixels
    (x = column, y = row), None for the whole scene. `weight` is how much the strokes' word counts beside the model's, and
    `expected_accuracy` the share of painted pixels, mean over the classes, that are told right by strokes without their own; None while
    no class has two.
    """

    scheme: ClassScheme
    told: tuple[int, ...]
    fitted: Fitted
    features: SceneFeatures
    area: BaseGeometry | None = None
    weight: float = 1.0
    expected_accuracy: float | None = None

    @property
    def prediction(self) -> Prediction | None:
        """The model's answer that stays outside the area."""
        return self.features.prediction

    def probabilities(self, window: Window, *, every: int = 1) -> np.ndarray:
        """float32 (h, w, K) of a window, or of each `every`-th pixel of its rows and columns; 0 in all classes where nothing is known.

        Inside the area the model's word and the strokes' are weighed for each class that was painted, or that the model is sure of
        somewhere; others keep what the model gives them. Outside it the values are the prediction's own, to the byte (k / 255), or 0.
        """
        learnt = covered(self.area, window, every=every)
        found = np.zeros((*learnt.shape, len(self.scheme)), np.float32)
        if not learnt.any():
            found[..., : self.features.classes] = self.features.said(window)[::every, ::every]
            return found
        values = self.features.read(window, every=every)
        said = self.features.model(values)
        found[..., : self.features.classes] = said
        learnt &= np.isfinite(values[..., 0])
        chosen: Any = learnt if not learnt.all() else slice(None)  # the whole window without a copy of all its features
        found[chosen] = _pooled(said[chosen], self.fitted.probabilities(values[chosen]), self.told, self.weight, len(self.scheme))
        return found


def learn(
    features: SceneFeatures,
    strokes: Sequence[Stroke],
    scheme: ClassScheme,
    *,
    area: BaseGeometry | None = None,
    seed: int = 0,
    samples: Samples | None = None,
) -> Answer:
    """What strokes teach. `scheme` begins with the classes of the features' prediction; `samples` where they were taken already.

    Raises InputError where fewer than two classes were painted.
    """
    samples = take(features, strokes, scheme.names, seed=seed) if samples is None else samples
    mine = samples.strokes >= 0
    refuse_one_class([scheme.names[one] for one in np.unique(samples.ids[mine])])
    told, places = np.unique(samples.ids, return_inverse=True)
    fitted = fit(samples.values, places, classes=len(told), groups=samples.strokes, seed=seed)
    weight = weight_of(len(np.unique(samples.strokes[mine])) / len(np.unique(samples.ids[mine])))
    judged = mine & np.isfinite(fitted.held_out[:, 0])
    right = _pooled(features.model(samples.values[judged]), fitted.held_out[judged], told, weight, len(scheme)).argmax(axis=1)
    shares = [(right[samples.ids[judged] == k] == k).mean() for k in np.unique(samples.ids[judged])]
    expected = float(np.mean(shares)) if shares else None
    return Answer(scheme, tuple(int(one) for one in told), fitted, features, area, weight, expected)


def refuse_one_class(names: Sequence[str]) -> None:
    """Raise InputError where fewer than two classes were painted: what is not painted may be anything, so one alone teaches nothing."""
    if len(names) < 2:
        found = f"strokes of {names[0]} alone" if names else "no painted pixel"
        raise InputError(found, expected="strokes of two classes at least", do="Paint what is something else too")


def weight_of(strokes: float) -> float:
    """How much the word of so many strokes a class counts beside the model's: half as much again for three, twice for six."""
    return 3 * strokes / (strokes + 3)


def _pooled(said: np.ndarray, learnt: np.ndarray, told: Sequence[int] | np.ndarray, weight: float, classes: int) -> np.ndarray:
    """Probabilities float32 (..., classes) of the model's (..., K) and the forest's (..., P) of the ids `told`."""
    found = np.zeros((*learnt.shape[:-1], classes), np.float32)
    count = found.size // classes
    flat = [np.ascontiguousarray(each.reshape(count, each.shape[-1]), np.float32) for each in (said, learnt)]
    pool(*flat, np.asarray(told, np.int64), np.float32(weight), found.reshape(count, classes))
    return found


def covered(area: BaseGeometry | None, window: Window, *, every: int = 1) -> np.ndarray:
    """bool (h, w): whether the centre of a pixel, or of each `every`-th one, lies in an area in pixels; everywhere without an area."""
    shape = -(-window.height // every), -(-window.width // every)
    if area is None:
        return np.ones(shape, bool)
    shapely.prepare(area)
    box = shapely.box(window.col, window.row, window.col_stop, window.row_stop)
    if not area.intersects(box):
        return np.zeros(shape, bool)
    if area.contains(box):
        return np.ones(shape, bool)
    inside = rasterize([area], (window.height, window.width), transform=Affine.translation(window.col, window.row), dtype="uint8")
    return inside[::every, ::every] > 0
