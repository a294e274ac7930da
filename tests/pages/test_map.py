import json
import os
import re
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
from affine import Affine
from PIL import Image

from core.classes import DUBAI
from tests.pages.conftest import keys_of, sound, text_of
from tests.ui.fakes import predicted
from ui import map_view
from ui.finished_layers import Settings, find

MAP = "pages/4_Map.py"
SAND, SEA = (200, 178, 150), (40, 82, 95)


def lake_picture():
    """100 x 120 pixels of sand with a lake of 40 x 50."""
    picture = np.full((100, 120, 3), SAND, np.uint8)
    picture[30:70, 40:90] = SEA
    return picture


@pytest.fixture
def lake(tmp_path, workspace):
    """A predicted scene with coordinates, 0.5 m pixels."""
    path = tmp_path / "lake.tif"
    place = {"crs": "EPSG:32640", "transform": Affine(0.5, 0, 325000, 0, -0.5, 2786000)}
    with rasterio.open(path, "w", driver="GTiff", height=100, width=120, count=3, dtype="uint8", **place) as out:
        out.write(lake_picture().transpose(2, 0, 1))
    return predicted(path, workspace.predictions / "lake", blur_px=1)


@pytest.fixture
def plain_lake(tmp_path, workspace):
    """The same scene as a PNG without coordinates."""
    Image.fromarray(lake_picture()).save(tmp_path / "lake.png")
    return predicted(tmp_path / "lake.png", workspace.predictions / "lake", blur_px=1)


def metrics(at):
    return {metric.label: metric.value for metric in at.metric}


def map_script(at):
    args = json.loads(at.get("component_instance")[0].proto.json_args)
    return args, json.loads(re.search(r"groundlineMap\(\w+, (\{.*\})\);", args["script"], re.DOTALL).group(1))


def test_empty_page_offers_the_sample(opened):
    at = opened(MAP)
    assert "Nothing to map yet" in text_of(at)
    assert "try_sample" in keys_of(at)


def test_a_prediction_is_traced_and_mapped_at_once(opened, lake):
    at = opened(MAP)
    args, config = map_script(at)
    assert not at.error
    assert all(link.startswith("../../app/static/") for link in args["js_links"] + args["css_links"])
    assert [item["name"] for item in config["classes"]] == ["Land", "Water"]
    # The whole scene is 100 * 120 px of 0.25 m2 = 3000 m2.
    assert sum(item["area"] for item in config["classes"]) == pytest.approx(3000, rel=2e-3)
    assert [picture["name"] for picture in config["pictures"]] == ["Scene", "Class raster"]
    assert metrics(at)["Geometry"] == "Clean" and metrics(at)["Polygons"] == "2"
    table = at.dataframe[0].value
    assert list(table["class"]) == ["Land", "Water"] and table["area"].sum() == pytest.approx(3000, rel=2e-3)
    labels = [button.proto.label for button in at.get("download_button")]
    assert len(labels) == 6


def test_a_layer_that_a_job_has_traced_is_read_and_not_traced_again(opened, lake, finished, workspace, monkeypatch):
    from core.vector import layers
    from core.vector.export import export

    result = layers.vectorize(lake)
    path = export(result.layer, workspace.layers / "lake.gpkg")
    measured = {"seconds": 4.2, "invalid": 0, "gap_area": 0.0, "overlap_area": 0.0}
    finished("vectorize", {"prediction": lake}, measured | {"files": [{"path": str(path), "features": 2}]})
    monkeypatch.setattr(layers, "vectorize", lambda *_, **__: pytest.fail("traced although the layer was there"))
    at = opened(MAP)
    assert metrics(at)["Traced in"] == "4.2 s" and metrics(at)["Polygons"] == "2" and metrics(at)["Geometry"] == "Clean"
    assert [item["name"] for item in map_script(at)[1]["classes"]] == ["Land", "Water"]


def test_a_layer_of_other_settings_or_of_an_older_prediction_is_not_taken(lake, finished, workspace):
    from core.vector.export import export
    from core.vector.layers import vectorize

    path = export(vectorize(lake, simplify="3px").layer, workspace.layers / "lake.gpkg")
    measured = {"seconds": 4.2, "invalid": 0, "gap_area": 0.0, "overlap_area": 0.0, "files": [{"path": str(path), "features": 2}]}
    finished("vectorize", {"prediction": lake, "simplify": "3px"}, measured)
    assert find(lake, Settings()) is None
    assert len(find(lake, Settings(simplify="3px")).layer.frame) == 2
    os.utime(path, (1, 1))
    assert find(lake, Settings(simplify="3px")) is None


