"""Scenes of grey stripes and a network that tells classes by brightness: what it gets right and wrong is known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from core.datasets.datasets import Dataset
from core.datasets.masks.encodings import IDS
from core.datasets.pairs import Pair
from core.evaluation.evaluate import evaluate
from core.evaluation.result import Evaluation
from core.geo import GeoRef
from core.scenes.opening import scene_of_array
from tests.helpers.standins import SCHEME, make_engine, make_model, probabilities

HEIGHT, WIDTH = 150, 120
GREYS = (30, 128, 240)


def ids_of(number: int) -> np.ndarray:
    """Labels of scene `number`: three stripes whose borders differ from scene to scene, the last column not labelled."""
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids[:, 35 + number :], ids[:, 80 - number :] = 1, 2
    ids[:, -1] = 255
    return ids


def picture_of(ids: np.ndarray, number: int, noise: int = 6) -> np.ndarray:
    """A noisy grey picture in which the classes can be told, but for a row of spots where the model is unsure and wrong."""
    rng = np.random.default_rng(number)
    grey = np.array([*GREYS, *[200] * 253])[ids] + rng.integers(-noise, noise + 1, ids.shape)
    grey[5:30, 45 + number : 70] = 60  # between dark and middle: 0.53 against 0.47
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def make_dataset(
    root: Path, *, scenes: int = 6, noise: int = 6, change: Callable[[int, np.ndarray], np.ndarray] = lambda number, ids: ids
) -> Dataset:
    """Scenes "s0".. of 0.5 m pixels; `change(number, ids)` spoils the labels, not the pictures."""
    pairs = []
    for number in range(scenes):
        ids = ids_of(number)
        geo = GeoRef(Affine(0.5, 0, 300000 + 1000 * number, 0, -0.5, 2700000), CRS.from_epsg(32640))
        image = scene_of_array(picture_of(ids, number, noise), geo=geo, name=f"s{number}")
        mask = scene_of_array(change(number, ids.copy()), name=f"s{number}")
        group = f"g{number % 3}"
        pairs.append(Pair(f"s{number}", root, root, group, IDS, image_opener=lambda s=image: s, mask_opener=lambda s=mask: s))
    return Dataset(root, "stripes", tuple(pairs), SCHEME, (), "test", IDS)


def run(root: Path, dataset: Dataset, *, network=probabilities, card=None, **settings) -> Evaluation:
    """Evaluate the stand-in model on scenes."""
    model = make_model(root / "model", **(card or {}))
    return evaluate(model, dataset, engine=make_engine(model, network), patch_px=32, **settings)


@pytest.fixture(scope="session")
def saved(tmp_path_factory) -> Evaluation:
    """An evaluation of six scenes in a folder of its own."""
    root = tmp_path_factory.mktemp("evaluated")
    return run(root, make_dataset(root), folder=root / "evaluation", polygons=["middle"], pictures=3)
