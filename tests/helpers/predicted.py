"""A prediction without a network: each pixel takes the class whose colour is nearest, blurred so that areas hang together."""

from functools import partial
from pathlib import Path

import numpy as np
from scipy.ndimage import uniform_filter

from core.classes import DUBAI
from core.model_store.cards import ModelCard
from core.model_store.models import Model
from core.prediction.engines.engine import Engine
from core.prediction.predict import predict
from core.scenes.scene import Window

# Typical roof, sand, asphalt, leaf and sea of the sample town, as red, green, blue.
COLOURS = np.array([[205, 160, 140], [200, 178, 150], [105, 103, 103], [78, 92, 58], [40, 82, 95]], np.float32)


def nearest_colour(patches: np.ndarray, blur_px: int = 7) -> np.ndarray:
    """Probabilities float32 (n, h, w, 5) of patches (n, h, w, 3) in 0..1."""
    seen = uniform_filter(patches[..., :3].astype(np.float32) * 255, size=(1, blur_px, blur_px, 1))
    distance = ((seen[..., None, :] - COLOURS) ** 2).sum(axis=-1)
    likely = np.exp(-(distance - distance.min(axis=-1, keepdims=True)) / 2000)
    return (likely / likely.sum(axis=-1, keepdims=True)).astype(np.float32)


def predicted(scene: Path, folder: Path, *, blur_px: int = 7, window: Window | None = None) -> Path:
    """Predict a scene of the sample town, or a window of it, into `folder` with `nearest_colour`, and return the folder.

    Blurring makes areas hang together, and rings of other classes around sharp borders; 1 leaves it out.
    """
    place = folder.parent / "nearest-colour"
    place.mkdir(parents=True, exist_ok=True)
    (place / "model.keras").write_bytes(b"no network")
    card = ModelCard(name="nearest-colour", architecture="unet", scheme=DUBAI, bands=(1, 2, 3), patch_size=256)
    model = Model(card, place, place / "model.keras")
    engine = Engine("stand-in", partial(nearest_colour, blur_px=blur_px), card.normalise, len(DUBAI), card.patch_size, 2)
    predict(model, scene, folder, overlap=0.0, engine=engine, window=window)
    return folder
