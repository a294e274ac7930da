import gzip
import itertools
import json
import os
import re
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
import streamlit as st
from affine import Affine
from PIL import Image

from core.classes import DUBAI
from core.confusion import Confusion
from core.datasets.datasets import open_dataset
from core.errors import ExportError
from core.evaluation.result import EVALUATION_FILE, Evaluation, SceneResult
from core.files import read_json, write_json
from core.jobs import jobs, records
from core.prediction.folder.rasters import Prediction
from core.publishing.kept import kept_folder
from core.publishing.offers import offers_of
from core.publishing.running import noted, served_at
from core.vector.filtering import Filter
from core.vector.settings import VectorSettings
from core.verbs import registry
from core.workspace import Workspace
from tests.helpers.postgres import PASSWORD, USER
from tests.helpers.predicted import predicted
from tests.pages.conftest import keys_of, sound, text_of
from ui import served
from ui.map import downloads, drawing, tracing
from ui.map import page as map_page
from ui.map.finished import find
from ui.viewer import tiles

MAP = "pages/5_Map.py"
SAND, SEA = (200, 178, 150), (40, 82, 95)
PLACE = {"crs": "EPSG:32640", "transform": Affine(0.5, 0, 325000, 0, -0.5, 2786000)}


def lake_picture(left=40):
    """100 x 120 pixels of sand with a lake of 40 x 50."""
    picture = np.full((100, 120, 3), SAND, np.uint8)
    picture[30:70, left : left + 50] = SEA
    return picture


def lake_scene(path, left=40, corner=None):
    place = PLACE | ({"transform": Affine(0.5, 0, corner[0], 0, -0.5, corner[1])} if corner else {})
    with rasterio.open(path, "w", driver="GTiff", height=100, width=120, count=3, dtype="uint8", **place) as out:
        out.write(lake_picture(left).transpose(2, 0, 1))
    return path


@pytest.fixture
def lake(tmp_path, workspace):
    """A predicted scene with coordinates, 0.5 m pixels."""
    return predicted(lake_scene(tmp_path / "lake.tif"), workspace.predictions / "lake", blur_px=1)


@pytest.fixture
def plain_lake(tmp_path, workspace):
    """The same scene as a PNG without coordinates."""
    Image.fromarray(lake_picture()).save(tmp_path / "lake.png")
    return predicted(tmp_path / "lake.png", workspace.predictions / "lake", blur_px=1)


@pytest.fixture
def does(monkeypatch):
    """`does(selected=(2,))`: from the next run on, the user has done this on the map."""
    drawn, told = drawing.show, {}
    monkeypatch.setattr(drawing, "show", lambda *given, **how: (drawn(*given, **how) and None) or drawing.Told(**told))
    monkeypatch.setattr(drawing, "done", lambda key: drawing.Told(**told))
    return told.update


@pytest.fixture
def asks(monkeypatch):
    """`asks(at, "delete", ids=[2])`: the page after the user corrected on the map, and what the map was answered."""
    asked = {}
    monkeypatch.setattr(drawing, "asked", lambda key: dict(asked) or None)

    def ask(at, kind, **what):
        asked.clear()
        asked.update({"n": next(numbers), "on": map_of(at)[2]["layer"], "kind": kind} | what)
        at = sound(at.run())
        return at, map_of(at)[2]["editing"]

    numbers = itertools.count(1)
    return ask


@pytest.fixture
def chooses(monkeypatch):
    """`chooses(at, how="safe")`: the page after the user chose in the map's legend."""
    chosen, numbers = {}, itertools.count(1)
    monkeypatch.setattr(drawing, "chosen", lambda key: dict(chosen) or None)

    def choose(at, **what):
        chosen.clear()
        chosen.update({"n": next(numbers)} | what)
        return sound(at.run())

    return choose


def metrics(at):
    return {metric.label: metric.value for metric in at.metric}


def script(text, call):
    return json.loads(re.search(rf"page\.{call}\((?:map_\w+, )?(\{{.*\}})\)\);", text, re.DOTALL).group(1))


def map_of(at):
    """What streamlit-folium was given: its arguments, the map's own settings, and the message to it."""
    args = json.loads(at.get("component_instance")[0].proto.json_args)
    return args, script(args["script"], "start"), script(args["feature_group"], "update")


def classes_of(at):
    return {item["name"]: item for item in map_of(at)[2]["classes"]}


def test_empty_page_offers_the_sample(opened):
    at = opened(MAP)
    assert "Nothing to map yet" in text_of(at)
    assert "try_sample" in keys_of(at)


def test_a_prediction_is_traced_and_mapped_at_once(opened, lake):
    at = opened(MAP)
    args, config, message = map_of(at)
    assert not at.error
    assert all(link.startswith("../.." + served.static_url()) for link in args["js_links"] + args["css_links"])
    assert [item["name"] for item in message["classes"]] == ["Land", "Water"]
    # The whole scene is 100 * 120 px of 0.25 m2 = 3000 m2.
    assert sum(item["area"] for item in message["classes"]) == pytest.approx(3000, rel=2e-3)
    assert [picture["name"] for picture in config["pictures"]] == ["Scene", "Class raster"]
    assert metrics(at)["Geometry"] == "Clean" and metrics(at)["Polygons"] == "2"
    table = at.dataframe[0].value
    assert list(table["class"]) == ["Land", "Water"] and table["area"].sum() == pytest.approx(3000, rel=2e-3)
    keys = {button.proto.id.split("-")[-1] for button in at.get("download_button")}
    assert len(keys) == len(downloads.suffixes())


def test_a_layer_that_a_job_has_traced_is_read_and_not_traced_again(opened, lake, finished, workspace, monkeypatch):
    from core.vector import vectorize as layers
    from core.vector.formats.export import export

    result = layers.vectorize(lake)
    path = export(result.layer, workspace.layers / "lake.gpkg")
    measured = {"seconds": 4.2, "invalid": 0, "gap_area": 0.0, "overlap_area": 0.0}
    finished("vectorize", {"prediction": lake}, measured | {"files": [{"path": str(path), "features": 2}]})
    monkeypatch.setattr(layers, "vectorize", lambda *_, **__: pytest.fail("traced although the layer was there"))
    at = opened(MAP)
    assert metrics(at)["Polygons"] == "2" and metrics(at)["Geometry"] == "Clean" and set(classes_of(at)) == {"Land", "Water"}


