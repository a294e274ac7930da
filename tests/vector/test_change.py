"""Change between two results, and parts of a layer: by hand and against counted pixels."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS
from rasterio.features import rasterize

from core.classes import DUBAI, ClassScheme
from core.errors import SceneError
from core.geo import GeoRef
from core.scenes.opening import scene_of_array
from core.vector import change as change_module
from core.vector.change import change
from core.vector.formats.export import export, read_back
from core.vector.formats.products import formats
from core.vector.tracing.sources import open_labels
from core.vector.vectorize import vectorize
from tests.helpers.rasters import random_raster

UTM = GeoRef(Affine(0.5, 0, 325000, 0, -0.5, 2784000), CRS.from_epsg(32640))


def labels(ids, *, geo=UTM, scheme=DUBAI):
    return open_labels(scene_of_array(ids, geo=geo, name="labels"), scheme=scheme)


BEFORE = np.full((20, 30), 1, np.uint8)
AFTER = BEFORE.copy()
AFTER[2:12, 5:15] = 0  # a building of 100 pixels on what was land
BEFORE[15:, :] = AFTER[15:, :] = 4
AFTER[15:, 20:] = 255  # 50 pixels of water that nobody has looked at


def test_the_matrix_and_the_polygons_by_hand(tmp_path):
    result = change(labels(BEFORE), labels(AFTER), min_area=0, simplify=0)
    # Pixels of 0.25 m2.
    assert result.matrix.at["Land", "Building"] == pytest.approx(25)
    assert result.matrix.at["Land", "Land"] == pytest.approx(350 * 0.25)
    assert result.matrix.at["Water", "Water"] == pytest.approx(100 * 0.25)
    assert (result.changed_area, result.compared_area, result.units) == (pytest.approx(25), pytest.approx(137.5), "m")
    frame = result.layer.frame
    assert frame[["from_class", "to_class", "class_name"]].to_numpy().tolist() == [["Land", "Building", "Land → Building"]]
    assert frame.area_m2.tolist() == [pytest.approx(25)]
    pairs = result.pairs()
    assert pairs.to_dict("records") == [
        {"from_class": "Land", "to_class": "Building", "area": pytest.approx(25), "share": pytest.approx(25 / 137.5)}
    ]
    for suffix in formats():
        assert read_back(export(result.layer, tmp_path / f"change{suffix}")) == 1


def test_polygons_and_matrix_agree_on_random_rasters(monkeypatch):
    monkeypatch.setattr(change_module, "BAND_PIXELS", 40)  # several bands
    for seed in range(12):
        before = random_raster(seed) % 5
        rng = np.random.default_rng(seed)
        after = np.where(rng.random(before.shape) < 0.3, rng.integers(0, 5, before.shape), before).astype(np.uint8)
        before[rng.random(before.shape) < 0.1] = 255
        result = change(labels(before), labels(after), min_area=0, simplify=0)
        known = before != 255
        for k, one in enumerate(DUBAI.names):
            for m, two in enumerate(DUBAI.names):
                assert result.matrix.at[one, two] == pytest.approx(0.25 * (known & (before == k) & (after == m)).sum())
        assert result.layer.frame.area_m2.sum() == pytest.approx(result.changed_area)
        assert result.changed_area == pytest.approx(0.25 * (known & (before != after)).sum())


def test_two_results_that_are_equal_have_no_change():
    result = change(labels(BEFORE), labels(BEFORE))
    assert (len(result.layer.frame), result.changed_area, len(result.pairs())) == (0, 0, 0)


def test_a_small_change_joins_what_is_unchanged_but_the_matrix_counts_it():
    after = BEFORE.copy()
    after[5, 5] = 0
    result = change(labels(BEFORE), labels(after), min_area="4px")
    assert len(result.layer.frame) == 0 and result.changed_area == pytest.approx(0.25)


def test_classes_are_matched_by_name_and_layers_are_taken_too():
    other = ClassScheme(("Water", "Land", "Shed"), DUBAI.colours[:3])
    renamed = np.select([AFTER == 4, AFTER == 1, AFTER == 0], [0, 1, 2], 255).astype(np.uint8)
    first = vectorize(labels(BEFORE), simplify=0, min_area=0).layer
    result = change(first, labels(renamed, scheme=other), simplify=0)
    assert result.layer.frame[["from_class", "to_class"]].to_numpy().tolist() == [["Land", "Shed"]]
    assert list(result.matrix.columns) == ["Land", "Water", "Shed"]
    assert result.changed_area == pytest.approx(25)


def test_the_second_is_brought_to_the_grid_of_the_first():
    # Twice as coarse and beginning 3 m further east and south: rows and columns 6 and 6 of the first.
    coarse = np.full((10, 20), 1, np.uint8)
    coarse[0:2, 0:4] = 0
    geo = GeoRef(Affine(1, 0, 325003, 0, -1, 2783997), CRS.from_epsg(32640))
    result = change(labels(np.ones((20, 30), np.uint8)), labels(coarse, geo=geo), simplify=0)
    assert result.compared_area == pytest.approx(0.25 * 14 * 24)
    assert result.changed_area == pytest.approx(2 * 4)
    changed = rasterize(result.layer.frame.geometry, out_shape=(20, 30), transform=UTM.transform)
    rows, cols = np.nonzero(changed)
    assert (rows.min(), rows.max() + 1, cols.min(), cols.max() + 1) == (6, 10, 6, 14)


def test_another_crs_is_transformed():
    lon, lat = UTM.lonlat(0, 0)
    east, south = UTM.lonlat(20, 30)
    geo = GeoRef(Affine((east - lon) / 120, 0, lon, 0, (south - lat) / 80, lat), CRS.from_epsg(4326))
    fine = np.kron(AFTER, np.ones((4, 4), np.uint8))
    result = change(labels(BEFORE), labels(fine, geo=geo), simplify=0)
    # The two grids are turned against each other by a few hundredths of a degree at most.
    assert result.changed_area == pytest.approx(25, abs=2)


def test_results_that_do_not_meet_are_one_clear_line():
    far = GeoRef(Affine(0.5, 0, 425000, 0, -0.5, 2784000), CRS.from_epsg(32640))
    with pytest.raises(SceneError, match="share no pixel"):
        change(labels(BEFORE), labels(AFTER, geo=far))
    with pytest.raises(SceneError, match="only one of them has coordinates"):
        change(labels(BEFORE), labels(AFTER[:5], geo=GeoRef.pixels()))
    with pytest.raises(SceneError, match="neither has coordinates"):
        change(BEFORE, AFTER[:5])
    # Two models on one scene without coordinates: pixel by pixel.
    assert change(BEFORE, AFTER, min_area=0).units == "px"
