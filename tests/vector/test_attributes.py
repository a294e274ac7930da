"""Zonal numbers against a plain computation, areas in several CRS, distances, and measures taken from shapes."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import CRS, Geod, Transformer
from rasterio.features import rasterize

from core.classes import DUBAI
from core.errors import SettingsError
from core.files import write_json
from core.geo import GeoRef
from core.prediction.folder.rasters import CONFIDENCE, LABELS, MARGIN, PREDICTION_FILE, PROBABILITIES
from core.vector.tracing import zonal as zonal_module
from core.vector.tracing.attributes import measure_shapes
from core.vector.vectorize import vectorize
from tests.helpers.rasters import random_raster, trace

UTM = GeoRef(Affine(0.5, 0, 325000, 0, -0.5, 2784000), CRS.from_epsg(32640))
FEET = GeoRef(Affine(2, 0, 990000, 0, -2, 200000), CRS.from_epsg(2263))


def write_prediction(folder, seed, *, geo=UTM):
    """A prediction of random probabilities (h, w, 5) uint8 in coherent blocks; returns them and the labels."""
    rng = np.random.default_rng(seed)
    blocks = np.kron(rng.dirichlet(np.ones(5), (4, 5)), np.ones((6, 7, 1)))
    noisy = np.clip(blocks + rng.normal(0, 0.04, blocks.shape), 0.001, None)
    chances = np.round(255 * noisy / noisy.sum(-1, keepdims=True)).astype(np.uint8)
    labels = np.argmax(chances, axis=-1).astype(np.uint8)
    labels[:3, :4], chances[:3, :4] = 255, 0
    ordered = np.sort(chances, axis=-1)
    rasters = {
        PROBABILITIES: chances.transpose(2, 0, 1),
        LABELS: labels[None],
        CONFIDENCE: ordered[None, ..., -1],
        MARGIN: (ordered[..., -1] - ordered[..., -2])[None],
    }
    folder.mkdir(exist_ok=True)
    height, width = labels.shape
    for name, bands in rasters.items():
        nodata = 255 if name == LABELS else None
        with rasterio.open(
            folder / name,
            "w",
            driver="GTiff",
            height=height,
            width=width,
            count=len(bands),
            dtype="uint8",
            nodata=nodata,
            crs=geo.crs.to_wkt(),
            transform=geo.transform,
        ) as file:
            file.write(bands)
    placed = {"transform": list(geo.transform)[:6], "crs": geo.crs.to_wkt(), "pixel_size_m": None}
    write_json(
        folder / PREDICTION_FILE, {"scheme": DUBAI.to_dict(), "geo": placed, "height": height, "width": width, "model": "some-model"}
    )
    return chances, labels


@pytest.mark.parametrize("seed", range(4))
def test_zonal_values_equal_a_plain_computation(seed, tmp_path, monkeypatch):
    monkeypatch.setattr(zonal_module, "BAND_PIXELS", 35 * 5)  # several bands
    chances, labels = write_prediction(tmp_path / "p", seed)
    layer = vectorize(tmp_path / "p", min_area=0, simplify=0).layer
    assert len(layer.frame) >= 10
    ordered = np.sort(chances, axis=-1).astype(float) / 255
    for row in layer.frame.itertuples():
        inside = rasterize([row.geometry], out_shape=labels.shape, transform=layer.geo.transform).astype(bool)
        assert row.mean_confidence == pytest.approx(ordered[inside][:, -1].mean(), abs=1e-6)
        assert row.confidence_p10 == pytest.approx(np.percentile(ordered[inside][:, -1], 10), abs=1e-6)
        assert row.mean_margin == pytest.approx((ordered[inside][:, -1] - ordered[inside][:, -2]).mean(), abs=1e-6)
        means = chances[inside].mean(0)
        second = np.sort(means)[-2]
        assert means[DUBAI.names.index(row.second_class)] == pytest.approx(second)


def test_zonal_values_of_merged_regions_count_all_their_pixels():
    ids = np.zeros((6, 6), np.uint8)
    ids[2, 2] = 1
    sure = np.full((6, 6), 0.9)
    sure[2, 2] = 0.1
    frame = vectorize(ids, min_area=4, simplify=0, confidence=sure).layer.frame
    assert len(frame) == 1
    assert frame.mean_confidence[0] == pytest.approx((35 * 0.9 + 0.1) / 36)
    assert frame.confidence_p10[0] == pytest.approx(np.percentile(sure, 10))
    assert (frame.second_class[0], np.isnan(frame.mean_margin[0])) == ("", True)


@pytest.mark.parametrize(("values", "share"), [(256, 0.1), (3, 0.5), (1, 0.9), (256, 0.0), (256, 1.0)])
def test_counted_percentiles_are_those_of_sorted_values_to_the_bit(values, share):
    rng = np.random.default_rng(values)
    pixels = np.concatenate([rng.integers(0, 6, 1000), rng.integers(1, 900, 10), [0, 1, 2]])
    # Regions lie in each other's midst, so that more of them are open at once than there is room for at first.
    regions = rng.permutation(np.repeat(np.arange(pixels.size), pixels).astype(np.int32))
    told = rng.integers(0, values, regions.size).astype(np.uint8)
    counted, kept = zonal_module._Counted(pixels, share), zonal_module._Sorted(pixels, share, told.dtype)
    for part in np.array_split(np.arange(regions.size), 7):
        for one in (counted, kept):
            one.add(told[None, part], regions[None, part])
    assert counted.rows > 256
    np.testing.assert_array_equal(counted.percentiles(), kept.percentiles())
    wanted = [np.percentile(told[regions == k], 100 * share) if pixels[k] else np.nan for k in range(pixels.size)]
    np.testing.assert_allclose(counted.percentiles(), wanted)


def test_counts_are_held_for_the_regions_of_a_row_and_not_for_all():
    regions = np.repeat(np.arange(1, 10_001, dtype=np.int32).reshape(1000, 10), 3, axis=0)
    counted = zonal_module._Counted(np.bincount(regions.ravel()), 0.1)
    for row in range(0, 3000, 50):
        counted.add(np.full((50, 10), 7, np.uint8), regions[row : row + 50])
    assert counted.rows == 256 and (counted.percentiles()[1:] == 7).all()


def test_the_pixels_of_each_region_are_found_from_its_borders():
    for seed in range(80):
        raster = random_raster(seed)
        arcs = trace(raster)
        regions_of = zonal_module.region_rows(arcs)
        height = raster.shape[0]
        bands = [(0, height), (height // 2, height), *((row, min(row + 2, height)) for row in range(0, height, 2)), (0, 1)]
        for first, last in bands:
            regions = regions_of(first, last)
            np.testing.assert_array_equal(arcs.regions.classes[regions], raster[first:last])


def test_degrees_and_utm_give_the_same_square_metres():
    # A disc of 240 m on the ground, drawn on a grid of 0.5 m and on one of degrees of about that size.
    to_utm = Transformer.from_crs(4326, 32640, always_xy=True)
    lon, lat = 55.3, 25.2
    x, y = to_utm.transform(lon, lat)
    areas = []
    for geo in (
        GeoRef(Affine(0.5, 0, x - 250, 0, -0.5, y + 250), CRS.from_epsg(32640)),
        GeoRef(Affine(5e-6, 0, lon - 0.0025, 0, -4.5e-6, lat + 0.00225), CRS.from_epsg(4326)),
    ):
        cols, rows = np.meshgrid(np.arange(1000) + 0.5, np.arange(1000) + 0.5)
        px, py = geo.transform * (cols, rows)
        if geo.crs.is_geographic:
            px, py = to_utm.transform(px, py)
        ids = ((px - x) ** 2 + (py - y) ** 2 < 240**2).astype(np.uint8)
        areas.append(vectorize(ids, geo=geo, simplify=0).layer.frame.set_index("class_id").area_m2[1])
    assert areas[0] == pytest.approx(areas[1], rel=1e-3)
    assert areas[0] == pytest.approx(np.pi * 240**2, rel=1e-3)


def test_a_crs_in_feet_is_measured_in_metres():
    ids = np.zeros((40, 50), np.uint8)
    ids[10:20, 10:30] = 1
    layer = vectorize(ids, geo=FEET, simplify=0).layer
    box = layer.frame[layer.frame.class_id == 1]
    # 10 x 20 pixels of 2 US survey feet; the ellipsoid is the judge.
    area, _ = Geod(ellps="WGS84").geometry_area_perimeter(box.to_crs(4326).geometry.iloc[0])
    assert box.area_m2.iloc[0] == pytest.approx(abs(area), rel=1e-3)
    assert box.length_m.iloc[0] == pytest.approx(20 * 2 * 1200 / 3937, rel=1e-9)


@pytest.mark.parametrize(("geo", "unit"), [(UTM, "m"), (GeoRef.pixels(), "px"), (FEET, "m")], ids=["utm", "pixels", "feet"])
def test_distance_to_a_class_by_hand(geo, unit):
    ids = np.zeros((10, 20), np.uint8)
    ids[:, 5:8] = 1
    ids[:, 12:] = 2
    frame = vectorize(ids, geo=geo, scheme=DUBAI, simplify=0, distance_to="Road").layer.frame
    step = {"utm": 0.5, "pixels": 1.0, "feet": 2 * 1200 / 3937}["pixels" if unit == "px" else "feet" if geo is FEET else "utm"]
    # From column 5 to 12, from 8 to 12, and the strip that touches; the roads themselves are not asked.
    np.testing.assert_allclose(frame[f"distance_{unit}"], [7 * step, 4 * step, 0, np.nan], rtol=1e-9)


def test_distance_in_degrees_is_geodesic_and_counts_classes_that_are_left_out():
    geo = GeoRef(Affine(1e-5, 0, 55.26, 0, -1e-5, 25.16), CRS.from_epsg(4326))
    ids = np.zeros((8, 40), np.uint8)
    ids[:, 30:] = 1
    ids[:, 10:30] = 3
    frame = vectorize(ids, geo=geo, scheme=DUBAI, simplify=0, distance_to="Land", classes=["Building"]).layer.frame
    far = Geod(ellps="WGS84").inv(55.2601, 25.16, 55.2603, 25.16)[2]
    assert frame.distance_m.tolist() == [pytest.approx(far, rel=1e-4)]
    none = vectorize(np.zeros((3, 3), np.uint8), scheme=DUBAI, distance_to="Water").layer.frame
    assert np.isnan(none.distance_px).all()
    with pytest.raises(SettingsError, match="no class"):
        vectorize(ids, scheme=DUBAI, distance_to="Sea")


@pytest.mark.parametrize("geo", [UTM, GeoRef.pixels(), GeoRef(Affine(1e-5, 0, 55.26, 0, -1e-5, 25.16), CRS.from_epsg(4326))])
def test_measures_of_shapes_equal_those_of_the_layer(geo):
    layer = vectorize(np.kron(random_raster(12), np.ones((2, 2), np.uint8)), geo=geo).layer
    measures, method = measure_shapes(layer.frame.geometry.to_numpy(), geo, layer.made["height"], layer.made["width"])
    assert method == layer.made["area_method"]
    for name, values in measures.items():
        np.testing.assert_allclose(values, layer.frame[name], rtol=1e-6, atol=1e-6, err_msg=name)
    empty, _ = measure_shapes(np.empty(0, object), geo, 4, 4)
    assert all(values.size == 0 for values in empty.values())


def test_centroids_beyond_the_antimeridian_are_turned_back():
    geo = GeoRef(Affine(0.01, 0, 179.9, 0, -0.01, -17), CRS.from_epsg(4326))
    frame = vectorize(np.repeat([[0] * 10 + [1] * 10], 4, 0).astype(np.uint8), geo=geo, simplify=0).layer.frame
    np.testing.assert_allclose(frame.centroid_x, [179.95, -179.95])
    assert shapely.total_bounds(frame.geometry.to_numpy())[2] == pytest.approx(180.1)