def test_a_layer_of_other_settings_or_of_an_older_prediction_is_not_taken(lake, finished, workspace):
    from core.vector.formats.export import export
    from core.vector.vectorize import vectorize

    path = export(vectorize(lake, simplify="3px").layer, workspace.layers / "lake.gpkg")
    measured = {"seconds": 4.2, "invalid": 0, "gap_area": 0.0, "overlap_area": 0.0, "files": [{"path": str(path), "features": 2}]}
    finished("vectorize", {"prediction": lake, "simplify": "3px"}, measured)
    assert find(lake, VectorSettings()) is None
    assert find(lake, VectorSettings(simplify="3px", centre_lines=("Road",))) is None
    assert len(find(lake, VectorSettings(simplify="3px")).layer.frame) == 2
    os.utime(path, (1, 1))
    assert find(lake, VectorSettings(simplify="3px")) is None


def test_a_layer_of_an_older_record_is_still_found(lake, finished, workspace):
    from core.vector.formats.export import export
    from core.vector.vectorize import vectorize

    path = export(vectorize(lake, regularize=["Water"], classes=["Water"]).layer, workspace.layers / "lake.gpkg")
    measured = {"seconds": 4.2, "invalid": 0, "gap_area": 0.0, "overlap_area": 0.0, "files": [{"path": str(path), "features": 1}]}
    # What a job wrote down before the settings were one class; the oldest had neither method nor centre lines.
    record = {
        "prediction": str(lake),
        "files": [str(path)],
        "threshold": 0.0,
        "min_area": "4px",
        "simplify": "1px",
        "smooth": 0,
        "classes_only": ["Water"],
        "pixel_size": None,
        "distance_to": None,
        "regularize": ["Water"],
        "crs": None,
        "scene": None,
    }
    folder = finished("vectorize", {"prediction": lake}, measured)
    asked = {"classes": ("Water",), "regularize": ("Water",)}
    for request in (record, {**record, "centre_lines": True, "method": "visvalingam"}):
        (folder / records.REQUEST).write_text(json.dumps({"kind": "vectorize", "title": "older", "request": request}))
        assert len(find(lake, VectorSettings(**asked)).layer.frame) == 1
        assert find(lake, VectorSettings()) is None and find(lake, VectorSettings(**asked, method="douglas-peucker")) is None


def test_a_job_that_was_refused_does_not_stand_in_the_way(lake, finished):
    finished("vectorize", {"prediction": lake, "smooth": 9}, state="failed")
    assert find(lake, VectorSettings()) is None


def test_the_form_begins_with_the_settings_of_the_command_line(opened, lake, monkeypatch):
    from core.vector import vectorize as layers

    drawn, asked = layers.vectorize, []
    monkeypatch.setattr(layers, "vectorize", lambda source, settings, **how: asked.append(settings) or drawn(source, settings, **how))
    opened(MAP)
    assert [replace(one, pixel_size_m=None) for one in asked] == [VectorSettings()]


def test_settings_take_effect_as_they_move_and_the_map_stays(opened, lake):
    at = opened(MAP)
    base, features = map_of(at)[0]["script"], map_of(at)[2]["features"]
    at = sound(at.multiselect(key="map_classes").set_value(["Water"]).run())
    args, _, message = map_of(at)
    standing = re.compile("map_[0-9a-f]{32}")
    assert standing.sub("", args["script"]) == standing.sub("", base) and message["features"] != features
    assert metrics(at)["Polygons"] == "1" and list(at.dataframe[0].value["class"]) == ["Water"]
    at.switch_page("pages/1_Explore.py").run()
    at = sound(at.switch_page(MAP).run())
    assert metrics(at)["Polygons"] == "1"
    assert at.multiselect(key="map_classes").value == ["Water"]


def test_settings_are_there_again_in_a_new_session_and_what_does_not_fit_is_not(opened, lake, workspace):
    at = opened(MAP)
    at.slider(key="map_smooth").set_value(2)
    at.slider(key="map_simplify").set_value(1.5)
    sound(at.multiselect(key="map_classes").set_value(["Water"]).run())
    again = opened(MAP)
    assert (again.slider(key="map_smooth").value, again.slider(key="map_simplify").value) == (2, 1.5)
    assert again.multiselect(key="map_classes").value == ["Water"] and "corners rounded, only Water" in text_of(again)
    stored = read_json(workspace.root / "recent.json")
    assert stored["forms"] == {"map_smooth": 2, "map_simplify": 1.5, "map_classes": ["Water"]}  # what nobody touched is not kept
    write_json(workspace.root / "recent.json", stored | {"forms": {"map_smooth": 99, "map_classes": ["Sea"], "map_area": "wide"}})
    other = opened(MAP)
    assert other.slider(key="map_smooth").value == 0 and other.multiselect(key="map_classes").value == []


def test_right_angles_and_centre_lines(opened, lake):
    from core.vector.vectorize import vectorize

    vectorize(lake, regularize=["Water"], centre_lines=["Water"])  # compiled by now: a page's run has a time limit in tests
    at = opened(MAP)
    at.multiselect(key="map_right_angles").set_value(["Water"])
    at = sound(at.multiselect(key="map_centre_lines").set_value(["Water"]).run())
    assert map_of(at)[2]["lines"] and "Centre lines" in text_of(at)
    # A rectangle of 40 x 50 px of 0.25 m2 keeps its four corners.
    assert classes_of(at)["Water"]["area"] == pytest.approx(500, rel=0.02)


def test_the_distance_to_a_class_is_a_choice_and_reaches_the_layer(opened, lake, monkeypatch):
    from core.vector import vectorize as layers

    drawn, made = layers.vectorize, []
    monkeypatch.setattr(layers, "vectorize", lambda *given, **how: made.append(drawn(*given, **how)) or made[-1])
    at = opened(MAP)
    assert at.selectbox(key="map_distance").value is None and "distance_m" not in made[-1].layer.frame
    at = sound(at.selectbox(key="map_distance").set_value("Water").run())
    # The land touches the lake; the lake has no other one to be far from.
    assert made[-1].layer.frame["distance_m"].fillna(-1).tolist() == [0.0, -1.0] and made[-1].layer.made["distance_to"] == "Water"
    assert not at.error


