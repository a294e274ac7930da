"""Exports: every format re-opens with the same content, in several CRS; what is wrong fails."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import zipfile
from dataclasses import replace
from xml.etree import ElementTree as ET

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from core.classes import DUBAI
from core.errors import ExportError, SettingsError
from core.geo import GeoRef
from core.scenes.opening import scene_of_array
from core.vector.formats.content import LONG_NAMES, rounded
from core.vector.formats.export import export, read_back, read_content
from core.vector.formats.products import PRODUCTS, format_of, formats
from core.vector.vectorize import vectorize

PLACES = {
    "utm": GeoRef(Affine(0.3, 0, 325000, 0, -0.3, 2784000), CRS.from_epsg(32640)),
    "degrees": GeoRef(Affine(3e-6, 0, 55.26, 0, -2.7e-6, 25.16), CRS.from_epsg(4326)),
    "pixels": GeoRef.pixels(),
    "antimeridian": GeoRef(Affine(1e-4, 0, 179.9985, 0, -1e-4, -17), CRS.from_epsg(4326)),
}


def make_layer(place="utm", *, confidence=True):
    rng = np.random.default_rng(2)
    ids = np.kron(rng.integers(0, 5, (6, 7)), np.ones((4, 4), int)).astype(np.uint8)
    ids[2:6, 3:9], ids[3:5, 5:7] = 1, 4
    ids[10:14, 0:4] = 255
    scores = rng.random(ids.shape) if confidence else None
    return vectorize(ids, geo=PLACES[place], scheme=DUBAI, confidence=scores, min_area=3).layer


@pytest.mark.parametrize("suffix", formats())
@pytest.mark.parametrize("place", PLACES)
def test_round_trip(place, suffix, tmp_path):
    layer = make_layer(place)
    path = tmp_path / f"layer of polygons{suffix}"
    if suffix == ".kml" and place == "pixels":
        with pytest.raises(ExportError, match="without coordinates"):
            export(layer, path)
        assert list(tmp_path.iterdir()) == []
        return
    assert export(layer, path) == path
    assert read_back(path) == len(layer.frame)
    found = read_content(path)
    assert found.fields["class_name"].tolist() == layer.frame["class_name"].tolist()
    if suffix != ".dxf":  # which holds no more than names and numbers
        np.testing.assert_allclose(pd.to_numeric(found.fields.filter(regex="^area").iloc[:, 0]), layer.frame[layer.area_column], atol=0.006)
    if layer.geo.crs is None:
        assert found.crs is None or suffix == ".kml"
        np.testing.assert_allclose(shapely.total_bounds(found.geometry), layer.frame.total_bounds, atol=1e-3)
    elif place != "antimeridian":
        moved = gpd.GeoSeries(found.geometry, crs=found.crs).to_crs(layer.frame.crs)
        step = 1e-7 if place == "degrees" else 1e-2
        np.testing.assert_allclose(shapely.bounds(moved.to_numpy()), shapely.bounds(layer.frame.geometry.to_numpy()), atol=step)
    # Nothing half-written is left beside the file.
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


def test_numbers_are_rounded_by_what_they_are_and_how_large():
    fields = pd.DataFrame(
        {"id": [1, 2], "area_m2": [12.34567, 123456.789], "length_px": [0.00049, 1234567.89], "mean_confidence": [0.87654321, np.nan]}
    )
    fields = fields.assign(compactness=[0.78539816, 1.0], centroid_x=[325000.12345, 55.123456789], class_name=["a", "b"])
    # Seven digits and at most three decimals of a size: 123456.8, and 1234568 without any; four decimals of a share.
    told = rounded(fields)
    assert told["area_m2"].tolist() == [12.346, 123456.8] and told["length_px"].tolist() == [0.0, 1234568.0]
    assert told["mean_confidence"].tolist()[0] == 0.8765 and np.isnan(told["mean_confidence"][1]) and told["compactness"][0] == 0.7854
    assert told["centroid_x"].tolist() == [325000.123, 55.123] and told["id"].tolist() == [1, 2]
    assert rounded(fields, degrees=True)["centroid_x"].tolist() == [325000.12345, 55.123456789]


@pytest.mark.parametrize("suffix", [suffix for suffix in formats() if suffix not in (".dxf", ".html")])
def test_files_hold_rounded_numbers_and_centres_in_their_own_coordinates(suffix, tmp_path):
    layer = make_layer()
    found = read_content(export(layer, tmp_path / f"layer{suffix}", crs="EPSG:3857"))
    fields = found.fields.rename(columns=LONG_NAMES)
    for name, step in (("area_m2", 0.0005), ("perimeter_m", 0.0005), ("mean_confidence", 0.00005)):
        values = pd.to_numeric(fields[name])
        np.testing.assert_allclose(values, layer.frame[name], atol=1.01 * step)
        assert (values == values.round(4)).all()
    # A centre of mass stays one when polygons are this small: it is that of the file's own polygons, to a millimetre or 1e-8 degrees.
    centres = shapely.get_coordinates(shapely.centroid(found.geometry))
    places = fields[["centroid_x", "centroid_y"]].to_numpy(float)
    np.testing.assert_allclose(places, centres, rtol=0, atol=1e-8 if found.crs.is_geographic else 2e-3)


@pytest.mark.parametrize("suffix", formats())
def test_an_empty_layer_and_one_without_confidence(suffix, tmp_path):
    empty = vectorize(np.full((4, 4), 255, np.uint8), geo=PLACES["utm"], scheme=DUBAI).layer
    assert read_back(export(empty, tmp_path / f"empty{suffix}")) == 0
    plain = make_layer(confidence=False)
    assert read_back(export(plain, tmp_path / f"plain{suffix}")) == len(plain.frame)


@pytest.mark.parametrize("suffix", [".gpkg", ".shp.zip", ".shp", ".csv", ".parquet", ".fgb"])
def test_another_target_crs(suffix, tmp_path):
    layer = make_layer()
    found = read_content(export(layer, tmp_path / f"moved{suffix}", crs="EPSG:3857"))
    assert found.crs.to_epsg() == 3857
    expected = layer.frame.to_crs(3857).total_bounds
    np.testing.assert_allclose(shapely.total_bounds(found.geometry), expected, rtol=1e-12)


def test_bad_names_and_crs_are_one_clear_line(tmp_path):
    layer = make_layer()
    for name in ("layer.xyz", "layer", ".gpkg"):
        with pytest.raises(SettingsError, match="no format"):
            export(layer, tmp_path / name)
    with pytest.raises(SettingsError, match="no CRS"):
        export(layer, tmp_path / "a.gpkg", crs="EPSG:nothing")
    with pytest.raises(SettingsError, match="without coordinates"):
        export(make_layer("pixels"), tmp_path / "a.gpkg", crs="EPSG:4326")
    assert format_of("A.SHP.ZIP") == ".shp.zip"


@pytest.mark.parametrize("harm", ["value", "text", "count", "geometry", "crs", "names"])
def test_a_file_that_differs_fails_and_leaves_the_old_one(harm, tmp_path, monkeypatch):
    layer, path = make_layer(), tmp_path / "layer.gpkg"
    path.write_text("old")
    known = PRODUCTS[".gpkg"]

    def read(file):
        found = known.read(file)
        if harm == "value":
            return replace(found, fields=found.fields.assign(area_m2=found.fields.area_m2 * (1 + 1e-6)))
        if harm == "text":
            return replace(found, fields=found.fields.assign(class_name="Road"))
        if harm == "count":
            return replace(found, fields=found.fields.iloc[1:], geometry=found.geometry[1:])
        if harm == "geometry":
            return replace(found, geometry=shapely.transform(found.geometry, lambda xy: xy + 1e-3))
        if harm == "names":
            return replace(found, fields=found.fields.rename(columns={"id": "ID"}))
        return replace(found, crs=CRS.from_epsg(32639))

    monkeypatch.setitem(PRODUCTS, ".gpkg", replace(known, read=read))
    with pytest.raises(ExportError, match="when read again"):
        export(layer, path)
    assert path.read_text() == "old"


def test_what_a_driver_raises_becomes_an_export_error(tmp_path, monkeypatch):
    def broken(*_, **__):
        raise OSError("disk full")

    monkeypatch.setitem(PRODUCTS, ".csv", replace(PRODUCTS[".csv"], write=broken, read=broken))
    with pytest.raises(ExportError, match="disk full"):
        export(make_layer(), tmp_path / "a.csv")


def test_geojson_follows_rfc_7946(tmp_path):
    value = json.loads(export(make_layer(), tmp_path / "a.geojson").read_text(encoding="utf-8"))
    assert "crs" not in value
    for feature in value["features"]:
        rings = [shapely.LinearRing(ring) for ring in feature["geometry"]["coordinates"]]
        assert rings[0].is_ccw and not any(ring.is_ccw for ring in rings[1:])
        assert all(-180 <= x <= 180 and -90 <= y <= 90 for x, y in feature["geometry"]["coordinates"][0])
    assert any(len(feature["geometry"]["coordinates"]) > 1 for feature in value["features"])


def test_geojson_without_crs_says_that_it_holds_pixels(tmp_path):
    value = json.loads(export(make_layer("pixels"), tmp_path / "a.geojson").read_text(encoding="utf-8"))
    assert value["coordinates"] == "pixels"
    assert "no CRS" in value["description"]


@pytest.mark.parametrize("suffix", [".geojson", ".kml"])
def test_polygons_over_the_antimeridian_are_cut(suffix, tmp_path):
    layer = make_layer("antimeridian")
    geometry = read_content(export(layer, tmp_path / f"a{suffix}")).geometry
    bounds = shapely.bounds(geometry)
    assert bounds[:, 0].min() >= -180 and bounds[:, 2].max() <= 180
    assert "MultiPolygon" in {shape.geom_type for shape in geometry}
    np.testing.assert_allclose(shapely.area(geometry), shapely.area(layer.frame.geometry.to_numpy()), rtol=1e-4)


def test_kml_has_fields_in_their_columns_and_a_style_for_each_class(tmp_path):
    layer = make_layer()
    path = export(layer, tmp_path / "a.kml")
    space = {"k": "http://www.opengis.net/kml/2.2"}
    root = ET.parse(path).getroot()
    first = root.find(".//k:Placemark", space)
    data = {item.get("name"): item.text for item in first.findall(".//k:SimpleData", space)}
    row = layer.frame.iloc[0]
    assert (int(data["id"]), data["class_name"], float(data["area_m2"])) == (row.id, row.class_name, round(row.area_m2, 3))
    styles = {style.get("id"): style.find("k:PolyStyle/k:color", space).text for style in root.findall(".//k:Style", space)}
    # KML colours are alpha, blue, green, red: Building #3C1098 -> 98 10 3c.
    assert styles["class0"][2:] == "98103c"
    # GDAL, an independent reader, sees the same columns.
    frame = pyogrio.read_dataframe(path)
    assert frame["class_name"].tolist() == layer.frame["class_name"].tolist()
    np.testing.assert_allclose(frame["area_m2"].astype(float), layer.frame["area_m2"], atol=0.0006)


def test_shapefile_parts_and_names(tmp_path):
    layer = make_layer()
    with zipfile.ZipFile(export(layer, tmp_path / "town.shp.zip")) as archive:
        names = set(archive.namelist())
        fields = archive.read("town_fields.csv").decode()
        assert archive.read("town.cpg").decode().strip() == "UTF-8"
    assert names == {f"town{end}" for end in (".shp", ".shx", ".dbf", ".prj", ".cpg", ".qml", "_fields.csv", "_about.txt")}
    assert "mean_conf,mean_confidence," in fields
    export(layer, tmp_path / "plain.shp")
    assert gpd.read_file(tmp_path / "plain.shp").columns.tolist()[:3] == ["id", "class_id", "class_name"]
    export(make_layer("pixels"), tmp_path / "pixels.shp")
    assert not (tmp_path / "pixels.prj").exists()


def test_a_plain_shapefile_is_read_whole_or_not_at_all_while_it_is_replaced(tmp_path, monkeypatch):
    def parts(folder):
        endings = (".shp", ".shx", ".dbf", ".prj", ".cpg", ".qix")
        return {ending: (folder / f"town{ending}").read_bytes() for ending in endings if (folder / f"town{ending}").exists()}

    (tmp_path / "alone").mkdir()
    export(make_layer("pixels"), tmp_path / "alone" / "town.shp")
    export(make_layer("utm"), tmp_path / "town.shp")
    (tmp_path / "town.qix").write_text("the index that another program made")
    older, newer, seen, step = parts(tmp_path), parts(tmp_path / "alone"), [], os.replace

    def replace(*paths):
        step(*paths)
        seen.append(parts(tmp_path))

    monkeypatch.setattr("core.vector.formats.export.os.replace", replace)
    export(make_layer("pixels"), tmp_path / "town.shp")
    assert ".prj" in older and ".prj" not in newer and older[".shp"] != newer[".shp"]
    assert len(seen) > 3 and all(".shp" not in now for now in seen[:-1]) and seen[-1] == newer


def test_geopackage_has_descriptions_and_a_style(tmp_path):
    path = export(make_layer(), tmp_path / "town.gpkg")
    with sqlite3.connect(path) as database:
        described = dict(database.execute("SELECT column_name, description FROM gpkg_data_columns"))
        style = database.execute("SELECT styleQML FROM layer_styles WHERE f_table_name = 'town' AND useAsDefault").fetchone()[0]
        assert "planar in EPSG:32640" in database.execute("SELECT description FROM gpkg_contents WHERE table_name = 'town'").fetchone()[0]
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    assert described["mean_confidence"].startswith("mean confidence")
    categories = ET.fromstring(style).findall(".//category")
    assert [category.get("value") for category in categories] == list(DUBAI.names)


def test_gdal_reads_the_wkt_of_a_csv(tmp_path):
    layer = make_layer()
    frame = pyogrio.read_dataframe(export(layer, tmp_path / "a.csv"))
    assert shapely.equals_exact(frame.geometry.to_numpy(), layer.frame.geometry.to_numpy(), 0).all()


def test_the_web_map_holds_everything_and_asks_for_nothing(tmp_path):
    layer = make_layer()
    scene = scene_of_array(np.full((24, 28, 3), 90, np.uint8), geo=PLACES["utm"])
    text = export(layer, tmp_path / "map.html", scene=scene).read_text(encoding="utf-8")
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?https?:""", text.split("<script>")[0])
    assert "data:image/webp;base64," in text
    picture = json.loads(text.split('id="layer">')[1].split("</script>")[0])["picture"]
    west, south, east, north = layer.frame.to_crs(4326).total_bounds
    np.testing.assert_allclose(picture["bounds"], [[south, west], [north, east]], atol=1e-6)
    # Its heading is what it shows, not the name of its file.
    named = replace(layer, made=layer.made | {"source": "town", "model": "net"})
    assert "<title>town · net</title>" in export(named, tmp_path / "town-net_all_2026-11-30.html").read_text(encoding="utf-8")


def test_text_that_looks_like_markup_does_no_harm(tmp_path):
    from core.classes import ClassScheme

    scheme = ClassScheme(("</script><b>&\"'", "NA", "=1+1", "'-2"), DUBAI.colours[:4])
    layer = vectorize(np.array([[0, 1, 2, 3]], np.uint8), geo=PLACES["utm"], scheme=scheme, min_area=0).layer
    for suffix in formats():
        path = export(layer, tmp_path / f"odd{suffix}")
        assert read_content(path).fields["class_name"].tolist() == list(scheme.names)
