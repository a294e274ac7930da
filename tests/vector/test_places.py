"""Layers wherever they lie: without a CRS, in local ones, round the whole earth, and the files that can hold them."""

from __future__ import annotations

import json

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import CRS

from core.classes import ClassScheme
from core.errors import ExportError, SettingsError
from core.geo import GeoRef
from core.scenes.opening import open_scene
from core.vector.change import change
from core.vector.clip import clip
from core.vector.editing.burning import burn
from core.vector.editing.log import Corrections
from core.vector.formats.export import export, lines_path, read_content
from core.vector.formats.products import PRODUCTS
from core.vector.printing.figure import draw_figure
from core.vector.vectorize import vectorize
from core.verbs.layers.vectorize import VectorizeRequest, export_all, run, summary

SCHEME = ClassScheme.unnamed(3)
LOCAL = CRS.from_user_input('LOCAL_CS["site",UNIT["metre",1],AXIS["Easting",EAST],AXIS["Northing",NORTH]]')
FEET = CRS.from_user_input('LOCAL_CS["site",UNIT["foot",0.3048],AXIS["Easting",EAST],AXIS["Northing",NORTH]]')
ENGINEERING = CRS.from_user_input(
    'ENGCRS["Plant",EDATUM["Mark"],CS[Cartesian,2],AXIS["x",east,ORDER[1]],AXIS["y",north,ORDER[2]],LENGTHUNIT["metre",1]]'
)
EARTH_M2 = 510.0656e12


def block(height: int = 40, width: int = 60) -> np.ndarray:
    """A block of class 1, 10 x 20 pixels, in class 0."""
    ids = np.zeros((height, width), np.uint8)
    ids[10:20, 20:40] = 1
    return ids


