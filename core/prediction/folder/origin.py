"""The pixels that a prediction was made of, while they are still there."""

from __future__ import annotations

from pathlib import Path

from core.errors import SceneError
from core.prediction.folder.rasters import Prediction
from core.scenes import cutting
from core.scenes.opening import open_scene
from core.scenes.scene import Scene, Window


def source_scene(prediction: Prediction) -> Path | None:
    """The scene that a prediction lies on, when its file is still there and the prediction covers the whole of it."""
    scene = pictured(prediction)
    return None if scene is None or prediction.window != window_of(prediction) else Path(prediction.made["scene"])


def pictured(prediction: Prediction) -> Scene | None:
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


def window_of(prediction: Prediction) -> Window:
    """The part of its scene that was predicted."""
    made = prediction.made.get("window")
    return Window(**made) if made else prediction.window
