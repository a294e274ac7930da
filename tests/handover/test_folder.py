"""The folder to hand over: what lies in it, that other programs read it, and that it is made whole or not at all."""

from __future__ import annotations

import hashlib
import json
import subprocess
import zipfile
from dataclasses import replace

import geopandas as gpd
import numpy as np
import pyarrow.parquet as pq
import pyogrio
import pystac
import pytest
import rasterio
import shapely
from pystac.validation import validate_dict

from core.__main__ import main
from core.errors import Cancelled, ExportError, SettingsError
from core.geo import GeoRef
from core.handover.catalogue import Caption, plain_id, time_of
from core.handover.folder import MANIFEST, hand_over
from core.handover.kept import keep_layer, read_kept
from core.handover.tiles import levels, write_tiles
from core.prediction.folder.rasters import Prediction
from core.projecting import LONLAT
from core.scenes.scene import Window
from core.vector.formats.content import content_of
from core.vector.formats.export import export
from core.vector.layer import LEGEND
from core.vector.vectorize import vectorize
from tests.handover.test_qgis import CLIENT, qgis_python
from tests.helpers.predicted import predicted

SIDE_PX = 192
ALWAYS = {
    "README.md",
    "collection.json",
    "confidence.tif",
    "item.json",
    "labels.tif",
    "labels.tif.aux.xml",
    "map.html",
    "polygons.gpkg",
    "polygons.parquet",
    "polygons.qml",
    "project.qgz",
    "report.html",
}
CAPTION = Caption("Coast & harbour", "Polygons of a test.", "© Somebody", "CC-BY-4.0", "2026-05-30")


@pytest.fixture(scope="module")
def prediction(tmp_path_factory):
    from tests.conftest import ROOT

    scene = ROOT / "sample_data" / "town" / "images" / "coast.tif"
    return predicted(scene, tmp_path_factory.mktemp("predicted") / "coast", window=Window(300, 300, SIDE_PX, SIDE_PX))


@pytest.fixture(scope="module")
def traced(prediction):
    return vectorize(prediction, centre_lines=("Road",))


def shown_layer(traced):
    """As a page shows it: one class renamed and coloured by hand, the legend in an order of its own, one polygon corrected away."""
    scheme = traced.layer.scheme.coloured("natural", {"Road": (1, 2, 3)}).renamed({"Road": "Street"})
    frame = traced.layer.frame.iloc[1:].assign(class_name=lambda frame: frame["class_name"].replace("Road", "Street"))
    made = {**traced.layer.made, LEGEND: ["Water", "Street"]}
    lines = traced.lines.frame.assign(class_name="Street")
    return replace(traced.layer, scheme=scheme, frame=frame, made=made), replace(traced.lines, scheme=scheme, frame=lines)


@pytest.fixture(scope="module")
def made(prediction, traced, tmp_path_factory):
    """The folder of a layer as a page shows it, and what was answered."""
    layer, lines = shown_layer(traced)
    out = tmp_path_factory.mktemp("handed") / "coast"
    known = Prediction.open(prediction)
    return out, layer, hand_over(out, layer, prediction, told=CAPTION, lines=lines, with_scene=True, pack=True, prediction=known)