def test_single_classes_have_limits_of_their_own_and_take_thresholds_from_the_evaluation(opened, lake, workspace, monkeypatch):
    from core.vector import vectorize as layers

    drawn, asked = layers.vectorize, []
    monkeypatch.setattr(layers, "vectorize", lambda source, settings, **how: asked.append(settings) or drawn(source, settings, **how))
    at = opened(MAP)
    at.toggle(key="map_metres").set_value(True)
    at = sound(at.multiselect(key="map_limits").set_value(["Water", "Land"]).run())
    # Water as such classes are commonly mapped; of land nothing is known, so that it has the common area.
    assert asked[-1].min_areas == ("Water=20m2", "Land=4m2") and asked[-1].thresholds == ("Water=0", "Land=0")
    assert "own limits for Water, Land" in text_of(at) and metrics(at)["Polygons"] == "2"
    assert at.button(key="map_limits_best").disabled and "no evaluation" in at.button(key="map_limits_best").help
    at = sound(at.number_input(key="map_least_m2_Water").set_value(600).run())  # the lake has 500 m2
    assert metrics(at)["Polygons"] == "1" and classes_of(at).keys() == {"Land"}
    at = sound(at.number_input(key="map_least_m2_Water").set_value(20).run())

    evaluated(workspace.evaluations / "one", Prediction.open(lake).card_name)
    evaluated(workspace.evaluations / "other", "another model")
    at = sound(sound(at.run()).button(key="map_limits_best").click().run())
    assert asked[-1].thresholds == ("Water=0.59", "Land=0.2") and at.slider(key="map_sure_Water").value == 59
    at = sound(at.multiselect(key="map_limits").set_value([]).run())
    assert asked[-1] == replace(VectorSettings(min_area="4m2", simplify="1m"), pixel_size_m=asked[-1].pixel_size_m)


def evaluated(folder, model):
    """An evaluation of a model: water is surer than 150 of 255 where it is right, and land than 50."""
    histogram = np.zeros((len(DUBAI), 2, 256), np.int64)
    for name, byte in (("Water", 150), ("Land", 50)):
        histogram[DUBAI.names.index(name), 0, byte] = histogram[DUBAI.names.index(name), 1, byte + 60] = 100
    ones = np.ones(len(DUBAI), np.int64)
    square, rim = np.ones((len(DUBAI), len(DUBAI)), np.int64), np.ones((len(DUBAI), 2), np.int64)
    scene = SceneResult("a", "a", 8, 8, Confusion(square), ones, rim, square, ones)
    folder.mkdir(parents=True)
    kept = Evaluation(DUBAI, (scene,), "test", histogram, np.ones((2, 256), np.int64), model, "d", "group")
    write_json(folder / EVALUATION_FILE, kept.to_dict())


def test_nothing_left_is_said_plainly(opened, lake):
    at = opened(MAP)
    at = sound(at.multiselect(key="map_classes").set_value(["Road"]).run())
    assert "No polygon is left" in at.warning[0].value
    # The map stays, says so, and shows polygons again where there are some.
    _, _, message = map_of(at)
    assert message["classes"] == [] and "No polygon is left" in message["note"]
    at = sound(at.multiselect(key="map_classes").set_value([]).run())
    assert len(map_of(at)[2]["classes"]) == 2 and not at.warning


def test_own_layers_are_drawn_over_the_map_and_taken_away(opened, lake, workspace):
    """A parcel inside the scene, and one that is not there: the first is drawn, the other is told."""
    parcel = shapely.box(325010, 2785970, 325030, 2785990)
    pyogrio.raw.write(
        workspace.root / "parcels.gpkg",
        geometry=[shapely.to_wkb(parcel)],
        field_data=[],
        fields=[],
        crs="EPSG:32640",
        geometry_type="Polygon",
    )
    at = opened(MAP)
    at = sound(at.text_input(key="map_overlay_path").set_value(str(workspace.root / "parcels.gpkg")).run())
    at = sound(at.button(key="map_overlay_add").click().run())
    (drawn_now,) = map_of(at)[2]["overlays"]
    assert drawn_now["name"] == "parcels" and "1 of 1" in text_of(at)
    at = at.text_input(key="map_overlay_path").set_value(str(workspace.root / "other.gpkg")).run()
    at = at.button(key="map_overlay_add").click().run()
    assert "No file" in at.error[0].value and len(map_of(at)[2]["overlays"]) == 1
    (away,) = (button for button in at.button if str(button.key).startswith("map_overlay_off"))
    assert map_of(sound(away.click().run()))[2]["overlays"] == []


def test_without_coordinates_the_map_counts_pixels_until_the_scene_is_placed(opened, plain_lake, does):
    at = opened(MAP)
    _, config, message = map_of(at)
    assert message["units"] == "px" and config["pixelScale"] == 1
    disabled = [button for button in at.get("download_button") if button.proto.disabled]
    assert [button.proto.label for button in disabled] == ["KML"]  # KML needs coordinates
    assert metrics(at)["Area"] == "12,000 px" and "No coordinates" in text_of(at)
    (servers,) = (one for one in at.get("popover") if one.proto.popover.label == "Online layers")
    assert servers.proto.popover.disabled and "has none" in servers.proto.popover.help and message["online"] == []
    key = {widget.key for widget in at.number_input if widget.key.startswith("map_pixel_size")}.pop()
    at.number_input(key=key).set_value(0.5)
    at = sound(at.button(key="map_place").click().run())
    assert map_of(at)[2]["units"] == "m" and map_of(at)[2]["pixelSize"] == 0.5 and metrics(at)["Area"] == "3,000 m²"
    at.text_input(key=key.replace("pixel_size", "corner")).set_value("25.2, 55.3")
    at = sound(at.button(key="map_place").click().run())
    _, config, message = map_of(at)
    assert config["pixelScale"] is None and config["crs"] == "WGS 84 / UTM zone 40N"
    (south, west), (north, east) = config["bounds"]
    assert (north, west) == pytest.approx((25.2, 55.3), abs=2e-5) and south < north and west < east
    assert [picture["name"] for picture in config["pictures"]] == ["Scene", "Class raster"]
    assert metrics(at)["Area"] == "3,000 m²" and not [button for button in at.get("download_button") if button.proto.disabled]
    at = sound(at.button(key="map_unplace").click().run())
    assert metrics(at)["Area"] == "12,000 px"


def test_a_place_that_is_none_is_one_plain_line(opened, plain_lake):
    at = opened(MAP)
    key = {widget.key for widget in at.number_input if widget.key.startswith("map_pixel_size")}.pop()
    at = sound(at.button(key="map_place").click().run())
    assert "pixel size" in at.error[0].value
    at.number_input(key=key).set_value(0.5)
    at.text_input(key=key.replace("pixel_size", "corner")).set_value("somewhere")
    at = sound(at.button(key="map_place").click().run())
    assert "somewhere" in at.error[0].value and map_of(at)[2]["units"] == "px"


@pytest.fixture
def world_filed_lake(tmp_path, workspace):
    """The scene as a PNG with a world file: 0.5 m pixels whose corner lies at 652000, 6862000."""
    Image.fromarray(lake_picture()).save(tmp_path / "lake.png")
    (tmp_path / "lake.pgw").write_text("0.5\n0\n0\n-0.5\n652000.25\n6861999.75\n")
    return predicted(tmp_path / "lake.png", workspace.predictions / "lake", blur_px=1)


