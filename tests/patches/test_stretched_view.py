"""Patches stretched by the limits of the image that they come from."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from core.datasets.datasets import open_dataset
from core.model_store.cards import ModelCard
from core.patches.class_view import ClassView
from core.patches.joined import open_patches
from core.patches.prepare import prepare
from core.patches.stretched_view import fed
from tests.helpers.datasets import save
from tests.helpers.standins import SCHEME

PLAIN = ModelCard("toy", "unet", SCHEME, bands=(3, 1), dtype="uint16")
STRETCH = replace(PLAIN, normalisation={"kind": "image", "low": 2.0, "high": 98.0})


@pytest.fixture
def images(tmp_path):
    """Two scenes of other brightness, 40 x 48 pixels of 16 bits; 40 is not a multiple of the patches' 16."""
    found = {}
    for name, level in (("a", 300), ("b", 5000)):
        rng = np.random.default_rng(level)
        found[name] = rng.normal(level, level / 4, (40, 48, 3)).clip(1, None).astype(np.uint16)
        save(tmp_path / "set" / "images" / f"{name}.tif", found[name])
        save(tmp_path / "set" / "masks" / f"{name}.tif", rng.integers(0, 2, (40, 48), dtype=np.uint8))
    return found


def prepared(tmp_path, name="store"):
    return prepare(open_dataset(tmp_path / "set"), tmp_path / name, patch_size=16, stride=16, split="random", bands=(3, 1))


def stretched(image, patches):
    low, high = np.percentile(image[..., [2, 0]], (2, 98), axis=(0, 1))
    return np.clip((patches - low) / (high - low), 0, 1)


def test_each_patch_is_stretched_as_its_whole_image_is(tmp_path, images):
    store = prepared(tmp_path)
    seen, normalise = fed(store, STRETCH)
    found = normalise(seen.images[np.arange(len(store))])
    assert found.dtype == np.float32 and seen.images.shape == store.images.shape
    for row, entry in enumerate(store.index):
        np.testing.assert_allclose(found[row], stretched(images[entry["pair"]], store.images[row]), atol=1e-5)
        np.testing.assert_allclose(normalise(seen.images[row]), found[row])


def test_without_the_images_the_patches_themselves_tell(tmp_path, images):
    store = prepared(tmp_path)
    shutil.rmtree(tmp_path / "set")
    seen, _ = fed(store, STRETCH)
    rows = [row for row, entry in enumerate(store.index) if entry["pair"] == "b"]
    own = store.images[rows]
    wanted = np.percentile(own.reshape(-1, 2), (2, 98), axis=0)
    np.testing.assert_allclose(seen.limits[1], wanted)


def test_joined_stores_and_views_of_one_class_are_stretched_too(tmp_path, images):
    prepared(tmp_path), prepared(tmp_path, "other")
    store = open_patches(tmp_path / "store", [tmp_path / "other"])
    seen, normalise = fed(ClassView(store, 1), STRETCH)
    last = len(store) - 1
    alone, _ = fed(open_patches(tmp_path / "store"), STRETCH)
    np.testing.assert_array_equal(normalise(seen.images[[last]])[0], alone.images[last // 2])
    assert set(np.unique(seen.masks[last])) <= {0, 1}


def test_any_other_way_needs_no_view(tmp_path, images):
    store = prepared(tmp_path)
    seen, normalise = fed(store, PLAIN)
    assert seen is store and normalise == PLAIN.normalise
