from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from core.datasets.datasets import open_dataset
from core.datasets.pairs import Pair
from core.datasets.same_ground.overlaps import joined, same_ground
from core.errors import Cancelled
from core.geo import GeoRef
from core.scenes.opening import scene_of_array
from tests.helpers.ground import drawn_ground, in_other_light, plant

DUBAI = Path(__file__).resolve().parents[3] / "shared" / "data" / "dubai"


def pair_of(pixels: np.ndarray, name: str, group: str = "", geo: GeoRef | None = None) -> Pair:
    scene = scene_of_array(pixels, name=name) if geo is None else scene_of_array(pixels, name=name, geo=geo)
    return Pair(name, Path(name), None, group or name, image_opener=lambda: scene)


def test_planted_overlaps_are_found_and_nothing_else():
    rng = np.random.default_rng(7)
    planted = [plant(drawn_ground(seed, 640), rng, sides=(200, 340)) for seed in range(5)]
    pairs = [pair_of(pixels, f"{k}{side}") for k, one in enumerate(planted) for side, pixels in (("a", one.first), ("b", one.second))]
    found = {(one.first, one.second): one for one in same_ground(pairs)}
    assert list(found) == [(f"{k}a", f"{k}b") for k in range(5)]
    for k, one in enumerate(planted):
        seen = found[f"{k}a", f"{k}b"]
        assert seen.how == "pictures"
        assert seen.pixels == pytest.approx(one.pixels, rel=0.05)
        assert seen.share == pytest.approx(one.share, abs=0.03)
        assert (seen.place.row, seen.place.col) == pytest.approx(one.corner, abs=4)
        told = seen.to_dict()
        assert told["scale"] == pytest.approx(one.scale, rel=0.03)
        assert told["quarter_turns"] == one.quarters


def test_images_of_one_group_are_not_compared():
    ground = drawn_ground(3, 400)
    pairs = [pair_of(ground, "a", "Tile 1"), pair_of(in_other_light(ground, np.random.default_rng(0)), "b", "Tile 1")]
    assert same_ground(pairs) == ()


def test_pictures_without_anything_to_hold_on_to_are_not_the_same():
    rng = np.random.default_rng(0)
    stripes = np.tile(np.repeat([60, 200], 16), 8)[None, :, None] * np.ones((256, 1, 3))
    pictures = [np.full((256, 256, 3), 90), rng.normal(100, 2, (256, 256, 3)), rng.normal(100, 2, (256, 256, 3)), stripes, stripes]
    assert same_ground([pair_of(pixels.astype(np.uint8), f"{k}") for k, pixels in enumerate(pictures)]) == ()


def test_a_frame_that_all_scans_share_is_no_ground():
    pairs = []
    for k in range(3):
        scan = drawn_ground(20 + k, 400)
        scan[:12], scan[-12:], scan[:, :12], scan[:, -12:] = 0, 0, 0, 0
        scan[360:380, 300:380] = np.tile([[[250], [20]], [[20], [250]]], (10, 40, 1))
        pairs.append(pair_of(scan, f"{k}"))
    assert same_ground(pairs) == ()


def test_pixels_without_data_do_not_count():
    ground = drawn_ground(5, 400)
    other = np.array(ground)
    other[:200] = 0
    blank = scene_of_array(other, name="b", nodata=0)
    pairs = [pair_of(np.maximum(ground, 1), "a"), Pair("b", Path("b"), None, "b", image_opener=lambda: blank)]
    (one,) = same_ground(pairs)
    assert one.pixels == pytest.approx(80_000, rel=0.03)


def utm(x: float, y: float, size: float = 1.0, epsg: int = 32640) -> GeoRef:
    return GeoRef(Affine(size, 0, x, 0, -size, y), CRS.from_epsg(epsg))


def test_a_georeference_decides_where_both_have_one():
    plain = np.full((100, 200, 3), 7, np.uint8)
    pairs = [
        pair_of(plain, "a", geo=utm(330_000, 2_780_000)),
        pair_of(plain, "half", geo=utm(330_100, 2_780_000)),
        pair_of(plain, "finer", geo=utm(330_000, 2_780_000, 0.5)),
        pair_of(plain, "beside", geo=utm(330_000, 2_779_899.6)),  # touches by less than a row
        pair_of(plain, "far", geo=utm(390_000, 2_780_000)),
    ]
    found = {(one.first, one.second): one for one in same_ground(pairs)}
    assert list(found) == [("a", "half"), ("a", "finer")]
    assert found["a", "half"].pixels == 10_000
    assert found["a", "half"].to_dict()["place"] == [0, 100, 100, 100]
    assert found["a", "half"].to_dict()["second_place"] == [0, 0, 100, 100]
    assert found["a", "finer"].pixels == 5_000
    assert found["a", "finer"].to_dict()["share"] == 1
    # The same picture at two places is not the same ground: the georeference is believed.
    ground = drawn_ground(1, 300)
    assert same_ground([pair_of(ground, "a", geo=utm(330_000, 2_780_000)), pair_of(ground, "b", geo=utm(390_000, 2_780_000))]) == ()


def test_the_georeference_counts_across_crs_and_pictures_where_one_has_none():
    ground = drawn_ground(2, 300)
    here = utm(330_000, 2_780_000)
    lon, lat = here.lonlat(0, 0)
    degrees = GeoRef(Affine(9.9e-6, 0, lon, 0, -9.03e-6, lat), CRS.from_epsg(4326))
    found = same_ground([pair_of(ground, "utm", geo=here), pair_of(ground, "degrees", geo=degrees), pair_of(ground[50:, 50:], "pixels")])
    assert [(one.first, one.second, one.how) for one in found] == [
        ("utm", "degrees", "georeference"),
        ("utm", "pixels", "pictures"),
        ("degrees", "pixels", "pictures"),
    ]
    assert found[0].share > 0.97
    assert found[1].pixels == pytest.approx(62_500, rel=0.02)


def test_groups_that_hang_together_are_joined():
    ground = drawn_ground(4, 700)
    pairs = [pair_of(ground[:, start : start + 300], name) for start, name in ((0, "a"), (150, "b"), (300, "c"))]
    pairs.append(pair_of(drawn_ground(9, 300), "d"))
    overlaps = same_ground(pairs)
    assert joined(("a", "b", "c", "d"), pairs, overlaps) == dict.fromkeys("abc", ("a", "b", "c"))


def test_it_can_be_stopped():
    pairs = [pair_of(drawn_ground(seed, 200), f"{seed}") for seed in range(2)]
    with pytest.raises(Cancelled):
        same_ground(pairs, should_stop=lambda: True)


@pytest.mark.skipif(not DUBAI.is_dir(), reason="the Dubai tiles are not here")
def test_no_two_of_the_six_tiles_show_the_same_ground():
    dataset = open_dataset(DUBAI)
    some = [pair for pair in dataset.pairs if pair.name.endswith(("2", "6"))]
    assert len({pair.group for pair in some}) == 6
    assert same_ground(some) == ()


def test_other_ground_in_blocks_of_one_size_is_not_the_same():
    """Random dark and bright blocks: their edges lie on one lattice, and any two pictures share some corners of it."""
    pairs = []
    for number in range(3):
        rng = np.random.default_rng(number)
        blocks = np.kron(rng.integers(0, 2, (8, 8)), np.ones((16, 16)))
        grey = np.clip(60 + 130 * blocks[..., None] + rng.normal(0, 8, (128, 128, 3)), 0, 255).astype(np.uint8)
        pairs.append(pair_of(grey, str(number)))
    assert same_ground(pairs) == ()
