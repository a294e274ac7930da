"""Superpixels: connected patches that cover an image and end where its edges are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
from PIL import Image
from scipy import ndimage

from core.errors import SettingsError
from core.labelling.projects.superpixels import BLOCK_PX, Superpixels, superpixels
from core.scenes.opening import open_scene


def halves(height: int, width: int, edge: int) -> np.ndarray:
    pixels = np.full((height, width, 3), 40, np.uint8)
    pixels[:, edge:] = 200
    return pixels


@pytest.mark.parametrize("size_px", [10, 25, 60])
def test_each_superpixel_is_one_patch_on_one_side_of_an_edge(size_px):
    ids = superpixels(halves(120, 150, 71), size_px)
    assert (ids > 0).all()
    for one in np.unique(ids):
        assert ndimage.label(ids == one)[1] == 1
    across = [one for one in np.unique(ids) if (ids[:, :71] == one).sum() > 0 and (ids[:, 71:] == one).sum() > 0]
    outside = sum(min((ids[:, :71] == one).sum(), (ids[:, 71:] == one).sum()) for one in across)
    assert outside <= 2 * 120  # an edge is two pixels wide


def test_the_outline_at_a_pixel_holds_it_and_is_that_of_all_its_pixels(tmp_path: Path):
    Image.fromarray(halves(600, 700, 300)).save(tmp_path / "a.png")
    cells = Superpixels(open_scene(tmp_path / "a.png"))
    for row, col in ((5, 5), (300, 298), (599, 699), (BLOCK_PX, BLOCK_PX)):
        rings = cells.around(row, col, 30)
        patch = shapely.Polygon(rings[0], rings[1:])
        assert patch.is_valid and patch.contains(shapely.Point(col + 0.5, row + 0.5))
        left, top, right, bottom = (int(edge) for edge in patch.bounds)
        inside = next((r, c) for r in range(top, bottom) for c in range(left, right) if patch.contains(shapely.Point(c + 0.5, r + 0.5)))
        assert cells.around(*inside, 30) == rings


def test_a_place_outside_the_scene_is_refused(tmp_path: Path):
    Image.fromarray(halves(60, 70, 30)).save(tmp_path / "a.png")
    with pytest.raises(SettingsError, match="row 60, column 3"):
        Superpixels(open_scene(tmp_path / "a.png")).around(60, 3, 20)