def test_a_scene_whose_file_names_no_crs_counts_pixels_until_it_is_named(opened, world_filed_lake, does):
    at = sound(opened(MAP))
    _, config, _ = map_of(at)
    assert config["pixelScale"] is not None and metrics(at)["Area"].endswith("px")
    assert "names the CRS of its coordinates" in text_of(at) and "652,000, 6,862,000" in text_of(at)
    key = next(widget.key for widget in at.text_input if widget.key.startswith("map_crs_of_"))
    at.text_input(key=key).set_value("EPSG:4326")
    at = sound(at.button(key="map_name_crs").click().run())
    assert "coordinates that this CRS holds" in at.error[0].value
    at.text_input(key=key).set_value("EPSG:2154")
    at = sound(at.button(key="map_name_crs").click().run())
    _, config, message = map_of(at)
    assert config["pixelScale"] is None and "Lambert" in config["crs"] and message["units"] == "m"
    assert config["bounds"][0] == pytest.approx([48.855, 2.346], abs=2e-3)
    at = sound(at.button(key="map_unname_crs").click().run())
    assert metrics(at)["Area"].endswith("px")


def test_a_scene_in_a_local_crs_is_drawn_in_pixels_and_measured_in_metres(opened, tmp_path, workspace, does):
    local = 'LOCAL_CS["site",UNIT["metre",1],AXIS["Easting",EAST],AXIS["Northing",NORTH]]'
    place = {"crs": local, "transform": Affine(0.5, 0, 10, 0, -0.5, 50)}
    with rasterio.open(tmp_path / "lake.tif", "w", driver="GTiff", height=100, width=120, count=3, dtype="uint8", **place) as out:
        out.write(lake_picture().transpose(2, 0, 1))
    predicted(tmp_path / "lake.tif", workspace.predictions / "lake", blur_px=1)
    does(region=((40.0, -30.0), (90.0, -30.0), (90.0, -50.0), (40.0, -50.0)))
    at = sound(opened(MAP))
    _, config, message = map_of(at)
    assert config["pixelScale"] is not None and (message["units"], message["pixelSize"]) == ("m", 0.5)
    assert metrics(at)["Area"] == "3,000 m²"
    assert "areas and files are in the metres of the CRS" in text_of(at)
    assert "1 polygons, 250 m²" in text_of(at)  # half of the lake
    disabled = {button.label: button.proto.disabled for button in at.get("download_button")}
    assert disabled["GeoJSON"] and disabled["KML"] and disabled["Web map"] and not disabled["GeoPackage"]


def test_large_rasters_wait_for_the_button(opened, lake, monkeypatch):
    monkeypatch.setattr(tracing, "LIVE_PX", 100)
    at = opened(MAP)
    assert "Trace polygons" in at.info[0].value and not at.get("component_instance")
    at = sound(at.button(key="map_trace").click().run())
    assert at.get("component_instance")


def test_a_class_raster_by_its_path(opened, tmp_path):
    ids = np.zeros((50, 40), np.uint8)
    ids[10:20, 5:15] = 1
    with rasterio.open(tmp_path / "cover.tif", "w", driver="GTiff", height=50, width=40, count=1, dtype="uint8") as out:
        out.write(ids, 1)
    at = opened(MAP)
    at.text_input(key="map_path").set_value(str(tmp_path / "cover.tif"))
    at = sound(at.button(key="map_open").click().run())
    assert not at.error and metrics(at)["Polygons"] == "2"
    assert at.slider(key="map_threshold").disabled


def test_a_path_to_nothing_is_one_plain_line(opened):
    at = opened(MAP)
    at.text_input(key="map_path").set_value("/nowhere/cover.tif")
    at = sound(at.button(key="map_open").click().run())
    assert len(at.error) == 1 and "\n" not in at.error[0].value and "/nowhere/cover.tif" in at.error[0].value


def test_online_maps_are_tried_by_the_browser_and_only_when_asked_for(opened, lake):
    at = opened(MAP)
    assert map_of(at)[1]["online"] == []
    at = sound(at.toggle(key="map_online").set_value(True).run())
    assert [entry["name"] for entry in map_of(at)[1]["online"]] == [entry["name"] for entry in drawing.ONLINE]


def test_a_typed_map_server_is_offered_kept_for_good_and_taken_away(opened, lake, monkeypatch):
    at = opened(MAP)
    begun = map_of(at)[0]["key"]

    def typed(at, kind, **values):
        at = sound(at.segmented_control(key="map_service_kind").set_value(kind).run())
        for name, value in values.items():
            at.text_input(key=f"map_service_{name}").set_value(value)
        return at.button(key="map_service_add").click().run()

    at = typed(at, "xyz", address_xyz="https://tiles.example.org/14/3/5.png")
    assert "without {z}, {x}, {y}" in at.error[0].value and map_of(at)[2]["online"] == []
    at = sound(typed(at, "wms", address_wms="https://Maps.example.org/wms?key=1", layers="a, b", name="City", attribution="<b>City</b>"))
    (city,) = map_of(at)[2]["online"]
    told = {"styles": "", "layers": "a,b", "format": "image/png", "transparent": "true", "version": "1.3.0"}
    assert city | {"url": "https://Maps.example.org/wms?key=1", "wms": told, "base": True, "shown": True, "name": "City"} == city
    assert map_of(at)[0]["key"] != begun  # another server: a frame of its own, whose headers know it
    later = opened(MAP)
    assert map_of(later)[2]["online"] == [city | {"shown": False}]  # asked for nothing before it is switched on
    monkeypatch.setenv("GROUNDLINE_READ_ONLY", "1")
    assert later.run().button(key="map_service_add").disabled
    monkeypatch.delenv("GROUNDLINE_READ_ONLY")
    later.run()
    (away,) = (button for button in later.button if str(button.key).startswith("map_service_off"))
    later = sound(away.click().run())
    assert map_of(later)[2]["online"] == [] and map_of(later)[0]["key"] == begun


def test_maps_begin_in_natural_colours_and_what_was_chosen_is_remembered_for_good(opened, lake, chooses):
    at = opened(MAP)
    assert classes_of(at)["Water"] | {"colour": "#2172BF", "edge": "#2172BF"} == classes_of(at)["Water"]
    at = chooses(at, name="Water", colour="#112233")
    assert classes_of(at)["Water"]["colour"] == "#112233" and map_of(at)[2]["colouring"]["own"] == ["Water"]
    at = chooses(at, how="masks")
    later = opened(MAP)
    assert map_of(later)[2]["colouring"]["how"] == "masks" and later.segmented_control(key="settings_colours").value == "masks"
    assert classes_of(later)["Water"]["colour"] == "#112233"
    later = chooses(later, uncoloured=["Water"])
    water = DUBAI.names.index("Water")
    assert classes_of(later)["Water"]["colour"] == DUBAI.hex(water) and map_of(later)[2]["colouring"]["own"] == []