def test_the_folder_holds_what_it_lists_and_the_list_has_the_digests(made):
    out, _layer, answer = made
    there = {path.name for path in out.iterdir()}
    more = {"scene.tif", "polygons.pmtiles", "map-tiles.js", "polygons_lines.parquet", MANIFEST}
    assert there - {"polygons_lines.qml"} == ALWAYS | more
    listed = {entry["path"]: entry for entry in json.loads((out / MANIFEST).read_text("utf-8"))["files"]}
    assert set(listed) == there - {MANIFEST} and answer["notes"] == []
    for name, entry in listed.items():
        data = (out / name).read_bytes()
        assert (entry["bytes"], entry["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    readme = (out / "README.md").read_text("utf-8")
    assert all(f"`{name}`" in readme for name in there - {"README.md"}) and "© Somebody" in readme
    # In the order of the legend.
    assert readme.index("- Water:") < readme.index("- Street:") < readme.index("- Building:")
    with zipfile.ZipFile(answer["zip"]) as archive:
        assert archive.testzip() is None and {name.split("/")[1] for name in archive.namelist()} == there


def test_polygons_are_those_that_were_shown_in_every_form(made):
    out, layer, _ = made
    package = pyogrio.read_dataframe(out / "polygons.gpkg", layer="polygons")
    table = gpd.read_parquet(out / "polygons.parquet")
    assert package["id"].tolist() == table["id"].tolist() == layer.frame["id"].tolist()
    assert set(package["class_name"]) == set(layer.frame["class_name"]) and "Street" in set(table["class_name"])
    geo = json.loads(pq.read_schema(out / "polygons.parquet").metadata[b"geo"])
    assert geo["version"] == "1.1.0" and "bbox" in geo["columns"]["geometry"]["covering"]
    tiles = pyogrio.read_dataframe(out / "polygons.pmtiles")
    assert set(tiles["id"]) == set(layer.frame["id"])
    # A polygon that is cut at the borders of tiles has its area in parts, on a grid of steps of a few centimetres.
    moved = tiles.to_crs(layer.geo.crs)
    areas = moved.geometry.buffer(0).groupby(moved["id"]).apply(lambda parts: shapely.union_all(parts.to_numpy()).area)
    largest = layer.frame.sort_values("area_m2").tail(5).set_index("id")["area_m2"]
    np.testing.assert_allclose(areas[largest.index], largest, rtol=0.03)


def test_rasters_are_cloud_optimized_and_say_what_the_prediction_says(made, prediction):
    out, layer, _ = made
    known = Prediction.open(prediction)
    with rasterio.open(out / "labels.tif") as labels:
        assert labels.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG" and labels.nodata == 255 and labels.crs.to_epsg() == 32640
        np.testing.assert_array_equal(labels.read(1), known.labels())
        road = layer.scheme.names.index("Street")
        assert labels.tags()[f"CLASS_{road}"] == "Street" and labels.colormap(1)[road] == (1, 2, 3, 255)
        assert tuple(labels.transform)[:6] == pytest.approx(tuple(layer.geo.transform)[:6])
    with rasterio.open(out / "confidence.tif") as confidence:
        np.testing.assert_array_equal(confidence.read(1), known.confidence())
    with rasterio.open(out / "scene.tif") as scene, rasterio.open(known.made["scene"]) as own:
        window = rasterio.windows.Window(300, 300, SIDE_PX, SIDE_PX)
        np.testing.assert_array_equal(scene.read(), own.read((1, 2, 3), window=window))
        assert scene.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    assert "Street" in (out / "labels.tif.aux.xml").read_text("utf-8")


def test_the_catalogue_is_valid_and_its_links_lead_to_the_files(made):
    out, layer, answer = made
    for name, kind in (("item.json", "Feature"), ("collection.json", "Collection")):
        value = json.loads((out / name).read_text("utf-8"))
        assert value["type"] == kind
        # The schemas of the standard itself lie in pystac; those of extensions would be asked of the network.
        assert validate_dict(value, extensions=[]), name
    collection = pystac.Collection.from_file(str(out / "collection.json"))
    (item,) = collection.get_items()
    assert item.get_collection().id == collection.id == "coast-harbour-collection"
    sums = {entry["path"]: entry for entry in answer["files"]}
    for name, asset in item.assets.items():
        assert asset.href == f"./{name}" and (out / name).is_file()
        assert (
            asset.extra_fields["file:checksum"] == "1220" + sums[name]["sha256"] and asset.extra_fields["file:size"] == sums[name]["bytes"]
        )
    assert item.datetime.isoformat() == "2026-05-30T00:00:00+00:00" and item.properties["proj:code"] == "EPSG:32640"
    west, south, east, north = item.bbox
    lon, lat = layer.geo.lonlat(SIDE_PX / 2, SIDE_PX / 2)
    assert west < lon < east and south < lat < north and collection.license == "CC-BY-4.0"
    titles = [entry["title"] for entry in item.assets["labels.tif"].extra_fields["classification:classes"]]
    assert titles == list(layer.scheme.names)
    assert plain_id("Küste – 1!") == "k-ste-1" and plain_id("港") == "result"
    with pytest.raises(SettingsError, match="as a time"):
        time_of("yesterday")


@pytest.mark.slow
@pytest.mark.needs_qgis
def test_qgis_opens_the_project_with_lines_and_picture(made, tmp_path):
    python = qgis_python()
    done = subprocess.run([python, str(CLIENT), str(made[0] / "project.qgz"), str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert list(told["layers"]) == ["Centre lines", "Polygons", "Class of each pixel", "Confidence", "Picture"]
    assert all(layer["valid"] for layer in told["layers"].values()) and told["errors"] == [] and told["printed"] == [0]
    assert told["layers"]["Polygons"]["legend"][:2] == ["Water", "Street"] and told["layers"]["Polygons"]["features"] == len(made[1].frame)


def test_a_layer_that_a_page_kept_is_the_one_that_was_shown(traced, tmp_path):
    layer, lines = shown_layer(traced)
    layer = replace(layer, geo=replace(layer.geo, pixel_size_m=0.25))
    found, network = read_kept(keep_layer(layer, tmp_path / "shown.gpkg", lines=lines))
    assert (
        found.scheme == layer.scheme and found.geo == layer.geo and found.units == "m" and found.made == json.loads(json.dumps(layer.made))
    )
    assert found.frame["class_name"].tolist() == layer.frame["class_name"].tolist()
    assert shapely.equals_exact(found.frame.geometry.to_numpy(), layer.frame.geometry.to_numpy()).all()
    assert network.frame["class_name"].tolist() == lines.frame["class_name"].tolist()
    export(layer, tmp_path / "plain.gpkg")
    (tmp_path / "text.gpkg").write_text("no database")
    for name in ("plain.gpkg", "text.gpkg", "gone.gpkg"):
        with pytest.raises(ExportError, match="no layer that a page kept"):
            read_kept(tmp_path / name)


def test_a_taken_place_is_refused_unless_it_may_be_replaced(prediction, traced, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    for allowed in (False, True):
        with pytest.raises(SettingsError, match="other files"):
            hand_over(out, traced.layer, prediction, told=CAPTION, overwrite=allowed)
    (out / "mine.txt").rename(out / MANIFEST)
    with pytest.raises(SettingsError, match="is there already"):
        hand_over(out, traced.layer, prediction, told=CAPTION)
    (tmp_path / "new.zip").write_text("mine")
    with pytest.raises(SettingsError, match=r"new\.zip is there already"):
        hand_over(tmp_path / "new", traced.layer, prediction, told=CAPTION, pack=True)
    with pytest.raises(ExportError, match="without polygons"):
        hand_over(tmp_path / "new", replace(traced.layer, frame=traced.layer.frame.iloc[:0]), prediction, told=CAPTION)


def test_what_is_stopped_leaves_the_older_folder_and_nothing_of_its_own(prediction, traced, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / MANIFEST).write_text("older")
    steps = []

    def stop():
        return "Writing the web map" in steps

    with pytest.raises(Cancelled):
        hand_over(
            out,
            traced.layer,
            prediction,
            told=CAPTION,
            overwrite=True,
            on_progress=lambda done, total, words: steps.append(words),
            should_stop=stop,
        )
    assert [path.name for path in tmp_path.iterdir()] == ["out"] and (out / MANIFEST).read_text() == "older"


def test_a_scene_without_a_place_gets_all_but_tiles(tmp_path):
    ids = np.zeros((40, 60), np.uint8)
    ids[:, 30:] = 1
    with rasterio.open(tmp_path / "ids.tif", "w", driver="GTiff", height=40, width=60, count=1, dtype="uint8") as out:
        out.write(ids, 1)
    assert main(["handover", str(tmp_path / "ids.tif"), str(tmp_path / "out"), "--title", "Plain", "--min-area", "1"]) == 0
    there = {path.name for path in (tmp_path / "out").iterdir()}
    assert there == (ALWAYS | {MANIFEST}) - {"confidence.tif"}
    readme = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "no place on the earth" in readme and "no confidence" in readme
    item = json.loads((tmp_path / "out" / "item.json").read_text("utf-8"))
    assert item["geometry"] is None and validate_dict(item, extensions=[])
    with rasterio.open(tmp_path / "out" / "labels.tif") as labels:
        np.testing.assert_array_equal(labels.read(1), ids)


def test_more_classes_than_bytes_can_name_keep_their_numbers(tmp_path):
    ids = np.arange(300, dtype=np.uint16).repeat(4).reshape(30, 40)
    ids[0, :4] = 65535
    with rasterio.open(tmp_path / "ids.tif", "w", driver="GTiff", height=30, width=40, count=1, dtype="uint16", nodata=65535) as out:
        out.write(ids, 1)
    answer = hand_over(tmp_path / "out", vectorize(tmp_path / "ids.tif").layer, tmp_path / "ids.tif", told=CAPTION)
    with rasterio.open(tmp_path / "out" / "labels.tif") as labels:
        found = labels.read(1)
        assert labels.nodata == 300 and (found[0, :4] == 300).all()
        np.testing.assert_array_equal(found[0, 4:], ids[0, 4:])
        np.testing.assert_array_equal(found[1:], ids[1:])
    assert len(answer["files"]) == len(ALWAYS) - 1


def test_the_command_says_where_to_begin(prediction, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["handover", str(prediction), str(out), "--colours", "masks"]) == 0
    assert "begin with its README.md" in capsys.readouterr().out
    assert main(["handover", str(prediction), str(out)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["handover", str(prediction), str(tmp_path / "b"), "--acquired", "soon", "--layer", str(out / "polygons.gpkg")]) == 2
    assert "no layer that a page kept" in capsys.readouterr().err


def test_tiles_begin_where_the_layer_fits_into_one_and_end_at_half_a_pixel(traced, tmp_path):
    content = content_of(traced.layer, ".geojson", crs=LONLAT, lonlat=True)
    low, high = levels(content, traced.layer)
    # At 25.2 degrees north a parallel has 36,270 km: 57.6 m are its 2^19.26th part, and half of 0.3 m is 1/4096 of its 2^15.85th.
    assert (low, high) == (19, 19)
    wide = replace(traced.layer, geo=GeoRef(traced.layer.geo.transform, traced.layer.geo.crs))
    wide = replace(wide, made={**wide.made, "height": 400_000, "width": 400_000})
    assert levels(replace(content, geometry=np.array([shapely.box(55, 25, 56, 26)], object)), wide) == (8, 13)
    # Cut at the antimeridian, polygons lie on both sides of the map; the scene is as small as it is.
    both = np.array([shapely.box(-180, 25, -179.9999, 25.0001), shapely.box(179.9999, 25, 180, 25.0001)], object)
    assert levels(replace(content, geometry=both), traced.layer) == (19, 19)
    assert write_tiles(traced.layer, tmp_path / "a.pmtiles") == len(traced.layer.frame)
