from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from core.errors import SceneError
from core.geo import GeoRef
from core.scenes import chip_layout
from core.scenes.chip_layout import find_layouts, layouts_of, read_chip
from core.scenes.opening import open_scene, scene_of_array
from core.scenes.scene import Window
from tests.helpers.datasets import save

ROWS, COLS = [0, 50, 99, 150], [0, 60, 121]


def picture(height: int = 150, width: int = 121, seed: int = 0) -> np.ndarray:
    """Smooth seeded noise with fine grain: neighbouring lines are alike, distant ones are not."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=(height // 5 + 2, width // 5 + 2, 3))
    rows, cols = np.arange(height) / 5, np.arange(width) / 5
    i, j = rows.astype(int)[:, None], cols.astype(int)[None, :]
    a, b = (rows % 1)[:, None, None], (cols % 1)[None, :, None]
    smooth = (coarse[i, j] * (1 - b) + coarse[i, j + 1] * b) * (1 - a) + (coarse[i + 1, j] * (1 - b) + coarse[i + 1, j + 1] * b) * a
    return np.clip(128 + 40 * smooth + rng.normal(size=smooth.shape) * 2, 0, 255).astype(np.uint8)


def chips_of(whole: np.ndarray) -> dict[tuple[int, int], np.ndarray]:
    """Cut into 3 x 2 chips whose rows are 50, 49 and 51 pixels high and columns 60 and 61 wide."""
    return {(i, j): whole[ROWS[i] : ROWS[i + 1], COLS[j] : COLS[j + 1]] for i in range(3) for j in range(2)}


@pytest.fixture
def folder(tmp_path):
    """Chips whose names say nothing about their order."""
    names = {(0, 0): "f", (0, 1): "b", (1, 0): "a", (1, 1): "e", (2, 0): "d", (2, 1): "c"}
    for place, chip in chips_of(picture()).items():
        save(tmp_path / "bay" / f"{names[place]}.png", chip)
    return tmp_path / "bay"


def test_the_assembled_scene_is_the_picture_that_was_cut(folder):
    scene = open_scene(folder)
    whole = picture()
    assert scene.shape == (150, 121)
    assert scene.name == "bay"
    np.testing.assert_array_equal(scene.read(), whole)
    window = Window(40, 50, 70, 30)
    np.testing.assert_array_equal(scene.read(window, [3, 1]), whole[window.slices][..., [2, 0]])
    assert scene.valid().all()


def test_a_decimated_read_is_near_the_mean(folder):
    scene = open_scene(folder)
    small = scene.read(out_shape=(30, 24)).astype(float)
    whole = picture().astype(float)
    expected = np.stack(
        [
            np.stack([whole[5 * i : 5 * i + 5, int(j * 121 / 24) : int((j + 1) * 121 / 24)].mean(axis=(0, 1)) for j in range(24)])
            for i in range(30)
        ]
    )
    assert np.abs(small - expected).mean() < 8
    assert small.shape == (30, 24, 3)


def test_a_changed_chip_changes_the_digest(folder):
    before = open_scene(folder).digest
    save(folder / "a.png", np.zeros((49, 60, 3), np.uint8))
    with pytest.raises(SceneError, match="edges do not continue each other"):
        open_scene(folder)
    save(folder / "a.png", np.clip(chips_of(picture())[1, 0], 1, 254))
    assert open_scene(folder).digest != before


def test_unrelated_pictures_make_no_mosaic(tmp_path):
    for k in range(6):
        save(tmp_path / f"{k}.png", picture(50, 50, seed=k + 1))
    with pytest.raises(SceneError, match="6 images in .* whose edges do not continue each other"):
        open_scene(tmp_path)


def test_a_folder_with_one_image_is_no_mosaic(tmp_path):
    save(tmp_path / "only.png", picture())
    with pytest.raises(SceneError, match="1 images in folder"):
        open_scene(tmp_path)


def test_uneven_chips_are_continued_by_their_last_line(tmp_path):
    chips = chips_of(picture())
    chips[1, 1] = chips[1, 1][:-1]  # one row short
    for (i, j), chip in chips.items():
        save(tmp_path / f"{i}{j}.png", chip)
    scene = open_scene(tmp_path)
    assert scene.shape == (150, 121)
    pixels, whole = scene.read(), picture()
    np.testing.assert_array_equal(pixels[98, 60:], whole[97, 60:])
    np.testing.assert_array_equal(np.delete(pixels, 98, 0), np.delete(whole, 98, 0))


def test_names_place_chips_whose_edges_tell_nothing():
    """The last row is open water, flat and alike everywhere; the rows above agree with the order of the names."""
    whole = picture(150, 180)
    whole[95:] = 7
    chips = [
        read_chip(scene_of_array(whole[50 * i : 50 * i + 50, 60 * j : 60 * j + 60], name=f"part_{3 * i + j}"))
        for i in range(3)
        for j in range(3)
    ]
    layout = find_layouts(chips)[0]
    assert (layout.rows, layout.columns, layout.complete) == (3, 3, True)
    assert layout.cells == {divmod(k, 3): k for k in range(9)}


def test_two_mosaics_in_one_folder_are_told_apart():
    chips = []
    for seed in (1, 2):
        chips += [read_chip(scene_of_array(chip, name=f"{seed}{place}")) for place, chip in chips_of(picture(seed=seed)).items()]
    layouts = find_layouts(chips)
    assert [(layout.rows, layout.columns) for layout in layouts] == [(3, 2), (3, 2)]
    assert sorted(layouts[0].cells.values()) == [0, 1, 2, 3, 4, 5]
    assert sorted(layouts[1].cells.values()) == [6, 7, 8, 9, 10, 11]


def test_many_chips_are_matched_through_the_coarse_search():
    whole = picture(9 * 32, 10 * 32, seed=4)
    order = np.random.default_rng(0).permutation(90)
    chips = [read_chip(scene_of_array(whole[32 * (k // 10) : 32 * (k // 10) + 32, 32 * (k % 10) : 32 * (k % 10) + 32])) for k in order]
    layout = find_layouts(chips)[0]
    assert (layout.rows, layout.columns) == (9, 10)
    assert {place: order[k] for place, k in layout.cells.items()} == {divmod(k, 10): k for k in range(90)}


def test_chips_with_coordinates_lie_where_these_say_and_no_pixel_is_read(monkeypatch):
    crs = CRS.from_epsg(32640)
    flat = np.zeros((20, 30, 1), np.uint8)  # edges tell nothing

    def chip(row: int, col: int):
        geo = GeoRef(Affine(0.5, 0, 1000 + 15 * col, 0, -0.5, 2000 - 10 * row), crs)
        return scene_of_array(flat, geo=geo, name=f"{row}{col}")

    places = [(1, 1), (0, 0), (1, 0), (0, 1), (7, 7)]
    layouts = find_layouts([read_chip(chip(*place)) for place in places])
    assert len(layouts) == 1
    assert layouts[0].cells == {place: k for k, place in enumerate(places[:4])}

    def unread(*_):
        raise AssertionError("pixels were read")

    monkeypatch.setattr(chip_layout, "read_chip", unread)
    again = layouts_of([chip(*place) for place in places])
    assert [one.cells for one in again] == [one.cells for one in layouts]
    with pytest.raises(AssertionError, match="pixels were read"):
        layouts_of([chip(0, 0), scene_of_array(flat, name="nowhere")])


@pytest.mark.parametrize("tile", [1, 2, 4, 5, 6])
def test_the_dubai_tiles_are_mosaics_of_three_by_three(dubai, tile):
    scene = open_scene(dubai / f"Tile {tile}")
    part = open_scene(dubai / f"Tile {tile}" / "images" / "image_part_006.jpg")
    names = {place: chip.name for place, chip in scene.source.cells.items()}
    assert names == {divmod(k, 3): f"image_part_00{k + 1}" for k in range(9)}
    row, col = scene.source.heights[0], sum(scene.source.widths[:2])
    np.testing.assert_array_equal(scene.read(Window(row, col, *part.shape)), part.read())
