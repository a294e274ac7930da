"""The pixels that a prediction was made of, while they are still there."""

from __future__ import annotations

from pathlib import Path

from core.errors import SceneError
from core.prediction.folder.measured import MeasuredMap
from core.prediction.folder.rasters import Prediction
from core.scenes import cutting
from core.scenes.opening import open_scene
from core.scenes.remote.links import shown_address
from core.scenes.scene import COPYRIGHT_TAG, Scene, Window

ATTRIBUTION, ADDRESS = "attribution", "address"
"""What predictions and layers call whom the picture belongs to, and the address that it came from."""


def source_scene(prediction: Prediction) -> Path | None:
    """The scene that a prediction lies on, when its file is still there and the prediction covers the whole of it."""
    scene = pictured(prediction)
    return None if scene is None or prediction.window != window_of(prediction) else Path(prediction.made["scene"])


def pictured(prediction: Prediction | MeasuredMap) -> Scene | None:
    """The pixels that a prediction was made of, as a scene of its size; None where the file is gone or has changed its size."""
    try:
        scene = open_scene(prediction.made["scene"]) if "scene" in prediction.made else None
    except SceneError:
        return None
    if scene is None:
        return None
    window = window_of(prediction)
    if (window.height, window.width) != (prediction.height, prediction.width) or scene.window.intersect(window) != window:
        return None
    return cutting.cut(scene, window) if window == scene.window or "window" in prediction.made else None


def credits_of(scene: Scene) -> dict[str, str]:
    """Whom the picture belongs to and the address that it came from, where either is known; nothing secret is among it."""
    told = {ATTRIBUTION: scene.attribution, ADDRESS: shown_address(scene.path)}
    return {key: text for key, text in told.items() if text}


def credit_tags(scene: Scene) -> dict[str, str]:
    """What a raster made of a scene says of whom the picture belongs to."""
    return {COPYRIGHT_TAG: f"Made from a picture: {scene.attribution}"} if scene.attribution else {}


def window_of(prediction: Prediction | MeasuredMap) -> Window:
    """The part of its scene that was predicted."""
    made = prediction.made.get("window")
    return Window(**made) if made else prediction.window
