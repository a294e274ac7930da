import math

import numpy as np
from affine import Affine

from core.scenes.opening import open_scene
from core.scenes.warping import image_tile
from tests.helpers.datasets import save


def tile_of(lon: float, lat: float, zoom: int) -> tuple[int, int, int]:
    """Web Mercator tile of a place, by hand."""
    count = 2**zoom
    y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
    return zoom, int((lon + 180) / 360 * count), int(y * count)


def test_a_band_that_is_no_transparency_hides_nothing_on_the_map(tmp_path):
    pixels = np.random.default_rng(0).integers(1, 200, (128, 128, 4)).astype(np.uint8)
    pixels[:50, :, 3] = 0  # water in near infrared
    place = dict(crs="EPSG:32631", transform=Affine(0.6, 0, 500_000, 0, -0.6, 4_000_000))
    four = open_scene(save(tmp_path / "four.tif", pixels, photometric="RGB", alpha="YES", **place))
    three = open_scene(save(tmp_path / "three.tif", pixels[..., :3], photometric="RGB", **place))
    assert (four.bands, three.bands) == (4, 3)
    tile = tile_of(*four.geo.lonlat(64, 64), 19)
    for scene in (four, three):
        colours, alpha = image_tile(scene, (1, 2, 3), None, *tile, size_px=256)
        if scene is four:
            first = colours, alpha
    np.testing.assert_array_equal(first[1], alpha)
    np.testing.assert_array_equal(first[0], colours)
    assert 0.3 < (alpha == 255).mean() < 1
