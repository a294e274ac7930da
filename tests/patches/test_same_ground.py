from __future__ import annotations

import numpy as np
import pytest

from core.classes import DUBAI
from core.datasets.datasets import open_dataset
from core.errors import DatasetError
from core.patches.prepare import prepare
from core.patches.store import STORE_FILE
from tests.helpers.datasets import save, stripes
from tests.helpers.ground import drawn_ground, in_other_light

SIZES = {"patch_size": 64, "min_labelled": 0.0}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Four tiles, of which the first and the third show the same ground in another light."""
    root = tmp_path_factory.mktemp("twice")
    ground = drawn_ground(1, 330)
    light = np.random.default_rng(0)
    tiles = [ground[:256, :256], drawn_ground(2, 256), in_other_light(ground[-256:, -256:], light), drawn_ground(3, 256)]
    for k, pixels in enumerate(tiles, 1):
        save(root / f"Tile {k}/images/a.png", pixels)
        save(root / f"Tile {k}/masks/a.png", DUBAI.decode(stripes(256, 256, 0, 1)))
    return open_dataset(root)


def test_groups_that_show_the_same_ground_come_into_one_part(dataset, tmp_path):
    for seed in range(3):
        store = prepare(dataset, tmp_path / str(seed), seed=seed, validation=0.5, **SIZES)
        assert any({"Tile 1", "Tile 3"} <= set(members) for members in store.split_info["groups"].values())
    (note,) = [note for note in store.split_info["notes"] if "same ground" in note]
    assert note.startswith("Tile 1 and Tile 3 show the same ground, so they are kept in one part: 1 pair of images")
    assert "Tile 1/a and Tile 3/a (" in note


def test_it_can_be_left_off(dataset, tmp_path):
    stores = [prepare(dataset, tmp_path / str(seed), seed=seed, validation=0.5, same_ground="apart", **SIZES) for seed in range(4)]
    assert any(not any({"Tile 1", "Tile 3"} <= set(members) for members in store.split_info["groups"].values()) for store in stores)
    assert "same ground" not in (tmp_path / "0" / STORE_FILE).read_text()


def test_what_shows_the_ground_of_a_held_out_group_is_held_out_with_it(dataset, tmp_path):
    for how in ("group", "block"):
        store = prepare(dataset, tmp_path / how, split=how, hold_out=["Tile 3"], **SIZES)
        assert sorted(store.split_info["groups"]["test"]) == ["Tile 1", "Tile 3"]
        assert store.split_info["warnings"] == ["Tile 1 shows the same ground as Tile 3, which is held out, so it is held out too."]
    with pytest.raises(DatasetError, match="Tile 1 shows the same ground as Tile 3.*same_ground apart"):
        prepare(dataset.only(["Tile 1/a", "Tile 3/a"]), tmp_path / "none", hold_out=["Tile 3"], **SIZES)


def test_a_split_of_single_patches_does_not_look_for_it(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("core.patches.prepare.same_ground", lambda *a, **k: pytest.fail("looked for"))
    assert prepare(dataset, tmp_path / "r", split="random", **SIZES)
    assert prepare(dataset, tmp_path / "b", split="block", **SIZES)
