"""Scores of a prediction that lies on the disk, against the mask of its scene."""

from __future__ import annotations

from core.classes import ClassScheme
from core.confusion import Confusion
from core.datasets.pairs import Pair
from core.errors import SceneError
from core.prediction.folder.rasters import Prediction
from core.progress import ShouldStop, check
from core.scenes.scene import windows_of

_STEP_PX = 2048


def count_against(prediction: Prediction, truth: Pair, scheme: ClassScheme, *, should_stop: ShouldStop | None = None) -> Confusion:
    """Pixels of the mask's class by the predicted class, read in windows. `scheme`: how the mask spells the same classes.

    Raises SceneError when the mask has another size than the prediction; Cancelled.
    """
    if truth.shape != (prediction.height, prediction.width):
        raise SceneError(
            f"a mask of {truth.shape[0]} x {truth.shape[1]} pixels (height x width)",
            expected=f"the size of the prediction, {prediction.height} x {prediction.width}",
            do="Predict the image that belongs to this mask",
        )
    total = Confusion.empty(len(prediction.scheme))
    for window in windows_of(prediction.height, prediction.width, _STEP_PX):
        check(should_stop)
        total = total.add(truth.labels(scheme, window), prediction.labels(window))
    return total
