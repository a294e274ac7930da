"""Vector files of others over a map: only what lies on the scene, in the map's coordinates, and words for what does not go."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from core.errors import GroundlineError
from core.geo import GeoRef
from core.vector import overlay
from core.vector.overlay import read_overlay

UTM = GeoRef(Affine(1, 0, 325000, 0, -1, 2786000), CRS.from_epsg(32640))  # 100 x 200 m
PARCELS = [
    shapely.box(325010, 2785950, 325030, 2785990),
    shapely.box(325150, 2785950, 325250, 2785990),
    shapely.box(326000, 2785950, 326010, 2785990),
]


def written(path, shapes, crs):
    gpd.GeoDataFrame(geometry=shapes, crs=crs).to_file(path)
    return path


@pytest.mark.parametrize("name", ["parcels.gpkg", "parcels.geojson", "parcels.shp"])
def test_parcels_of_another_crs_lie_where_they_are(tmp_path, name):
    """Two of three touch the scene; the larger one comes first, and its corners are those of UTM within a centimetre of degrees."""
    there = gpd.GeoSeries(PARCELS, crs=32640).to_crs(4326)
    found = read_overlay(written(tmp_path / name, list(there), 4326), UTM, 100, 200)
    assert (found.name, found.found, len(found.shapes), found.found_more, found.told) == ("parcels", 2, 2, False, "")
    np.testing.assert_allclose(found.shapes[0].bounds, there[1].bounds, atol=1e-7)
    assert [one["geometry"]["type"] for one in found.geojson()["features"]] == ["Polygon", "Polygon"]


def test_a_file_without_crs_lies_in_the_scenes_own_coordinates(tmp_path):
    """On the earth it is said; on a scene of pixels, rows run down and the map's y runs up."""
    assert "names no CRS" in read_overlay(written(tmp_path / "plain.shp", PARCELS, None), UTM, 100, 200).told
    pixels = written(tmp_path / "pixels.shp", [shapely.LineString([(2, -3), (7, -9)])], None)
    found = read_overlay(pixels, GeoRef.pixels(), 10, 10)
    assert found.shapes[0].coords[:] == [(2, -3), (7, -9)] and not found.told


def test_of_many_features_the_largest_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(overlay, "_MOST_DRAWN", 1)
    found = read_overlay(written(tmp_path / "parcels.gpkg", PARCELS, 32640), UTM, 100, 200)
    assert found.found == 2 and len(found.shapes) == 1


@pytest.mark.parametrize(
    ("make", "geo", "words"),
    [
        (lambda path: written(path / "far.gpkg", PARCELS[2:], 32640), UTM, "nothing of far.gpkg"),
        (lambda path: written(path / "parcels.gpkg", PARCELS, 32640), GeoRef.pixels(), "lies on the earth"),
        (lambda path: path / "none.gpkg", UTM, "no file at"),
        (lambda path: path / "words.txt", UTM, "ending tells no vector file"),
    ],
)
def test_what_cannot_be_drawn_is_said(tmp_path, make, geo, words):
    with pytest.raises(GroundlineError, match=words):
        read_overlay(make(tmp_path), geo, 100, 200)


def test_a_text_that_poses_as_a_geopackage_is_refused(tmp_path):
    (tmp_path / "posing.gpkg").write_text("<OGRVRTDataSource></OGRVRTDataSource>")
    with pytest.raises(GroundlineError, match="does not hold what its name says"):
        read_overlay(tmp_path / "posing.gpkg", UTM, 100, 200)
