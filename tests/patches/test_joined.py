"""Two prepared stores in one training, and the proof that what one holds back is trained on in none."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from core.datasets.datasets import open_dataset
from core.errors import DatasetError
from core.patches.class_view import ClassView
from core.patches.ground import Ground, shared_pixels
from core.patches.joined import JoinedStore, open_patches
from core.patches.prepare import prepare
from core.patches.statistics import BandStatistics
from core.patches.store import STORE_FILE, PatchStore
from tests.helpers.datasets import stripes

PARTS = ("train", "validation", "test")


@pytest.fixture
def town(make_tiles):
    """Six tiles of 96 x 128 px."""
    return make_tiles({f"Tile {k}": [stripes(96, 128, 0, 1, 2)] for k in range(6)})


def cut(folder, where, **told):
    return prepare(open_dataset(folder), where, **{"patch_size": 16, "stride": 16, **told})


def painted(store, part, scales):
    """Pixels of a part's patches by (scene, at full size), bool, painted patch by patch: what `JoinedStore` tells without painting."""
    maps = {}
    for row in store.rows(part):
        k, offset = (0, 0) if row < len(store.stores[0]) else (1, len(store.stores[0]))
        one, scale = store.stores[k], scales[k]
        place = one.index[row - offset]
        seen = maps.setdefault(place["pair"], np.zeros((96, 128), bool))
        top, left = int(place["row"] / scale), int(place["col"] / scale)
        seen[top : int(np.ceil((place["row"] + 16) / scale)), left : int(np.ceil((place["col"] + 16) / scale))] = True
    return maps


@pytest.mark.parametrize("scale", [0.5, 0.75, 1.5])
@pytest.mark.parametrize("how", ["group", "block"])
def test_no_ground_that_validates_is_trained_on_where_one_store_is_resized(town, tmp_path, scale, how):
    crops = cut(town, tmp_path / "crops", split=how, seed=1, hold_out=["Tile 0"])
    small = cut(town, tmp_path / "small", split=how, seed=2, hold_out=["Tile 1"], scale=scale, validation=0.3)
    # By themselves the two disagree about what is held back.
    name = "Tile 1/image_part_001"
    learned, held = alone(crops, "train", 1.0, name) | alone(crops, "validation", 1.0, name), alone(small, "test", scale, name)
    assert (learned & held).any()
    both = open_patches(crops.folder, [small.folder])
    ground = {part: painted(both, part, (1.0, scale)) for part in PARTS}
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        for scene in set(ground[one]) & set(ground[other]):
            assert not (ground[one][scene] & ground[other][scene]).any(), (one, other, scene)
    assert both.split_info["shared_pixels"] == 0
    assert sum(both.split_info["patches"].values()) < len(both) == len(crops) + len(small)
    assert any("were left out" in note for note in both.notes)


def alone(store, part, scale, scene):
    seen = np.zeros((96, 128), bool)
    for row in store.rows(part):
        place = store.index[row]
        if place["pair"] == scene:
            top, left = int(place["row"] / scale), int(place["col"] / scale)
            seen[top : int((place["row"] + 16) / scale), left : int((place["col"] + 16) / scale)] = True
    return seen


def test_patches_of_two_stores_are_read_as_one(town, tmp_path):
    crops, small = cut(town, tmp_path / "crops"), cut(town, tmp_path / "small", scale=0.5)
    both = open_patches(crops.folder, [small.folder, crops.folder])
    assert isinstance(both, JoinedStore) and len(both) == len(crops) + len(small) == 6 * 48 + 6 * 12
    whole = np.concatenate([crops.images, small.images])
    rows = np.array([0, 287, 288, 359, 5])
    np.testing.assert_array_equal(both.images[rows], whole[rows])
    np.testing.assert_array_equal(both.images[300], whole[300])
    np.testing.assert_array_equal(both.masks[:], np.concatenate([crops.masks, small.masks]))
    assert both.images.shape == whole.shape and both.images.dtype == np.uint8
    assert np.asarray(ClassView(both, 1).masks[rows]).shape == (5, 16, 16)
    for part in PARTS:
        counted = np.bincount(both.masks[both.rows(part)].ravel(), minlength=256)[: len(both.scheme)]
        np.testing.assert_array_equal(both.counts[part], counted)
    assert both.summary()["patches"] == {part: len(both.rows(part)) for part in PARTS}
    json.dumps([both.split_info, both.summary()])


def test_counts_leave_out_what_is_left_out(town, tmp_path):
    both = JoinedStore([cut(town, tmp_path / "a", seed=1), cut(town, tmp_path / "b", seed=2, scale=0.5)])
    assert sum(both.split_info["patches"].values()) < len(both)
    counted = np.bincount(both.masks[both.rows("train")].ravel(), minlength=256)[: len(both.scheme)]
    np.testing.assert_array_equal(both.counts["train"], counted)


def test_statistics_are_those_of_all_pixels(town, tmp_path):
    crops, small = cut(town, tmp_path / "crops"), cut(town, tmp_path / "small", scale=0.5)
    both = open_patches(crops.folder, [small.folder])
    pixels = both.images[both.rows("train")].reshape(-1, 3).astype(float)
    np.testing.assert_allclose(both.statistics["mean"], pixels.mean(axis=0))
    np.testing.assert_allclose(both.statistics["std"], pixels.std(axis=0))
    assert both.statistics["pixels"] == len(pixels) and both.statistics["max"] == pixels.max(axis=0).tolist()
    assert BandStatistics.merged([BandStatistics.empty(2).summary()] * 2).pixels == 0