def test_the_safe_palette_colours_map_tiles_and_files(opened, lake, chooses):
    at = opened(MAP)
    _, started, told = map_of(at)
    at = chooses(at, how="safe")
    assert classes_of(at)["Water"]["colour"] == "#0072B2" and map_of(at)[2]["classTiles"] != told["classTiles"]
    assert map_of(at)[1] == started  # the map is not built anew, and so nothing jumps
    at = sound(at.switch_page("pages/4_Predict.py").run())
    at = sound(at.switch_page(MAP).run())
    assert classes_of(at)["Water"]["colour"] == "#0072B2"  # the setting outlives a change of page


def test_classes_are_renamed_and_ordered_for_a_map_and_files_follow(opened, lake, chooses, asks, monkeypatch):
    at = opened(MAP)
    began, names = map_of(at)[2], [item["name"] for item in map_of(at)[2]["classes"]]
    assert names == ["Land", "Water"] and began["naming"] | {"mayChange": True, "changed": False, "answer": None} == began["naming"]
    at = chooses(at, name="Water", called="  Lake   and <b>sea</b> ")
    told = map_of(at)[2]
    lakes = classes_of(at)["Lake and <b>sea</b>"]
    assert (lakes["key"], lakes["colour"]) == ("Water", "#2172BF") and (told["features"], told["layer"]) == (
        began["features"],
        began["layer"],
    )
    assert list(at.dataframe[0].value["class"]) == ["Land", "Lake and <b>sea</b>"]
    assert "Lake and <b>sea</b>" in [item["name"] for item in told["editing"]["classes"]]
    file = downloads.exporter(lambda: at.session_state[downloads._SEEN].layer, "lake.csv")()
    assert b"Lake and <b>sea</b>" in file and b"Water" not in file
    at = chooses(at, name="Water", colour="#112233")
    assert classes_of(at)["Lake and <b>sea</b>"]["colour"] == "#112233"
    for words, why in (("land", "another class"), (" ", "no name"), ("x" * 81, "1 to 80 letters"), ("a\u202eb", "1 to 80 letters")):
        at = chooses(at, name="Water", called=words)
        assert why in map_of(at)[2]["naming"]["answer"]["refused"] and "Lake and <b>sea</b>" in classes_of(at)
    at = chooses(at, order=["Water", "Land"])
    later = opened(MAP)
    assert [item["key"] for item in map_of(later)[2]["classes"]] == ["Water", "Land"] and "Lake and <b>sea</b>" in classes_of(later)
    later, told = asks(later, "reclass", ids=[1], **{"class": DUBAI.names.index("Water")})
    assert told["undo"] == "polygon 1 to Lake and <b>sea</b>"
    later, _ = asks(later, "undo")
    monkeypatch.setenv("GROUNDLINE_READ_ONLY", "1")
    later = chooses(later, unnamed=True)
    assert "only shows" in map_of(later)[2]["naming"]["answer"]["refused"] and "Lake and <b>sea</b>" in classes_of(later)
    monkeypatch.delenv("GROUNDLINE_READ_ONLY")
    later = chooses(later, unnamed=True)
    assert [item["name"] for item in map_of(later)[2]["classes"]] == names and not map_of(later)[2]["naming"]["changed"]


def test_a_layer_is_kept_to_be_served_and_shows_its_address_while_a_server_runs(opened, lake, workspace):
    at = opened(MAP)
    command = f"python start.py core serve {workspace.root}"
    assert command in [code.value for code in at.code] and served_at(workspace) is None
    told = "Kept as the map showed it on "
    assert not any(words.value.startswith(told) for words in at.caption)
    at = sound(at.button(key="map_by_url_keep").click().run())
    assert any(words.value.startswith(told) for words in at.caption)
    (file,) = kept_folder(workspace, lake).glob("*.gpkg")
    assert pyogrio.read_info(file, layer="polygons")["features"] == len(map_of(at)[2]["classes"]) == 2
    with noted(workspace, "http://127.0.0.1:8600"):
        at = sound(at.run())
        shown = [code.value for code in at.code]
        offers = offers_of(workspace, lake)
        assert [one.title for one in offers] == ["lake: classes", "lake: picture", "lake: polygons"] and command not in shown
        where = [f"http://127.0.0.1:8600/collections/{one.id}" for one in offers]
        grid = "/tiles/WebMercatorQuad/{z}/{y}/{x}?f=png"
        assert [code for code in shown if ":8600/" in code] == [where[0] + grid, where[1] + grid, where[2]]
    assert command in [code.value for code in sound(at.run()).code]


def test_a_scene_without_a_place_has_no_address(opened, plain_lake):
    button = opened(MAP).button(key="map_by_url_keep")
    assert button.disabled and button.help.startswith("This scene has no place on the earth")


def test_the_folder_for_a_client_holds_what_the_map_shows(opened, lake, chooses, monkeypatch):
    monkeypatch.setattr(jobs, "_launch", lambda folder, resume: None)
    at = opened(MAP)
    at = chooses(at, name="Water", called="Sea")
    at = chooses(at, name="Water", colour="#112233")
    at = chooses(at, order=["Water", "Land"])
    at.text_input(key="map_handover_owner").set_value(" © Somebody ")
    at.toggle(key="map_handover_picture").set_value(True)
    at = sound(at.button(key="map_handover_make").click().run())
    (job,) = jobs.list_jobs(Workspace(lake.parent.parent), kinds=("handover",))
    assert at.button(key="map_handover_make").disabled  # while it is at work
    answer = registry.run("handover", job.request)
    records.write_patiently(job.folder / records.RESULT, answer)
    records.write_patiently(job.folder / records.STATUS, records.blank_status("finished") | {"finished": time.time()})
    out = Path(answer["folder"])
    frame = pyogrio.read_dataframe(out / "polygons.gpkg", layer="polygons")
    assert set(frame["class_name"]) == {"Land", "Sea"} and (out / "scene.tif").exists()
    with zipfile.ZipFile(out / "project.qgz") as archive:
        project = archive.read("project.qgs").decode("utf-8")
    # In the order and the colours of the page's legend.
    assert re.findall(r'<category [^>]*label="([^"]+)"', project) == ["Sea", "Land"] and 'value="17,34,51,255"' in project
    assert "© Somebody. Made by" in project and "© Somebody" in (out / "map.html").read_text("utf-8")
    at = opened(MAP)
    links = [link.proto for link in at.get("link_button") if "Download the folder" in link.proto.label]
    shown = tiles.find(links[0].url.rpartition("/")[2], tiles.Download)
    assert shown.path == Path(answer["zip"]) and shown.name.startswith("lake") and shown.name.endswith(".zip")


