"""The answer for a scene: what its strokes teach, together with what a model says, inside an area of work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from core.classes import ClassScheme
from core.errors import InputError
from core.labelling.classifier import Fitted, fit
from core.labelling.features import SceneFeatures
from core.labelling.samples import Samples, take
from core.labelling.strokes import Stroke
from core.prediction.folder.rasters import Prediction
from core.scenes.scene import Window


@dataclass(frozen=True, eq=False)
class Answer:
    """Class probabilities of a scene's pixels, by window.

    `scheme` has the classes of the features' prediction first, then those that only the strokes know; `painted` are the ids of those that
    were painted, which is what `fitted` tells apart. `area` is the area of work in pixels (x = column, y = row), None for the whole scene.
    """

    scheme: ClassScheme
    painted: tuple[int, ...]
    fitted: Fitted
    features: SceneFeatures
    area: BaseGeometry | None = None

    @property
    def prediction(self) -> Prediction | None:
        """The model's answer that stays outside the area."""
        return self.features.prediction

    def probabilities(self, window: Window, *, every: int = 1) -> np.ndarray:
        """float32 (h, w, K) of a window, or of each `every`-th pixel of its rows and columns; 0 in all classes where nothing is known.

        Inside the area a class that nobody painted keeps what the model gives it, and the painted ones share the rest. Outside it the
        values are the prediction's own, to the byte (k / 255), or 0.
        """
        values = self.features.read(window, every=every)
        found = np.zeros((*values.shape[:2], len(self.scheme)), np.float32)
        found[..., : self.features.classes] = self.features.model(values)
        learnt = covered(self.area, window, every=every) & np.isfinite(values[..., 0])
        if learnt.all():
            return self._taught(values, found)
        found[learnt] = self._taught(values[learnt], found[learnt])
        return found

    def _taught(self, values: np.ndarray, said: np.ndarray) -> np.ndarray:
        """Probabilities (..., K) from features (..., F) and the model's own probabilities (..., K)."""
        found = said.copy()
        found[..., list(self.painted)] = 0
        rest = np.maximum(1 - found.sum(axis=-1, keepdims=True), 0)
        found[..., list(self.painted)] = rest * self.fitted.probabilities(values)
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
    painted = np.unique(samples.ids)
    if len(painted) < 2:
        found = f"strokes of {scheme.names[painted[0]]} alone" if len(painted) else "no painted pixel"
        raise InputError(found, expected="strokes of two classes at least", do="Paint what is something else too")
    fitted = fit(samples.values, np.searchsorted(painted, samples.ids), classes=len(painted), seed=seed)
    return Answer(scheme, tuple(int(one) for one in painted), fitted, features, area)


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