def quilt(height: int, width: int, step: int) -> np.ndarray:
    ids = np.random.default_rng(0).integers(0, 3, (-(-height // step), -(-width // step))).astype(np.uint8)
    return np.kron(ids, np.ones((step, step), np.uint8))[:height, :width]


def traced(ids: np.ndarray, geo: GeoRef):
    return vectorize(ids, geo=geo, scheme=SCHEME, simplify=0, min_area=0).layer


# ---- a transform and no CRS ----


@pytest.fixture
def world_filed(tmp_path):
    """A class raster with a world file: 0.5 m pixels whose corner lies at 652000, 6862000."""
    from PIL import Image

    ids = np.zeros((120, 160), np.uint8)
    ids[20:60, 30:90] = 1
    Image.fromarray(ids).save(tmp_path / "labels.png")
    (tmp_path / "labels.pgw").write_text("0.5\n0\n0\n-0.5\n652000.25\n6861999.75\n")
    return tmp_path / "labels.png"


def test_a_raster_with_a_world_file_is_traced_where_it_lies(world_filed, tmp_path):
    answer = run(VectorizeRequest(world_filed, (tmp_path / "o.gpkg", tmp_path / "o.geojson", tmp_path / "o.csv")))
    for file in answer["files"]:
        found = read_content(file["path"])
        assert tuple(shapely.total_bounds(found.geometry)) == (652_000, 6_861_940, 652_080, 6_862_000) and found.crs is None
    assert (answer["crs"], answer["units"]) == (None, "px") and "units that nobody named" in answer["coordinates"]
    assert answer["notes"] == [
        "labels.png names no CRS: coordinates are those of the file's transform, in units that nobody named (no CRS is known). "
        "--crs names it."
    ]
    assert json.loads((tmp_path / "o.geojson").read_text())["coordinates"] == "unnamed units"
    assert "in units that nobody named" in pyogrio.read_info(tmp_path / "o.gpkg", layer="o")["layer_metadata"]["DESCRIPTION"]
    assert "coordinates: those of the file's transform, no CRS" in next(iter(summary(answer)))


def test_crs_names_what_the_raster_does_not(world_filed, tmp_path):
    answer = run(VectorizeRequest(world_filed, (tmp_path / "o.gpkg", tmp_path / "o.geojson"), crs="EPSG:2154"))
    assert (answer["crs"], answer["classes"]["Class 1"]["area_m2"]) == ("EPSG:2154", pytest.approx(2400 * 0.25, rel=1e-3))
    assert read_content(tmp_path / "o.gpkg").crs.to_epsg() == 2154
    assert shapely.total_bounds(read_content(tmp_path / "o.geojson").geometry)[:2] == pytest.approx((2.3458, 48.8557), abs=1e-4)
    assert "its coordinates are taken to be RGF93 v1 / Lambert-93" in answer["notes"][0]
    assert answer["notes"][1:] == ["o.geojson is in longitude and latitude (WGS 84), as every GeoJSON is, not in EPSG:2154"]


@pytest.mark.parametrize(("crs", "found"), [("EPSG:4326", "the corner 652000"), ("EPSG:99999999", "no CRS 'EPSG:99999999'")])
def test_a_crs_that_does_not_fit_is_refused_before_anything_is_traced(world_filed, tmp_path, crs, found):
    with pytest.raises(SettingsError, match=found):
        run(VectorizeRequest(world_filed, (tmp_path / "o.gpkg",), crs=crs))
    assert not (tmp_path / "o.gpkg").exists()


def test_a_kml_without_a_crs_is_refused_and_the_others_are_written(world_filed, tmp_path):
    with pytest.raises(ExportError, match=r"without coordinates for o.kml \(written: o.gpkg, o.csv\). Expected a CRS, which KML needs"):
        run(VectorizeRequest(world_filed, (tmp_path / "o.gpkg", tmp_path / "o.kml", tmp_path / "o.csv")))
    assert len(read_content(tmp_path / "o.gpkg").fields) == 2 and not (tmp_path / "o.kml").exists()


@pytest.mark.parametrize(
    "transform", [Affine(2, 0, 500, 0, -2, 900), Affine(2, 0, 500, 0, 2, 900), Affine.rotation(30) * Affine(2, 0, 500, 0, -2, 9)]
)
def test_masks_and_changes_of_unnamed_coordinates_keep_them(tmp_path, transform):
    layer = traced(block(), GeoRef(transform))
    mask = open_scene(burn(layer, Corrections(), tmp_path / "mask.tif"), expand_palette=False)
    assert mask.geo.crs is None and mask.geo.transform.almost_equals(transform)
    moved = traced(block(), GeoRef(transform * Affine.translation(0, 5)))
    found = change(layer, moved)
    assert found.compared_area == 35 * 60 and found.changed_area == 2 * 5 * 20
    assert len(clip(layer, (20, 10, 40, 20), space="pixels").frame) == 1
    draw_figure(layer, tmp_path / "map.png", scene=mask, dpi=50)


# ---- local CRS ----


@pytest.mark.parametrize(("crs", "metres"), [(LOCAL, 1), (ENGINEERING, 1), (FEET, 0.3048)], ids=["LOCAL_CS", "ENGCRS", "feet"])
def test_a_local_crs_is_measured_in_its_own_metres(tmp_path, crs, metres):
    geo = GeoRef(Affine(0.5, 0, 10, 0, -0.5, 50), crs)
    layer = traced(block(), geo)
    row = layer.frame[layer.frame["class_id"] == 1].iloc[0]
    assert row["area_m2"] == pytest.approx(200 * (0.5 * metres) ** 2)
    assert (row["length_m"], row["width_m"]) == pytest.approx((10 * metres, 5 * metres))
    assert layer.made["area_method"] == f"planar in {crs.name}"
    for suffix in (".gpkg", ".shp", ".shp.zip", ".csv", ".parquet", ".fgb", ".dxf"):
        found = read_content(export(layer, tmp_path / f"o{suffix}"))
        assert tuple(shapely.total_bounds(found.geometry)) == (10, 30, 40, 50)
    for suffix in (".geojson", ".kml", ".html"):
        with pytest.raises(ExportError, match=rf"local CRS {crs.name} for o\{suffix}. Expected a CRS that leads to longitude and latitude"):
            export(layer, tmp_path / f"o{suffix}")
        assert not (tmp_path / f"o{suffix}").exists() and not PRODUCTS[suffix].holds(geo)
    with pytest.raises(SettingsError, match="two that both lead to longitude and latitude"):
        export(layer, tmp_path / "p.gpkg", crs="EPSG:2154")
    assert change(layer, layer).compared_area == pytest.approx(2400 * (0.5 * metres) ** 2)


def test_a_local_layer_is_printed_clipped_and_gets_lines_and_distances(tmp_path):
    geo = GeoRef(Affine.rotation(20) * Affine.scale(0.5, -0.5), LOCAL)
    result = vectorize(block(), geo=geo, scheme=SCHEME, centre_lines=("Class 1",), distance_to="Class 1", min_area=0)
    assert result.lines.frame["length_m"].sum() == pytest.approx(10, rel=0.2)
    assert set(result.layer.frame["distance_m"].dropna()) == {0.0}
    scene = open_scene(_raster(tmp_path / "scene.tif", geo))
    for name in ("map.png", "map.pdf"):
        draw_figure(result.layer, tmp_path / name, scene=scene, lines=result.lines, dpi=50)
    export(result.layer, tmp_path / "o.GPKG", lines=result.lines)
    assert len(pyogrio.list_layers(tmp_path / "o.GPKG")) == 3


def _raster(path, geo: GeoRef):
    profile = {
        "driver": "GTiff",
        "height": 40,
        "width": 60,
        "count": 3,
        "dtype": "uint8",
        "transform": geo.transform,
        "crs": geo.crs.to_wkt(),
    }
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.zeros((3, 40, 60), np.uint8))
    return path


# ---- round the earth ----


@pytest.mark.parametrize(
    ("geo", "shape"),
    [
        (GeoRef(Affine(1, 0, -180, 0, -1, 90), CRS.from_epsg(4326)), (180, 360)),
        (GeoRef(Affine(2, 0, 0, 0, -2, 90), CRS.from_epsg(4326)), (90, 180)),
        (GeoRef(Affine(2, 0, -1, 0, -2, 91), CRS.from_epsg(4269)), (91, 180)),
        (GeoRef(Affine(2, 0, -180, 0, 2, -90), CRS.from_epsg(4979)), (90, 180)),
    ],
    ids=["degree", "0 to 360", "by cell middles, NAD83", "south-up, with heights"],
)
def test_the_classes_of_a_world_raster_are_the_earth(tmp_path, geo, shape):
    layer = traced(quilt(*shape, 10), geo)
    assert layer.frame["area_m2"].sum() == pytest.approx(EARTH_M2, rel=1e-4)
    assert change(layer, layer).compared_area == pytest.approx(EARTH_M2, rel=1e-4)
    found = read_content(export(layer, tmp_path / "o.geojson")).geometry
    assert shapely.is_valid(found).all()
    assert shapely.total_bounds(found) == pytest.approx((-180, -90, 180, 90))
    assert shapely.area(found).sum() == pytest.approx(360 * 180) == shapely.union_all(found).area


def test_each_class_of_a_world_raster_has_the_area_of_its_pixels():
    geo, ids = GeoRef(Affine(2, 0, -180, 0, -2, 90), CRS.from_epsg(4326)), quilt(90, 180, 6)
    layer = traced(ids, geo)
    rows = np.array([geo.block_area_m2(row, 0, 1, 180) / 180 for row in range(90)])
    for class_id in range(3):
        want = float(((ids == class_id).sum(axis=1) * rows).sum())
        assert layer.frame.loc[layer.frame["class_id"] == class_id, "area_m2"].sum() == pytest.approx(want, rel=1e-3)


@pytest.mark.parametrize("code", [3031, 3995, 3413])
def test_a_polygon_that_holds_the_pole_is_written_closed_along_it(tmp_path, code):
    ids = np.zeros((120, 160), np.uint8)
    ids[70:110, 100:150] = 1
    layer = traced(ids, GeoRef(Affine(100, 0, -8000, 0, -100, 6000), CRS.from_epsg(code)))
    pole = -90 if code == 3031 else 90
    for suffix in (".geojson", ".kml", ".gpkg"):
        found = read_content(export(layer, tmp_path / f"o{suffix}"))
        assert shapely.is_valid(found.geometry).all()
        if suffix != ".gpkg":
            whole = found.geometry[int(np.argmax(shapely.area(found.geometry)))]
            assert whole.bounds[0] == -180 and whole.bounds[2] == 180 and pole in whole.bounds
    degrees = read_content(export(layer, tmp_path / "degrees.gpkg", crs="EPSG:4326"))
    assert shapely.is_valid(degrees.geometry).all() and shapely.total_bounds(degrees.geometry)[0] == -180


def test_a_polar_raster_larger_than_any_plane_is_measured_and_written(tmp_path):
    layer = traced(quilt(160, 160, 10), GeoRef(Affine(50_000, 0, -4e6, 0, -50_000, 4e6), CRS.from_epsg(3995)))
    # The square of 8000 km by its areal scale, summed over a grid of 4 km: 59 486 538 km2.
    assert layer.frame["area_m2"].sum() == pytest.approx(59_486_538e6, rel=1e-4)
    found = read_content(export(layer, tmp_path / "o.geojson")).geometry
    assert shapely.is_valid(found).all() and shapely.union_all(found).area == pytest.approx(shapely.area(found).sum(), rel=1e-6)


def test_what_lies_off_the_earth_is_refused_for_that_format_alone(tmp_path):
    globe = CRS.from_proj4("+proj=geos +h=35785831 +lon_0=0 +sweep=y +ellps=WGS84")
    ids = np.zeros((60, 60), np.uint8)
    ids[25:35, 25:35] = 1  # below the satellite; the corners look past the earth
    layer = traced(ids, GeoRef(Affine(2e5, 0, -6e6, 0, -2e5, 6e6), globe))
    space, ground = layer.frame["area_m2"]
    assert np.isnan(space) and ground == pytest.approx((2e6) ** 2, rel=0.05)
    with pytest.raises(ExportError, match=r"beyond the part of the earth where .* holds \(written: o.gpkg, o.csv\)"):
        export_all(layer, [tmp_path / "o.geojson", tmp_path / "o.gpkg", tmp_path / "o.csv"])
    assert (tmp_path / "o.gpkg").exists() and not (tmp_path / "o.geojson").exists()


def test_distances_round_the_earth_are_refused():
    with pytest.raises(SettingsError, match="distances over a scene that reaches round the earth"):
        vectorize(quilt(18, 36, 3), geo=GeoRef(Affine(10, 0, -180, 0, -10, 90), CRS.from_epsg(4326)), scheme=SCHEME, distance_to="Class 1")


# ---- files ----


@pytest.mark.parametrize("name", ["o.GPKG", "o.GeoJSON", "o.SHP", "o.Shp.Zip", "o.CSV", "o.Kml", "o.PARQUET", "o.FGB", "o.DXF", "o.HTML"])
def test_endings_count_in_any_case(tmp_path, name):
    layer = traced(block(), GeoRef(Affine(0.5, 0, 652_000, 0, -0.5, 6_862_000), CRS.from_epsg(2154)))
    path = export(layer, tmp_path / name)
    assert path.name == name and path.is_file() and len(read_content(path).fields) == 2
    if name == "o.SHP":
        assert {part.name for part in tmp_path.iterdir()} >= {"o.SHP", "o.shx", "o.dbf", "o.prj", "o.cpg"}
        assert len(pyogrio.read_dataframe(path)) == 2
    assert lines_path(path).name.lower() == f"o_lines{name[1:].lower()}"


def test_a_tie_to_another_datum_that_a_shapefile_loses_is_noted_with_the_distance(tmp_path):
    tied = CRS.from_proj4("+proj=tmerc +lon_0=9 +ellps=bessel +towgs84=600,70,400 +units=m")
    layer = traced(block(), GeoRef(Affine(1, 0, 0, 0, -1, 5e6), tied))
    answer = export_all(layer, [tmp_path / "o.shp", tmp_path / "o.gpkg"])
    (note,) = answer[0]["notes"]
    assert note.startswith("o.shp cannot hold the CRS unknown as it is: other programs will read unknown, and place it up to ")
    assert 10 < float(note.split(" m beside")[0].split()[-1]) < 800
    assert answer[1]["notes"] == []


def test_a_crs_that_a_format_does_not_know_is_refused_and_the_others_are_written(tmp_path):
    turned = CRS.from_proj4("+proj=ob_tran +o_proj=longlat +o_lat_p=40 +o_lon_p=10 +lon_0=30")
    layer = traced(block(), GeoRef(Affine(0.01, 0, 0, 0, -0.01, 0), turned))
    with pytest.raises(ExportError, match=r"o.gpkg cannot hold the CRS unnamed \(written: o.parquet, o.csv\). Expected a CRS"):
        export_all(layer, [tmp_path / "o.gpkg", tmp_path / "o.parquet", tmp_path / "o.csv"])


@pytest.mark.parametrize("crs", ["EPSG:7405", "EPSG:4979", "EPSG:27572", "EPSG:5514", "EPSG:2193", "ESRI:54009", "EPSG:2263"])
def test_heights_feet_and_other_meridians_are_held_by_every_format(tmp_path, crs):
    wanted = CRS.from_user_input(crs)
    x, y, size = {"EPSG:4979": (8, 50, 1e-4), "EPSG:27572": (6e5, 2.4e6, 1), "EPSG:5514": (-7e5, -1e6, 1)}.get(crs, (4e5, 4e5, 1))
    layer = traced(block(), GeoRef(Affine(size, 0, x, 0, -size, y), wanted))
    for suffix in (".shp", ".gpkg", ".parquet", ".fgb"):
        notes: list[str] = []
        export(layer, tmp_path / f"o{suffix}", on_note=notes.append)
        assert notes == []


def test_a_compound_crs_is_measured_by_its_plane(tmp_path):
    layer = traced(block(), GeoRef(Affine(2, 0, 4e5, 0, -2, 4e5), CRS.from_epsg(7405)))
    assert layer.frame.loc[layer.frame["class_id"] == 1, "area_m2"].sum() == pytest.approx(200 * 4, rel=2e-3)
    assert -2.1 < shapely.total_bounds(read_content(export(layer, tmp_path / "o.geojson")).geometry)[0] < -1.9