def test_settings_take_effect_with_the_button_only(opened, lake):
    at = opened(MAP)
    at.multiselect(key="map_classes").set_value(["Water"])
    at.number_input(key="map_area").set_value(0)
    at = sound(at.button(key="map_trace").click().run())
    assert metrics(at)["Polygons"] == "1" and list(at.dataframe[0].value["class"]) == ["Water"]
    at.switch_page("pages/1_Explore.py").run()
    at = sound(at.switch_page(MAP).run())
    assert metrics(at)["Polygons"] == "1"
    assert at.multiselect(key="map_classes").value == ["Water"]


def test_nothing_left_is_said_plainly(opened, lake):
    at = opened(MAP)
    at.multiselect(key="map_classes").set_value(["Road"])
    at = sound(at.button(key="map_trace").click().run())
    assert "No polygon is left" in at.warning[0].value and not at.get("component_instance")


def test_without_coordinates_the_map_counts_pixels_until_a_pixel_size_is_given(opened, plain_lake):
    at = opened(MAP)
    _, config = map_script(at)
    assert config["units"] == "px" and config["pixelScale"] == 1
    assert [key for key in ("gpkg", "kml") if at.get_by_key(f"map_download_{key}").disabled] == ["kml"]  # KML needs coordinates
    assert metrics(at)["Area"] == "12,000 px"
    assert "no coordinates" in text_of(at)
    at.number_input(key="map_pixel_size").set_value(0.5)
    at = sound(at.button(key="map_trace").click().run())
    assert map_script(at)[1]["units"] == "m" and metrics(at)["Area"] == "3,000 m²"


def test_large_rasters_wait_for_the_button(opened, lake, monkeypatch):
    monkeypatch.setattr(map_view, "TRACE_AT_ONCE_PX", 100)
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


def test_online_maps_that_do_not_answer_are_said_and_left_out(opened, lake, monkeypatch):
    monkeypatch.setattr("ui.maps.online_maps_answer", lambda: False)
    at = opened(MAP)
    at = sound(at.toggle(key="map_online").set_value(True).run())
    assert "do not answer" in text_of(at)
    assert "openstreetmap" not in json.dumps(map_script(at)[1]).lower()


@pytest.mark.parametrize("suffix", list(map_view._DOWNLOADS))
def test_each_download_is_made_when_it_is_pressed(lake, tmp_path, suffix):
    from core.vector.layers import vectorize

    layer = vectorize(lake).layer
    content = map_view.exporter(layer, f"lake{suffix}")()
    path = tmp_path / f"lake{suffix}"
    path.write_bytes(content)
    if suffix == ".html":
        assert b"<html" in content[:500].lower() and b"Water" in content
    elif suffix == ".csv":
        assert len(content.decode("utf-8-sig").strip().splitlines()) == 3
    else:
        read_from = f"/vsizip/{path}" if suffix == ".shp.zip" else str(path)
        layers = [name for name, geometry in pyogrio.list_layers(read_from) if geometry is not None]  # a GeoPackage holds styles too
        assert sum(pyogrio.read_info(read_from, layer=name, force_feature_count=True)["features"] for name in layers) == 2


def test_areas_in_the_unit_a_person_would_use():
    assert map_view.area_text(12.4, "m") == "12 m²"
    assert map_view.area_text(25_000, "m") == "2.50 ha"
    assert map_view.area_text(2_500_000, "m") == "2.50 km²"
    assert map_view.area_text(1234, "px") == "1,234 px"


def test_a_prediction_whose_scene_is_gone_is_still_mapped(opened, lake):
    made = json.loads((lake / "prediction.json").read_text())
    Path(made["scene"]).unlink()
    at = opened(MAP)
    assert [picture["name"] for picture in map_script(at)[1]["pictures"]] == ["Class raster"]
    assert DUBAI.names[4] in list(at.dataframe[0].value["class"])
