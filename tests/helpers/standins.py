"""A model and a network for tests that need no Keras."""

import numpy as np

from core.classes import ClassScheme
from core.model_store.cards import ModelCard
from core.model_store.models import Model
from core.prediction.engines.engine import Engine

SCHEME = ClassScheme(("Dark", "Middle", "Bright"), ((10, 20, 30), (200, 100, 0), (0, 100, 200)))


def probabilities(patches):
    """Three classes by brightness: rising and falling lines that add up to 1. `patches` (n, h, w, B) in 0..1."""
    grey = np.nan_to_num(patches[..., 0].astype(np.float32))
    bright, dark = np.clip(grey * 2 - 1, 0, 1), np.clip(1 - grey * 2, 0, 1)
    return np.stack([dark, 1 - dark - bright, bright], axis=-1)


def make_model(folder, **settings):
    """A model whose weights file is a dummy; pair it with `make_engine`."""
    folder.mkdir(parents=True, exist_ok=True)
    card = ModelCard(**{"name": "tiny", "architecture": "unet", "scheme": SCHEME, "bands": (1, 2, 3), "patch_size": 32, **settings})
    (folder / "model.keras").write_bytes(b"dummy")
    return Model(card, folder, folder / "model.keras")


def make_engine(model, run=probabilities):
    return Engine("stand-in", run, model.card.normalise, len(model.card.scheme), model.card.patch_size, 2)