ROAD, VEGETATION = DUBAI.names.index("Road"), DUBAI.names.index("Vegetation")


def test_a_polygon_is_corrected_undone_and_burnt_into_labels(opened, lake, asks, workspace):
    at = opened(MAP)
    told = map_of(at)[2]["editing"]
    assert (told["undo"], told["redo"], told["mayChange"], told["answer"]) == ("", "", True, None)
    assert [item["name"] for item in told["classes"]] == list(DUBAI.names) and told["classes"][VEGETATION]["id"] == VEGETATION
    at, told = asks(at, "reclass", ids=[2], **{"class": VEGETATION})  # the second polygon of the layer is the lake
    assert set(classes_of(at)) == {"Land", "Vegetation"} and metrics(at)["Polygons"] == "2"
    assert told["answer"] == {"n": 1, "refused": "", "said": "Polygon 2 to Vegetation."} and told["undo"] == "polygon 2 to Vegetation"
    at = sound(at.run())  # what was asked for once is done once
    assert "1 correction**" in text_of(at)
    at = sound(at.button(key="map_labels").click().run())
    assert not at.error
    pair = open_dataset(workspace.labels / "lake-corrected")
    ids = pair.pairs[0].labels(pair.scheme)
    assert len(pair.pairs) == 1 and (ids[30:70, 40:90] == VEGETATION).mean() > 0.99
    at, told = asks(at, "undo")
    assert set(classes_of(at)) == {"Land", "Water"} and (told["undo"], told["redo"]) == ("", "polygon 2 to Vegetation")
    assert told["answer"]["said"] == "Taken back: polygon 2 to Vegetation."
    at, told = asks(at, "redo")
    assert set(classes_of(at)) == {"Land", "Vegetation"} and told["redo"] == ""
    at, _ = asks(at, "undo")
    at, _ = asks(at, "delete", ids=[2], fill="merge")
    assert set(classes_of(at)) == {"Land"} and metrics(at)["Polygons"] == "1"
    assert metrics(at)["Area"] == "3,000 m²"  # the land took the lake's place
    # Other outlines are another layer, whose corrections are its own: where those are is said beside the map.
    at = sound(at.slider(key="map_smooth").set_value(1).run())
    assert set(classes_of(at)) == {"Land", "Water"}
    assert map_of(at)[2]["note"] == "1 correction belongs to other outline settings and returns with them." and map_of(at)[2][
        "note"
    ] in text_of(at)
    at = sound(at.slider(key="map_smooth").set_value(0).run())
    assert set(classes_of(at)) == {"Land"} and map_of(at)[2]["note"] == ""


def test_outlines_are_drawn_cut_merged_and_moved_and_many_polygons_changed_in_one_step(opened, lake, asks, workspace):
    at = opened(MAP)
    (south, west), (north, east) = map_of(at)[1]["bounds"]
    middle = (west + east) / 2
    off = 1e-4  # degrees that lie outside of the scene
    half = [[middle, south - off], [middle, north + off], [east + off, north + off], [east + off, south - off]]
    at, _ = asks(at, "draw", rings=[half], **{"class": ROAD})
    areas = {name: item["area"] for name, item in classes_of(at).items()}
    # The right half of 100 x 120 px of 0.25 m2, and the left 20 of the lake's 50 columns.
    assert areas["Road"] == pytest.approx(1500, rel=0.01) and areas["Water"] == pytest.approx(40 * 20 * 0.25, rel=0.02)
    at, _ = asks(at, "split", ids=[3], line=[[west - off, (south + north) / 2], [east + off, (south + north) / 2]])
    assert classes_of(at)["Road"]["count"] == 2
    at, told = asks(at, "reclass", ids=[2, 3, 4], **{"class": VEGETATION})
    assert {name: item["count"] for name, item in classes_of(at).items()} == {"Land": 1, "Vegetation": 3}
    assert told["undo"] == "3 polygons to Vegetation"  # one step for all of them
    at, _ = asks(at, "merge", ids=[3, 4])
    assert classes_of(at)["Vegetation"]["count"] == 2
    before = features_of(at)
    rings = before[2]["coordinates"]
    rings[0][0] = [rings[0][0][0] + 1e-6, rings[0][0][1] + 1e-6]
    at, told = asks(at, "reshape", ids=[2], rings=[ring[:-1] for ring in rings])
    assert told["answer"]["refused"] == "" and features_of(at)[2] != before[2]
    for _ in range(5):
        at, told = asks(at, "undo")
    assert {name: item["area"] for name, item in classes_of(at).items()} == pytest.approx({"Land": 2500, "Water": 500}, rel=2e-3)
    assert told["undo"] == "" and told["redo"] == "Road drawn"


def features_of(at):
    """The geometries that the map fetches, by id."""
    made = tiles.find(map_of(at)[2]["features"].rsplit("/", 1)[1], tiles.Features)
    found = json.loads(gzip.decompress(made.gzipped))["features"]
    return {feature["properties"]["id"]: feature["geometry"] for feature in found}


def test_a_region_is_cut_counted_and_summed(opened, lake, does, monkeypatch):
    kept = map_page.keep
    monkeypatch.setattr(map_page, "keep", lambda *given, **how: (st.progress(0.5), kept(*given, **how))[1])
    at = opened(MAP)
    # The right half of the scene: 100 x 60 px of 0.25 m2, in which 30 columns of the lake lie.
    (south, west), (north, east) = map_of(at)[1]["bounds"]
    middle = (west + east) / 2
    does(region=((middle, south - 1), (middle, north + 1), (east + 1, north + 1), (east + 1, south - 1)))
    at = sound(at.run())
    shown = next(table for table in at.dataframe if table.value["area"].sum() < 2000)
    heads, inside = json.loads(shown.proto.columns), shown.value
    assert [heads[name]["label"] for name in ("class", "area", "mean confidence")] == ["Class", "Area, m²", "Mean confidence"]
    areas = dict(zip(inside["class"], inside["area"], strict=True))
    assert areas["Water"] == pytest.approx(40 * 30 * 0.25, rel=0.02) and sum(areas.values()) == pytest.approx(1500, rel=0.01)
    # What takes its time says so below the map, which stays where it is, and so is not built anew.
    drawn = [part.type for part in at.main]
    assert drawn.index("component_instance") < drawn.index("progress")
    assert "2 polygons" in text_of(at) and map_of(at)[2]["note"].startswith("In the region: 2 polygons, 1,500 m²")


