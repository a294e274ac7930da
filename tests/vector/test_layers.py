"""vectorize: the layer, its attributes and what it says of itself."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from PIL import Image
from pyproj import CRS, Geod
from rasterio.features import rasterize

from core.classes import DUBAI, ClassScheme
from core.errors import SceneError, SettingsError
from core.files import write_json
from core.geo import GeoRef
from core.scenes.opening import scene_of_array
from core.vector import vectorize as layers
from core.vector.change import change
from core.vector.formats.content import content_of
from core.vector.settings import VectorSettings
from core.vector.tracing import zonal
from core.vector.vectorize import vectorize
from tests.helpers.predicted import predicted
from tests.helpers.rasters import random_raster

UTM = GeoRef(Affine(0.5, 0, 325000, 0, -0.5, 2784000), CRS.from_epsg(32640))
DEGREES = GeoRef(Affine(5e-6, 0, 55.26, 0, -4.5e-6, 25.16), CRS.from_epsg(4326))
MERCATOR = GeoRef(Affine(0.55, 0, 6151515, 0, -0.55, 2895000), CRS.from_epsg(3857))


def exact(source, **settings):
    return vectorize(source, min_area=0, simplify=0, **settings)


def test_attributes_of_a_building_by_hand():
    ids = np.ones((20, 30), np.uint8)
    ids[5:9, 10:20] = 0
    confidence = np.full(ids.shape, 100, np.uint8)
    confidence[5:9, 10:15] = 250
    frame = exact(ids, geo=UTM, scheme=DUBAI, confidence=confidence).layer.frame
    building = frame[frame.class_name == "Building"].iloc[0]
    # 4 x 10 pixels of 0.5 m: 2 m x 5 m. Half of the pixels have 250/255, half 100/255.
    assert building.area_m2 == pytest.approx(10, rel=1e-9)
    assert building.perimeter_m == pytest.approx(14, rel=1e-9)
    assert (building.length_m, building.width_m) == (pytest.approx(5), pytest.approx(2))
    assert building.compactness == pytest.approx(4 * np.pi * 10 / 14**2)
    assert building.mean_confidence == pytest.approx((250 + 100) / 2 / 255, abs=1e-6)
    # Columns 10 to 20, rows 5 to 9: the middle is column 15, row 7.
    assert (building.centroid_x, building.centroid_y) == (pytest.approx(325007.5), pytest.approx(2783996.5))
    assert not building.on_edge
    land = frame[frame.class_name == "Land"].iloc[0]
    assert land.on_edge
    # 600 pixels less 40, a quarter of a square metre each; the outer border is 2 (10 + 15) m, the hole's 14 m.
    assert (land.area_m2, land.perimeter_m) == (pytest.approx(140), pytest.approx(64))
    assert frame.id.tolist() == [1, 2]


def test_a_slanted_rectangle_and_a_winding_strip():
    # A band of stairs along the diagonal; Shapely's rectangle is the oracle.
    ids = np.zeros((40, 40), np.uint8)
    rows, cols = np.indices(ids.shape)
    ids[(np.abs(rows - cols) < 4) & (rows + cols > 16) & (rows + cols < 60)] = 1
    frame = exact(ids).layer.frame
    diagonal = frame[frame.class_id == 1].iloc[0]
    box = shapely.get_coordinates(shapely.minimum_rotated_rectangle(diagonal.geometry))
    sides = sorted(np.hypot(*(box[1:3] - box[:2]).T))
    assert (diagonal.width_px, diagonal.length_px) == (pytest.approx(sides[0]), pytest.approx(sides[1]))

    ids = np.zeros((60, 60), np.uint8)
    ids[5:8, 5:55] = ids[5:55, 52:55] = ids[52:55, 5:55] = 1
    road = exact(ids).layer.frame
    road = road[road.class_id == 1].iloc[0]
    # A U of three strips 3 px wide: 3 * 50 + 3 * 44 + 3 * 50 = 432 px2; its perimeter is 2 (L + 3) = 294 with L = 144.
    assert (road.area_px, road.perimeter_px) == (432, 294)
    assert (road.length_px, road.width_px) == (pytest.approx(144), pytest.approx(3))


def test_rectangles_agree_with_shapely():
    for seed in range(40):
        frame = exact(random_raster(seed)).layer.frame
        frame = frame[frame.area_px >= 0.5 * frame.length_px * frame.width_px]
        for row in frame.itertuples():
            box = shapely.minimum_rotated_rectangle(shapely.Polygon(row.geometry.exterior))
            # The smallest area is unique, the rectangle is not always: compare what is.
            if row.area_px >= 0.5 * box.area:
                assert row.length_px * row.width_px == pytest.approx(box.area, rel=1e-9)


def test_zonal_confidence_equals_a_plain_mean():
    raster = random_raster(3)
    confidence = np.random.default_rng(0).random(raster.shape).astype(np.float32)
    result = exact(raster, confidence=confidence)
    for row in result.layer.frame.itertuples():
        inside = rasterize([row.geometry], out_shape=raster.shape, transform=result.layer.geo.transform).astype(bool)
        assert row.mean_confidence == pytest.approx(confidence[inside].mean(dtype=np.float64), abs=1e-6)


@pytest.mark.parametrize("geo", [UTM, DEGREES, MERCATOR])
def test_areas_and_perimeters_are_geodesic_within_a_thousandth(geo):
    ids = np.zeros((200, 300), np.uint8)
    ids[30:130, 50:250] = 1
    frame = exact(ids, geo=geo).layer.frame
    box = frame[frame.class_id == 1]
    area, perimeter = Geod(ellps="WGS84").geometry_area_perimeter(box.to_crs(4326).geometry.iloc[0])
    assert box.area_m2.iloc[0] == pytest.approx(abs(area), rel=1e-3)
    assert box.perimeter_m.iloc[0] == pytest.approx(perimeter, rel=1e-3)
    if geo is not UTM:
        assert box.area_m2.iloc[0] == pytest.approx(abs(area), rel=1e-5)


def test_the_method_of_areas_is_named():
    ids = np.zeros((3, 3), np.uint8)
    assert vectorize(ids, geo=UTM).layer.made["area_method"] == "planar in EPSG:32640"
    assert "geodesic" in vectorize(ids, geo=DEGREES).layer.made["area_method"]
    assert "geodesic" in vectorize(ids, geo=MERCATOR).layer.made["area_method"]
    assert vectorize(ids).layer.made["area_method"] == "pixels"


def test_without_crs_pixels_or_metres_by_the_users_pixel_size():
    ids = np.zeros((4, 5), np.uint8)
    layer = exact(ids).layer
    assert (layer.units, layer.frame.area_px.iloc[0], layer.frame.crs) == ("px", 20, None)
    # y runs up: the last row ends at -4.
    assert layer.frame.total_bounds.tolist() == [0, -4, 5, 0]
    result = exact(ids, pixel_size_m=0.5)
    assert (result.layer.units, result.layer.frame.area_m2.iloc[0], result.layer.frame.perimeter_m.iloc[0]) == ("m", 5, 9)
    assert result.summary()["crs"] is None
    with pytest.raises(SettingsError, match="scene with coordinates"):
        vectorize(ids, geo=UTM, pixel_size_m=0.5)


def test_class_areas_equal_pixels_and_the_summary_says_so():
    for seed in range(30):
        raster = random_raster(seed)
        summary = exact(raster, geo=UTM).summary()
        assert (summary["invalid"], summary["gap_area"], summary["overlap_area"]) == (0, 0, 0)
        assert (summary["crs"], summary["units"]) == ("EPSG:32640", "m")
        for name, entry in summary["classes"].items():
            assert entry["area_m2"] == pytest.approx(0.25 * (raster == int(name.split()[1])).sum(), rel=1e-9)
        assert summary["polygons"] == sum(entry["polygons"] for entry in summary["classes"].values())
        json.dumps(summary)


def test_broken_polygons_would_be_noticed(monkeypatch):
    def shifted(rings, points):
        polygons = shapely.from_ragged_array(shapely.GeometryType.POLYGON, points, (rings.offsets, rings.polygons))
        polygons[0] = shapely.box(0, 0, 3, 4)
        return polygons

    # Two halves of 2 x 4 pixels; the first is made one column too wide, so one column of 4 pixels overlaps.
    monkeypatch.setattr(layers, "build_polygons", shifted)
    ids = np.repeat([[0, 0, 1, 1]], 4, axis=0).astype(np.uint8)
    result = exact(ids, geo=GeoRef(Affine.identity()))
    assert (result.invalid, result.gap_area, result.overlap_area) == (0, 0, pytest.approx(4))


def test_sizes_in_metres_and_pixels_mean_the_same():
    raster = np.kron(random_raster(9), np.ones((3, 3), np.uint8))
    by_pixels = vectorize(raster, geo=UTM, min_area="20px", simplify=2).layer.frame
    # Pixels of 0.5 m: 20 px are 5 m2, 2 px are 1 m. The CRS plane and the ellipsoid differ by less than the step to the next pixel.
    by_metres = vectorize(raster, geo=UTM, min_area="4.95 m2", simplify="1m").layer.frame
    assert by_pixels.geometry.geom_equals(by_metres.geometry).all()


@pytest.mark.parametrize("value", ["4 acres", "-1", "2m", "", "1e400", None])
def test_a_bad_size_is_one_clear_line(value):
    with pytest.raises(SettingsError, match="min_area"):
        vectorize(np.zeros((2, 2), np.uint8), geo=UTM, min_area=value)


def test_bad_settings_are_refused():
    ids = np.zeros((2, 2), np.uint8)
    for settings in ({"smooth": 9}, {"threshold": 2}, {"threshold": 0.5}, {"min_area": "2m2"}, {"classes": ["Sea"]}, {"pixel_size_m": -1}):
        with pytest.raises(SettingsError):
            vectorize(ids, **settings)
    for bad in (np.zeros((2, 2, 2)), np.zeros((0, 3)), np.full((2, 2), 0.5), np.full((2, 2), -3)):
        with pytest.raises(SceneError):
            vectorize(bad)
    with pytest.raises(SceneError, match="confidence raster"):
        vectorize(ids, confidence=np.zeros((3, 2)))


def test_ignored_areas_and_low_confidence_give_no_polygons():
    ids = np.array([[0, 255, 1, 1]], np.uint8)
    result = exact(ids, confidence=np.array([[0.9, 0.9, 0.2, 0.8]], np.float32), threshold=0.5, scheme=DUBAI)
    frame = result.layer.frame
    assert frame.class_name.tolist() == ["Building", "Land"]
    assert frame.area_px.tolist() == [1, 1]
    assert (result.gap_area, result.overlap_area) == (0, 0)


def test_single_classes_have_limits_of_their_own():
    ids = np.ones((6, 12), np.uint8)  # land with a building of 3, a road of 3, and a building of 8 pixels
    ids[1, 1:4], ids[1, 6:9], ids[3:5, 1:5] = 0, 2, 0
    sure = np.full(ids.shape, 0.9)
    sure[3:5, 3:5], sure[1, 8] = 0.6, 0.6
    traced = {"scheme": DUBAI, "geo": UTM, "confidence": sure, "min_area": 0, "simplify": 0}

    def found(**limits):
        frame = vectorize(ids, **traced | limits).layer.frame
        return sorted(zip(frame["class_name"], (frame.area_m2 * 4).round().astype(int), strict=True))

    everything = [("Building", 3), ("Building", 8), ("Land", 58), ("Road", 3)]
    assert found() == everything
    assert found(min_areas=("Building=4",)) == [("Building", 8), ("Land", 61), ("Road", 3)]
    assert found(min_area=4, min_areas=("Building=0.5m2",)) == [("Building", 3), ("Building", 8), ("Land", 61)]  # 2 px
    assert found(min_area=4) == found(min_areas=("Building=4", "Road=1 m2", "Land=4px")) == [("Building", 8), ("Land", 64)]
    # Of 0.6: half of the large building, and a third of the road.
    assert found(thresholds=("Building=0.7",)) == [("Building", 3), ("Building", 4), ("Land", 58), ("Road", 3)]
    assert found(threshold=0.7, thresholds=("Road=0.5",)) == [("Building", 3), ("Building", 4), ("Land", 58), ("Road", 3)]
    assert found(threshold=0.7) == found(thresholds=("Building=0.7", "Road=0.7", "Land=0.7"))
    made = vectorize(ids, **traced, min_areas=("Building=1m2",), thresholds=("Road=0.5",)).layer.made
    assert made["min_areas_px"] == {"Building": pytest.approx(4, rel=1e-3)} and made["thresholds"] == {"Road": 0.5}


@pytest.mark.parametrize("seed", range(3))
def test_the_same_limit_for_each_class_is_the_common_one(seed):
    raster = np.random.default_rng(seed).integers(0, 3, (40, 50)).astype(np.uint8)
    names = [f"Class {k}=7" for k in range(3)]
    one, other = (vectorize(raster, simplify=0, **limits).layer.frame for limits in ({"min_area": 7}, {"min_area": 0, "min_areas": names}))
    assert one.geometry.geom_equals(other.geometry).all() and one["class_id"].equals(other["class_id"]) and len(one) > 1


@pytest.mark.parametrize(
    ("limits", "word"),
    [
        ({"min_areas": ("Building",)}, "NAME=VALUE"),
        ({"min_areas": ("=4",)}, "NAME=VALUE"),
        ({"min_areas": ("Land=4", "Land=5")}, "once"),
        ({"min_areas": ("Land=4acres",)}, "min_areas"),
        ({"min_areas": ("Sea=4",)}, "no class 'Sea'"),
        ({"thresholds": ("Land=2",)}, "from 0 to 1"),
        ({"thresholds": ("Land=high",)}, "from 0 to 1"),
        ({"thresholds": ("Land=0.5",)}, "without confidence"),
        ({"thresholds": ("Sea=0.5",), "confidence": np.ones((2, 2))}, "no class 'Sea'"),
    ],
)
def test_bad_limits_of_classes_are_one_clear_line(limits, word):
    with pytest.raises(SettingsError, match=word):
        vectorize(np.zeros((2, 2), np.uint8), scheme=DUBAI, **limits)


def test_settings_that_came_later_do_not_rename_the_layers_of_before():
    """Corrections lie under a digest of this text."""
    assert repr(VectorSettings()) == (
        "VectorSettings(threshold=0.0, min_area='4px', simplify='1px', smooth=0, classes=None, pixel_size_m=None, method='visvalingam', "
        "regularize=False, centre_lines=False, distance_to=None)"
    )
    assert repr(VectorSettings(thresholds=("Road=0.5",))) != repr(VectorSettings())


def test_nothing_but_nodata_is_an_empty_layer():
    result = vectorize(np.full((5, 5), 255, np.uint8), geo=UTM, scheme=DUBAI)
    assert (len(result.layer.frame), result.summary()["polygons"], result.summary()["classes"]) == (0, 0, {})
    assert result.layer.frame.crs == CRS.from_epsg(32640)


def test_chosen_classes_only():
    frame = vectorize(np.array([[0, 1, 2]], np.uint8), min_area=0, scheme=DUBAI, classes=["Road", 0]).layer.frame
    assert frame.class_name.tolist() == ["Building", "Road"]


def test_sixty_five_thousand_classes():
    ids = np.arange(65000, dtype=np.uint16).reshape(250, 260)
    result = exact(ids)
    assert result.summary()["polygons"] == 65000
    assert result.layer.frame.class_id.tolist() == list(range(65000))


def test_a_scene_over_the_antimeridian_has_true_areas():
    geo = GeoRef(Affine(0.01, 0, 179.9, 0, -0.01, -17), CRS.from_epsg(4326))
    here = GeoRef(Affine(0.01, 0, 20.0, 0, -0.01, -17), CRS.from_epsg(4326))
    ids = np.zeros((10, 20), np.uint8)
    areas = [exact(ids, geo=g).layer.frame.area_m2.iloc[0] for g in (geo, here)]
    assert areas[0] == pytest.approx(areas[1], rel=1e-9)


def test_a_layer_names_the_scene_and_the_model_that_it_comes_from(tmp_path):
    Image.fromarray(np.full((20, 30, 3), 200, np.uint8)).save(tmp_path / "harbour.png")
    folder = predicted(tmp_path / "harbour.png", tmp_path / "prediction")
    layer = vectorize(folder).layer
    assert layer.made["source"] == "harbour" and layer.made["model"]
    about = content_of(layer, ".gpkg", crs=None, lonlat=False).about()
    assert f"from harbour with {layer.made['model']}." in about and "prediction" not in about
    both = change(folder, folder).layer.made
    assert both["first"] == f"harbour with {layer.made['model']}" and both["source"].startswith(both["first"])


def test_a_class_raster_file_and_a_prediction_folder(tmp_path):
    ids = random_raster(21)
    profile = {"driver": "GTiff", "height": ids.shape[0], "width": ids.shape[1], "count": 1, "dtype": "uint8", "nodata": 255}
    place = {"crs": "EPSG:32640", "transform": UTM.transform}
    with rasterio.open(tmp_path / "labels.tif", "w", **profile, **place) as file:
        file.write(ids, 1)
    assert exact(tmp_path / "labels.tif").layer.frame.class_name.iloc[0].startswith("Class ")
    with rasterio.open(tmp_path / "confidence.tif", "w", **profile | {"nodata": None}, **place) as file:
        file.write(np.full_like(ids, 51), 1)
    made = {
        "scheme": DUBAI.to_dict(),
        "geo": {"transform": list(UTM.transform)[:6], "crs": "EPSG:32640", "pixel_size_m": None},
        "height": ids.shape[0],
        "width": ids.shape[1],
        "model": "some-model",
    }
    write_json(tmp_path / "prediction.json", made)
    for layer in [exact(source).layer for source in (tmp_path, tmp_path / "labels.tif")]:
        assert set(layer.frame.class_name) <= set(DUBAI.names)
        # 51 of 255 is one fifth.
        np.testing.assert_allclose(layer.frame.mean_confidence, 0.2, atol=1e-6)
        assert layer.made["model"] == "some-model"
    assert len(exact(tmp_path, threshold=0.3).layer.frame) == 0


def test_a_colour_mask_is_read_by_its_scheme():
    ids = np.array([[0, 1], [4, 255]], np.uint8)
    frame = exact(scene_of_array(DUBAI.decode(ids)), scheme=DUBAI).layer.frame
    assert frame.class_name.tolist() == ["Building", "Land", "Water"]


def test_progress_reaches_its_total_and_never_goes_back():
    seen = []
    vectorize(random_raster(3), on_progress=lambda done, total, message: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]


def test_progress_goes_on_while_confidences_are_read(monkeypatch):
    raster = random_raster(3)
    monkeypatch.setattr(zonal, "BAND_PIXELS", 4 * raster.shape[1])
    seen = []
    vectorize(raster, confidence=np.full(raster.shape, 0.5), on_progress=lambda done, total, message: seen.append((done, total, message)))
    assert [told[:2] for told in seen] == sorted(told[:2] for told in seen) and {total for _, total, _ in seen} == {5000}
    shares = [done for done, _, message in seen if message == "reading confidence"]
    assert len(set(shares)) >= raster.shape[0] // 4 and min(shares) > 3000 and max(shares) == 4000


def test_two_runs_are_equal():
    raster = random_raster(44)
    one, two = (vectorize(raster, smooth=2, scheme=ClassScheme(tuple("abcde"), DUBAI.colours)).layer.frame for _ in range(2))
    assert one.equals(two)
