"""The drawn scenes: the same seed gives the same bytes, and what lies in sample_data is what the script writes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio

from core.classes import DUBAI, ClassScheme
from sample_data.drawing import scenes
from sample_data.drawing.fields import cast_shadows, signed_distance
from sample_data.drawing.plan import Plot

SAMPLE = Path(__file__).resolve().parents[2] / "sample_data"
TOWN = sorted((SAMPLE / "town/images").glob("*.tif"))


def sample_script():
    spec = importlib.util.spec_from_file_location("make_sample_data", SAMPLE / "make_sample_data.py")
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before  # the script adds the project to the path to run by itself
    return module


def test_same_seed_same_bytes_other_seed_other_place():
    first, first_ids = scenes.make_town(5, 130, 210, look="harbour")
    again, again_ids = scenes.make_town(5, 130, 210, look="harbour")
    other, _ = scenes.make_town(6, 130, 210, look="harbour")
    assert first.shape == (130, 210, 3) and first.dtype == np.uint8 and first_ids.shape == (130, 210) and first_ids.dtype == np.uint8
    assert first.tobytes() == again.tobytes() and first_ids.tobytes() == again_ids.tobytes()
    assert np.abs(first.astype(int) - other).mean() > 5


@pytest.mark.parametrize("look", scenes.LOOKS)
def test_every_look_draws_known_classes_on_a_small_odd_board(look):
    picture, ids = scenes.make_town(2, 301, 233, look=look)
    assert set(np.unique(ids)) <= {*range(len(DUBAI)), DUBAI.ignored_id}
    assert len(np.unique(ids)) >= 2
    assert picture.std() > 10  # neither blank nor burnt out


@pytest.mark.parametrize(("classes", "scheme"), [("landcover", scenes.LANDCOVER), ("rural", scenes.RURAL)])
def test_country_is_seeded_and_uses_its_scheme(classes, scheme):
    picture, ids = scenes.make_country(3, 200, 260, classes=classes)
    again, again_ids = scenes.make_country(3, 200, 260, classes=classes)
    assert picture.tobytes() == again.tobytes() and ids.tobytes() == again_ids.tobytes()
    assert ids.max() < len(scheme)


def test_vegetation_has_a_red_edge_and_water_is_dark_in_the_infrared():
    cube, ids = scenes.make_multispectral(1, 128, 192)
    red, near = (cube[..., scenes.S2_BANDS.index(name)].astype(float) for name in ("B4", "B8"))
    index = (near - red) / (near + red)
    assert np.median(index[ids == 1]) > 0.35 > 0.2 > np.median(index[ids == 0]) > np.median(index[ids == 2])
    assert np.median(near[ids == 2]) < 500 < np.median(near[ids != 2])


def test_landslides_lie_on_slopes_and_slope_follows_from_elevation():
    stack, mask = scenes.make_landslides(101)
    again, again_mask = scenes.make_landslides(101)
    assert stack.shape == (128, 128, 14) and stack.dtype == np.float32
    assert stack.tobytes() == again.tobytes() and mask.tobytes() == again_mask.tobytes()
    slope, elevation = stack[..., 12], stack[..., 13]
    assert set(np.unique(mask)) == {0, 1}
    assert slope[mask == 1].mean() > slope.mean()
    fall = np.rad2deg(np.arctan(np.hypot(*np.gradient(elevation.astype(float), 10.0))))
    assert np.corrcoef(fall.ravel(), slope.ravel())[0, 1] > 0.9


def test_shadow_falls_away_from_the_sun_and_has_the_length_of_the_wall():
    height = np.zeros((41, 41), dtype=np.float32)
    height[20, 20] = 5.0
    # sun in the south at 45 degrees, pixels of 1 m: a post of 5 m shades 5 m to its north, less where the ray grazes the ground
    shade = cast_shadows(height, 180.0, elevation_deg=45.0, gsd_m=1.0)
    assert (shade[16:20, 20] > 0.9).all() and shade[:15].max() == 0 and shade[21:].max() == 0
    assert shade[:, :20].max() == 0 and shade[:, 21:].max() == 0


def test_signed_distance_counts_from_the_border_between_pixels():
    inside = np.zeros((1, 6), dtype=bool)
    inside[0, 3:] = True
    # the border lies between columns 2 and 3, half a pixel from both centres
    np.testing.assert_allclose(signed_distance(inside)[0], [2.5, 1.5, 0.5, -0.5, -1.5, -2.5])


def test_plot_measures_from_the_middle_of_its_street_side():
    plot = Plot(np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 20.0], [0.0, 20.0]]), "villas")
    assert plot.width_m == 10 and plot.depth_m == 20
    np.testing.assert_allclose(plot.box(-5, 0, 4, 3), [[0, 0], [4, 0], [4, 3], [0, 3]], atol=1e-9)


def test_town_files_pair_lie_near_dubai_and_hold_every_class():
    assert len(TOWN) >= 6
    counts, places = np.zeros(256, dtype=np.int64), []
    for path in TOWN:
        with rasterio.open(path) as image, rasterio.open(path.parents[1] / "masks" / path.name) as mask:
            assert image.shape == mask.shape and image.transform == mask.transform and image.crs == mask.crs
            assert image.count == mask.count == 3 and image.crs.to_epsg() == 32640 and image.res == (0.3, 0.3)
            assert 320_000 < image.bounds.left < 335_000 and 2_780_000 < image.bounds.bottom < 2_790_000
            places.append(image.bounds)
            ids, strangers = DUBAI.encode(np.moveaxis(mask.read(), 0, 2))
        assert strangers == {}
        counts += np.bincount(ids.ravel(), minlength=256)
    share = counts / counts.sum()
    assert (share[: len(DUBAI)] > 0.01).all() and share[DUBAI.ignored_id] > 0.01
    for number, a in enumerate(places):
        for b in places[number + 1 :]:  # scenes do not overlap: a split by scene shares no ground
            assert a.right <= b.left or b.right <= a.left or a.top <= b.bottom or b.top <= a.bottom
    with rasterio.open(SAMPLE / "town/images/town_whole.tif") as whole:
        assert min(whole.shape) >= 2000


@pytest.mark.parametrize("name", ["town", "chips12", "landslides", "landcover", "tiles1024"])
def test_each_set_has_its_classes_and_as_many_masks_as_images(name):
    scheme = ClassScheme.load(SAMPLE / name / "classes.json")
    images, masks = (SAMPLE / name / f for f in (("img", "mask") if name == "landslides" else ("images", "masks")))
    assert len(list(images.iterdir())) == len(list(masks.iterdir())) > 0
    for path in masks.glob("*.tif"):
        with rasterio.open(path) as file:
            array = np.moveaxis(file.read(), 0, 2)
        encode = scheme.encode if array.shape[2] == 3 else lambda a: scheme.encode_values(a[..., 0])
        assert encode(array)[1] == {}


def test_sample_stays_small():
    size = sum(f.stat().st_size for f in SAMPLE.rglob("*") if f.is_file())
    town = sum(f.stat().st_size for f in (SAMPLE / "town").rglob("*") if f.is_file())
    assert town < 10e6 and size < 15e6


def test_chips_on_disk_are_what_the_script_writes(tmp_path):
    sample_script().write_chips12(tmp_path)
    names = sorted(p.name for p in (SAMPLE / "chips12/images").iterdir())
    assert names == sorted(p.name for p in (tmp_path / "chips12/images").iterdir())
    for folder in ("images", "masks"):
        different = total = 0
        for name in names:
            with rasterio.open(SAMPLE / "chips12" / folder / name) as old, rasterio.open(tmp_path / "chips12" / folder / name) as new:
                assert old.transform == new.transform and old.descriptions == new.descriptions and old.dtypes == new.dtypes
                different += int((old.read() != new.read()).sum())
                total += old.count * old.width * old.height
        assert different / total < 0.001  # another processor may round a sum the other way


def test_landslide_files_hold_one_data_set_each():
    with h5py.File(SAMPLE / "landslides/img/image_1.h5") as image, h5py.File(SAMPLE / "landslides/mask/mask_1.h5") as mask:
        assert list(image) == ["img"] and image["img"].shape == (128, 128, 14)
        assert list(mask) == ["mask"] and mask["mask"].shape == (128, 128)