@pytest.mark.parametrize(
    ("kind", "what", "words"),
    [
        ("draw", {"rings": [[[0, 0], [0, 1], [1, 1], [1, 0]]], "class": ROAD}, "lies outside the scene"),
        ("split", {"ids": [2], "line": [[0, 0], [1, 1]]}, "does not cut polygon 2"),
        ("merge", {"ids": [2]}, "one polygon to merge"),
        ("reclass", {"ids": [99], "class": ROAD}, "not in the layer"),
        ("reclass", {"ids": [2], "class": 77}, "that cannot be read"),
        ("reshape", {"ids": [99], "rings": [[[0, 0], [0, 1], [1, 1]]]}, "that cannot be read"),
        ("explode", {}, "of the kind 'explode'"),
        ("reclass", {"ids": [2], "class": ROAD, "on": "another state"}, "changed meanwhile"),
    ],
)
def test_a_correction_that_does_not_go_is_told_and_not_kept(opened, lake, asks, kind, what, words):
    at, told = asks(opened(MAP), kind, **what)
    assert words in told["answer"]["refused"] and told["undo"] == "" and not at.error
    assert set(classes_of(at)) == {"Land", "Water"}


def test_a_dashboard_that_only_shows_corrects_nothing(opened, lake, asks, monkeypatch):
    monkeypatch.setenv("GROUNDLINE_READ_ONLY", "1")
    at, told = asks(opened(MAP), "reclass", ids=[2], **{"class": ROAD})
    assert not told["mayChange"] and "only shows" in told["answer"]["refused"] and set(classes_of(at)) == {"Land", "Water"}


def test_two_predictions_side_by_side_and_what_changed(opened, lake, tmp_path, workspace, chooses):
    later = predicted(lake_scene(tmp_path / "later.tif", left=50), workspace.predictions / "later", blur_px=1)
    os.utime(later, (1, 1))  # the older one is compared with
    at = opened(MAP)
    compare = next(box for box in at.selectbox if (box.key or "").startswith("map_compare"))
    at = sound(compare.select_index(1).run())
    _, config, message = map_of(at)
    assert len(config["titles"]) == 2 and {picture["map"] for picture in config["pictures"]} == {0, 1}
    assert {item["name"] for item in message["second"]["classes"]} == {"Land", "Water"} and not message["second"]["changes"]
    # The lake moved by 10 columns: 40 x 10 px of 0.25 m2 on either side.
    assert metrics(at)["Changed"] == "200 m²" and metrics(at)["Share changed"] == "6.7 %"
    assert sorted(zip(at.dataframe[0].value["from_class"], at.dataframe[0].value["to_class"], strict=True)) == [
        ("Land", "Water"),
        ("Water", "Land"),
    ]
    at = sound(at.button_group(key="map_right").set_value("change").run())
    changes = map_of(at)[2]["second"]
    assert changes["changes"] and [item["area"] for item in changes["classes"]] == pytest.approx([100, 100], rel=0.05)
    # What the first map's classes are called counts for both, and for what changed.
    at = sound(next(box for box in at.selectbox if (box.key or "").startswith("map_compare")).select_index(0).run())
    at = chooses(at, name="Water", called="Lake")
    at = sound(next(box for box in at.selectbox if (box.key or "").startswith("map_compare")).select_index(1).run())
    assert set(classes_of(at)) == {"Land", "Lake"}
    assert [item["name"] for item in map_of(at)[2]["second"]["classes"]] == ["Land → Lake", "Lake → Land"]
    assert set(at.dataframe[0].value["from_class"]) == {"Land", "Lake"} and {"Lake"} == {*at.dataframe[1].value.index} - {*DUBAI.names}
    at = sound(at.button_group(key="map_right").set_value("second").run())
    assert {item["name"] for item in map_of(at)[2]["second"]["classes"]} == {"Land", "Lake"}


def test_only_what_can_be_compared_is_offered(opened, lake, tmp_path, workspace):
    def offered(folder):
        at = opened(MAP)
        shown = next(box for box in at.selectbox if box.label == "Prediction")
        at = sound(shown.set_value(folder).run())
        box = next(box for box in at.selectbox if (box.key or "").startswith("map_compare"))
        return [option.split(" ")[0] for option in box.options], box.help

    Image.fromarray(lake_picture()).save(tmp_path / "plain.png")
    predicted(tmp_path / "plain.png", workspace.predictions / "plain", blur_px=1)
    predicted(lake_scene(tmp_path / "far.tif", corner=(425000, 2786000)), workspace.predictions / "far", blur_px=1)
    # One has no coordinates, and the other lies 100 km away.
    options, words = offered(lake)
    assert options == ["Nothing"] and "None of the other" in words
    predicted(lake_scene(tmp_path / "beside.tif", corner=(325050, 2786000)), workspace.predictions / "beside", blur_px=1)
    assert offered(lake)[0] == ["Nothing", "beside"]  # a sixth of its ground is the lake's
    assert offered(workspace.predictions / "plain")[0] == ["Nothing"]
    # Areas are compared on that sixth, 500 of 3,000 m2: what only one of both shows has not changed.
    at = sound(next(box for box in opened(MAP).selectbox if box.label == "Prediction").set_value(lake).run())
    at = sound(next(box for box in at.selectbox if (box.key or "").startswith("map_compare")).select_index(1).run())
    message = map_of(at)[2]
    sums = [sum(item["area"] for item in classes) for classes in (message["classes"], message["second"]["classes"])]
    assert sums == pytest.approx([500, 500]) and "ground that both show" in message["note"]


@pytest.fixture(scope="module")
def small_layer(tmp_path_factory):
    """The lake's layer and its source, for the downloads."""
    from ui.map import sources

    folder = tmp_path_factory.mktemp("downloads")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDLINE_WORKSPACE", str(folder / "workspace"))
        made = predicted(lake_scene(folder / "lake.tif"), folder / "workspace" / "predictions" / "lake", blur_px=1)
        source = sources.open_source(made)
        yield source, tracing._trace(source, VectorSettings(), lambda *_: None).layer


