"""Parts of a layer: a region, a filter, and the sums of classes."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from core.classes import DUBAI
from core.errors import SettingsError
from core.geo import GeoRef
from core.vector.clip import class_sums, clip, mean_confidence
from core.vector.filtering import left_by
from core.vector.printing.report import report_html
from core.vector.vectorize import vectorize

UTM = GeoRef(Affine(0.5, 0, 325000, 0, -0.5, 2784000), CRS.from_epsg(32640))
IDS = np.kron(np.random.default_rng(2).integers(0, 5, (6, 7)), np.ones((10, 10), int)).astype(np.uint8)


def traced(geo=UTM):
    sure = np.where(IDS == 0, 0.25, 0.75).astype(np.float32)
    return vectorize(IDS, geo=geo, scheme=DUBAI, simplify=0, confidence=sure).layer


def test_there_is_one_mean_confidence_and_it_is_that_of_the_area():
    ids = np.zeros((10, 10), np.uint8)
    ids[:, 9] = 1
    sure = np.where(ids == 0, 0.5, 1.0).astype(np.float32)
    layer = vectorize(ids, geo=UTM, scheme=DUBAI, simplify=0, confidence=sure).layer
    # 90 pixels at 0.5 and 10 at 1.0: 0.55; of the two polygons it would be 0.75.
    assert mean_confidence(layer) == pytest.approx(0.55)
    assert "<b>0.55</b><span>mean confidence of the area" in report_html(layer)
    sums = class_sums(layer)
    assert mean_confidence(layer) == pytest.approx(np.average(sums["mean_confidence"], weights=sums["area"]))
    assert np.isnan(mean_confidence(left_by(layer, [False] * len(layer.frame))))


@pytest.mark.parametrize("geo", [UTM, GeoRef.pixels()], ids=["utm", "pixels"])
def test_a_box_in_pixels_holds_just_its_pixels(geo):
    layer = traced(geo)
    part = clip(layer, (13, 5, 48, 33), space="pixels")
    pixel = 0.25 if geo is UTM else 1
    counted = np.bincount(IDS[5:33, 13:48].ravel(), minlength=5) * pixel
    sums = class_sums(part).set_index("class_id").area
    for class_id, area in enumerate(counted):
        assert sums.get(class_id, 0) == pytest.approx(area)
    assert part.frame.id.is_unique and set(part.frame.columns) == set(layer.frame.columns)
    assert part.frame[layer.area_column].tolist() == pytest.approx((part.frame.area).tolist())
    # What the region has cut says so, and what lies inside does not.
    inner = clip(layer, (-5, -5, 100, 100), space="pixels").frame
    assert inner.on_edge.tolist() == layer.frame.on_edge.tolist()
    assert part.frame.on_edge.any()


def test_what_is_drawn_on_the_map_is_in_degrees():
    layer = traced()
    west, south, east, north = layer.frame.to_crs(4326).total_bounds
    drawn = shapely.geometry.mapping(shapely.box(west - 1, south - 1, east + 1, north + 1))
    for region in (
        drawn,
        {"type": "Feature", "geometry": drawn, "properties": {}},
        {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": drawn, "properties": {}}]},
    ):
        assert class_sums(clip(layer, region)).equals(class_sums(layer))
    half = clip(layer, (west, south, (west + east) / 2, north))
    assert half.frame.area_m2.sum() == pytest.approx(layer.frame.area_m2.sum() / 2, rel=1e-2)
    assert len(clip(layer, (0, 0, 1, 1)).frame) == 0


def test_a_polygon_in_several_parts_gets_an_id_for_each():
    ids = np.zeros((9, 20), np.uint8)
    ids[6:, :] = 1
    ids[:6, 5:8] = ids[:6, 12:14] = 1  # a comb with two teeth
    layer = vectorize(ids, simplify=0, min_area=0).layer
    comb = layer.frame.set_index("class_id").id[1]
    part = clip(layer, (0, 0, 20, 5), space="pixels").frame
    teeth = part[part.class_id == 1]
    assert sorted(teeth.area_px) == [10, 15]
    assert teeth.set_index("area_px").id[15] == comb and part.id.is_unique


@pytest.mark.parametrize("region", [{}, {"type": "Point", "coordinates": [1, 2]}, (1, 2, 3), "all", (0, 0, 0, 5), {"type": "Polygon"}])
def test_what_is_no_area_is_one_clear_line(region):
    with pytest.raises(SettingsError, match="no area"):
        clip(traced(), region)


def test_a_bow_tie_is_taken_for_its_two_halves():
    layer = traced(GeoRef.pixels())
    tie = {"type": "Polygon", "coordinates": [[[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]]}
    assert clip(layer, tie, space="pixels").frame.area_px.sum() == pytest.approx(50)


def test_class_sums_by_hand():
    sums = class_sums(traced()).set_index("class_name")
    assert sums.area.is_monotonic_decreasing and sums.share.sum() == pytest.approx(1)
    for class_id, name in enumerate(DUBAI.names):
        assert sums.area[name] == pytest.approx(0.25 * np.count_nonzero(class_id == IDS))
        assert sums.mean_confidence[name] == pytest.approx(0.25 if name == "Building" else 0.75)
        assert sums.colour[name] == DUBAI.hex(class_id)
    empty = vectorize(np.full((3, 3), 255, np.uint8), scheme=DUBAI).layer
    assert len(class_sums(empty)) == 0