def copy_of(town, where, factor=1.0):
    """The data set in another folder, its files resized."""
    shutil.copytree(town, where)
    for path in where.rglob("*.png"):
        image = Image.open(path)
        size = tuple(round(side * factor) for side in image.size)
        image.resize(size, Image.NEAREST if "masks" in path.parts else Image.BOX).save(path)
    return where


def test_a_resized_copy_in_another_folder_is_the_same_ground(town, tmp_path):
    crops = cut(town, tmp_path / "crops", hold_out=["Tile 0"])
    halved = cut(copy_of(town, tmp_path / "halved", 0.5), tmp_path / "small", hold_out=["Tile 1"])
    both = open_patches(crops.folder, [halved.folder])
    # Tile 0 tests in one and tile 1 in the other: neither is trained on or validated in the other.
    assert set(both.split_info["groups"]["test"]) == {"Tile 0", "Tile 1"}
    assert not {"Tile 0", "Tile 1"} & {*both.split_info["groups"]["train"], *both.split_info["groups"]["validation"]}


def test_another_place_of_the_same_name_is_other_ground(town, make_tiles, tmp_path):
    elsewhere = make_tiles({f"Tile {k}": [stripes(96, 128, 0, 1, 2)] for k in range(4)}, root=tmp_path / "elsewhere", seed=99)
    crops, others = cut(town, tmp_path / "crops", hold_out=["Tile 0"]), cut(elsewhere, tmp_path / "others", hold_out=["Tile 1"])
    both = open_patches(crops.folder, [others.folder])
    assert sum(both.split_info["patches"].values()) == len(both) and not any("left out" in note for note in both.notes)


def test_the_same_file_is_the_same_ground_whatever_folder_was_opened(town, tmp_path):
    crops = cut(town, tmp_path / "crops", hold_out=["Tile 0"])
    shutil.copytree(town, tmp_path / "outer" / "town")
    shutil.rmtree(tmp_path / "outer" / "town" / "Tile 0")
    (tmp_path / "outer" / "town" / "Tile 0").symlink_to(town / "Tile 0")
    # Seen from one folder further up the scene has another name.
    outer = open_dataset(tmp_path / "outer" / "town")
    renamed = replace(outer, pairs=tuple(replace(pair, name=f"town/{pair.name}") for pair in outer.pairs))
    other = prepare(renamed, tmp_path / "other", patch_size=16, stride=16, hold_out=["Tile 1"])
    both = open_patches(crops.folder, [other.folder])
    assert "Tile 0" not in both.split_info["groups"]["train"]


def test_stores_of_earlier_versions_are_proven_too(town, tmp_path):
    stores = [cut(town, tmp_path / "a", seed=1), cut(town, tmp_path / "b", seed=2, scale=0.75)]
    for store in stores:
        record = json.loads((store.folder / STORE_FILE).read_text())
        del record["images"], record["shapes"]
        (store.folder / STORE_FILE).write_text(json.dumps(record))
    both = JoinedStore([PatchStore.open(store.folder) for store in stores])
    assert both.split_info["shared_pixels"] == 0 and sum(both.split_info["patches"].values()) < len(both)


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"patch_size": 32, "stride": 32}, "other has patches of 32 px. Expected patches of 16 px, as crops has. Prepare both alike"),
        ({"bands": [3, 2, 1]}, "other has bands 3, 2 and 1. Expected bands 1, 2 and 3, as crops has"),
    ],
)
def test_stores_that_do_not_go_together_are_one_line(town, tmp_path, told, sentence):
    crops, other = cut(town, tmp_path / "crops"), cut(town, tmp_path / "other", **told)
    with pytest.raises(DatasetError, match=sentence):
        open_patches(crops.folder, [other.folder])


def test_other_classes_and_nothing_left_are_one_line(town, tmp_path):
    crops, other = cut(town, tmp_path / "crops"), cut(town, tmp_path / "other")
    record = json.loads((other.folder / STORE_FILE).read_text())
    record["scheme"]["classes"][0]["name"] = "House"
    (other.folder / STORE_FILE).write_text(json.dumps(record))
    with pytest.raises(DatasetError, match="other has classes House, .* Expected classes Building"):
        open_patches(crops.folder, [other.folder])
    two = open_dataset(town).only(["Tile 0/image_part_001", "Tile 1/image_part_001"])
    first = prepare(two, tmp_path / "first", patch_size=16, stride=16, hold_out=["Tile 0"], validation=0.0)
    second = prepare(two, tmp_path / "second", patch_size=16, stride=16, hold_out=["Tile 1"], validation=0.0)
    with pytest.raises(DatasetError, match="every training patch lies on ground that validates or tests in another"):
        open_patches(first.folder, [second.folder])


def test_touching_and_shared_ground_by_hand():
    ground = Ground(*(np.array(side) for side in ([0, 2, 9], [0, 2, 0], [4, 6, 12], [4, 6, 3])))
    assert ground.touches(ground.only(np.array([1]))).tolist() == [True, True, False]
    assert shared_pixels(ground, np.array([0, 1, 1])) == 4 and shared_pixels(ground, np.array([0, 0, 1])) == 0