@pytest.mark.parametrize("suffix", downloads.suffixes())
def test_each_download_is_made_when_it_is_pressed(small_layer, tmp_path, suffix):
    source, layer = small_layer
    content = downloads.exporter(lambda: layer, f"lake{suffix}", source=source)()
    path = tmp_path / f"lake{suffix}"
    path.write_bytes(content)
    if suffix.endswith(".html"):
        assert b"<html" in content[:500].lower() and b"Water" in content
    elif suffix in (".png", ".pdf", ".qml"):
        assert content.startswith({".png": b"\x89PNG", ".pdf": b"%PDF", ".qml": b"<!DOCTYPE qgis"}[suffix])
    elif suffix == ".csv":
        assert len(content.decode("utf-8-sig").strip().splitlines()) == 3
    elif suffix == ".parquet":
        import geopandas

        assert len(geopandas.read_parquet(path)) == 2
    else:
        read_from = f"/vsizip/{path}" if suffix == ".shp.zip" else str(path)
        layers = [name for name, geometry in pyogrio.list_layers(read_from) if geometry is not None]  # a GeoPackage holds styles too
        found = sum(pyogrio.read_info(read_from, layer=name, force_feature_count=True)["features"] for name in layers)
        assert found >= 2 if suffix == ".dxf" else found == 2


def test_a_download_holds_the_part_and_the_coordinates_that_were_chosen(small_layer, tmp_path):
    source, layer = small_layer
    told = drawing.Told(filter=Filter(hidden=(DUBAI.names.index("Land"),)))
    (tmp_path / "part.gpkg").write_bytes(
        downloads.exporter(lambda: downloads.part_of(layer, told, "filter"), "part.gpkg", crs="EPSG:3857", source=source)()
    )
    name = next(name for name, geometry in pyogrio.list_layers(tmp_path / "part.gpkg") if geometry is not None)
    frame = pyogrio.read_dataframe(tmp_path / "part.gpkg", layer=name)
    assert list(frame["class_name"]) == ["Water"] and frame.crs.to_epsg() == 3857
    corners = shapely.box(*layer.frame.to_crs(4326).total_bounds).centroid
    west = drawing.Told(region=((corners.x - 1, 20), (corners.x, 20), (corners.x, 30), (corners.x - 1, 30)))
    part = downloads.part_of(layer, west, "region")
    assert part.frame["area_m2"].sum() == pytest.approx(1500, rel=0.01)


def test_a_download_pressed_while_the_page_computes_holds_what_it_shows_then(small_layer, monkeypatch):
    monkeypatch.setattr(downloads, "GRACE_S", 0)
    now, (_, layer) = downloads.Seen(), small_layer
    now.layer = layer
    with ThreadPoolExecutor(1) as pool:
        with now.being_drawn():
            pressed = pool.submit(now.part, "filter")
            with pytest.raises(TimeoutError):
                pressed.result(timeout=0.2)
            now.told = drawing.Told(filter=Filter(hidden=(DUBAI.names.index("Land"),)))
        assert list(pressed.result().frame["class_name"]) == ["Water"]
    with pytest.raises(ExportError, match="no polygon"):
        now.part("selected")


def test_files_are_named_by_scene_part_and_day_and_an_empty_part_says_so(opened, lake, does, monkeypatch):
    names, made = [], downloads.exporter
    monkeypatch.setattr(downloads, "exporter", lambda part, name, **how: names.append(name) or made(part, name, **how))
    does(selected=(2,), filter=Filter(area_from=1e9))
    at = opened(MAP)
    today = time.strftime("%Y-%m-%d")
    assert set(names) == {f"lake-nearest-colour_all_{today}{suffix}" for suffix in downloads.suffixes()}
    names.clear()
    at = sound(at.segmented_control(key="map_part_all_filter_selected").set_value("selected").run())
    assert f"lake-nearest-colour_selected_{today}.gpkg" in names and "1 polygon of 2 goes into the files" in text_of(at)
    at = sound(at.segmented_control(key="map_part_all_filter_selected").set_value("filter").run())
    assert f"lake-nearest-colour_filtered_{today}.gpkg" in names and "nothing to take home" in text_of(at)
    assert all(button.proto.disabled for button in at.get("download_button"))


def test_a_prediction_whose_scene_is_gone_is_still_mapped(opened, lake):
    made = json.loads((lake / "prediction.json").read_text())
    Path(made["scene"]).unlink()
    at = opened(MAP)
    assert [picture["name"] for picture in map_of(at)[1]["pictures"]] == ["Class raster"]
    assert DUBAI.names[4] in list(at.dataframe[0].value["class"])


def test_a_layer_goes_into_postgis_only_when_asked_and_the_password_is_kept_nowhere(opened, lake, postgres, monkeypatch, workspace):
    at = opened(MAP)
    assert "map_postgis_write" not in keys_of(at)  # folded
    at.session_state["map_postgis"] = True
    at = sound(at.run())
    entered = {"host": "127.0.0.1", "port": str(postgres.port), "database": "gis", "user": USER, "password_0": "wrong"}
    for name, value in entered.items():
        at.text_input(key=f"map_postgis_{name}").input(value)
    at = sound(at.button(key="map_postgis_write").click().run())
    assert [error.value for error in at.error if "password authentication failed" in error.value] and "wrong" not in text_of(at)
    at.text_input(key="map_postgis_password_0").input(PASSWORD)
    at = sound(at.button(key="map_postgis_write").click().run())
    assert not at.error and [said.value for said in at.success] == ["2 polygons in public.lake_nearest_colour, read again."]
    assert postgres.ask("SELECT class_name, round(area_m2) FROM lake_nearest_colour ORDER BY id") == [("Land", 2500), ("Water", 500)]
    # What was entered is there for the next table, the password is not: in no field, file, link or word of the page.
    assert at.text_input(key="map_postgis_host").value == "127.0.0.1" and at.text_input(key="map_postgis_password_1").value == ""
    assert PASSWORD not in repr(at.session_state) and "127.0.0.1" in repr(at.session_state)
    assert not [file for file in workspace.root.rglob("*") if file.is_file() and PASSWORD.encode() in file.read_bytes()]
    assert PASSWORD not in str(at.query_params) + text_of(at)
    # The same name again, with and without leave.
    at.text_input(key="map_postgis_password_1").input(PASSWORD)
    at = sound(at.button(key="map_postgis_write").click().run())
    assert "public.lake_nearest_colour is there already" in at.error[0].value.replace("\\", "")
    at = sound(at.toggle(key="map_postgis_overwrite").set_value(True).run())
    at = sound(at.button(key="map_postgis_write").click().run())
    assert not at.error and at.success
    # Nobody on the network has this machine connect for them.
    monkeypatch.setattr("ui.map.database.shared", lambda: True)
    at = sound(at.run())
    assert "map_postgis_write" not in keys_of(at) and "this machine would connect to databases for them" in text_of(at)
