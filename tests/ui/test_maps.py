import json
import re

import folium
import geopandas as gpd
import numpy as np
import pytest
import shapely

from core.classes import ClassScheme
from core.geo import GeoRef
from core.scene import Scene
from core.vector.layers import PolygonLayer, vectorize
from ui import maps, tiles

SCHEME = ClassScheme(("Land", "</script><b>Sea"), ((10, 20, 30), (40, 50, 60)))


def utm():
    from affine import Affine
    from pyproj import CRS

    return GeoRef(Affine(0.5, 0, 325000, 0, -0.5, 2786000), CRS.from_epsg(32640))


@pytest.fixture
def ids():
    made = np.zeros((40, 60), np.uint8)
    made[10:20, 10:30] = 1
    return made


def config_of(made: folium.Map) -> dict:
    return json.loads(next(child.config for child in made._children.values() if isinstance(child, maps._Polygons)))


def everything(element):
    yield element
    for child in element._children.values():
        yield from everything(child)


def links(made):
    for element in everything(made):
        for _, link in [*getattr(element, "default_js", []), *getattr(element, "default_css", [])]:
            yield link


@pytest.mark.parametrize("geo", [utm(), GeoRef.pixels()], ids=["georeferenced", "pixels"])
def test_a_map_asks_nobody_but_us(ids, geo):
    layer = vectorize(ids, geo=geo, scheme=SCHEME).layer
    picture = maps.Picture("Scene", layer=tiles.image_layer(Scene.from_array(np.zeros((40, 60, 3), np.uint8), geo=geo)), shown=True)
    made = maps.polygon_map(layer, "offline", pictures=[picture])
    found = list(links(made))
    assert len(found) >= 5
    for link in found:
        assert link.startswith("../../app/static/")
        assert (maps._STATIC / link.removeprefix("../../app/static/").split("?")[0]).is_file()
    rendered = made.get_root().render()
    # The map's own script and header name no other host; folium's viewport and style tags hold no links either.
    assert not re.findall(r"""(?:src|href)=["']https?://""", rendered)
    assert not re.findall(r"https?://", config_text(made))


def config_text(made):
    return json.dumps(config_of(made))


def test_online_maps_are_there_only_when_wanted(ids):
    layer = vectorize(ids, geo=utm(), scheme=SCHEME).layer
    assert "openstreetmap" not in config_text(maps.polygon_map(layer, "online")).lower()
    names = [picture["name"] for picture in config_of(maps.polygon_map(layer, "online", online=True))["pictures"]]
    assert names == [picture.name for picture in maps.ONLINE]
    pixels = vectorize(ids, scheme=SCHEME).layer
    assert config_of(maps.polygon_map(pixels, "online-pixels", online=True))["pictures"] == []


def test_polygons_come_back_from_degrees_to_where_they_were(ids):
    layer = vectorize(ids, geo=utm(), scheme=SCHEME, simplify=0).layer
    collection = maps.browser_geojson(layer)
    shapes = [shapely.geometry.shape(feature["geometry"]) for feature in collection["features"]]
    back = gpd.GeoSeries(shapes, crs=4326).to_crs(32640)
    # The largest first: land (2400 - 200 = 2200 px of 0.25 m2) with a hole where the sea is (200 px).
    assert [feature["properties"]["class_id"] for feature in collection["features"]] == [0, 1]
    np.testing.assert_allclose(back.area, [550, 50], rtol=1e-3)
    np.testing.assert_allclose([feature["properties"]["area"] for feature in collection["features"]], [550, 50], rtol=2e-3)


def test_without_crs_the_map_counts_pixels(ids):
    layer = vectorize(ids, scheme=SCHEME).layer
    raster = tiles.image_layer(Scene.from_array(np.zeros((40, 60, 3), np.uint8)))
    made = maps.polygon_map(layer, "pixels", pictures=[maps.Picture("Scene", layer=raster, shown=True)])
    config = config_of(made)
    assert made.crs == "Simple" and config["units"] == "px"
    assert config["pixelScale"] == 1 and config["bounds"] == [[-40, 0], [0, 60]]
    assert "/pictures/" in config["pictures"][0]["url"]
    xs, ys = np.array(maps.browser_geojson(layer)["features"][1]["geometry"]["coordinates"][0]).T
    assert (xs.min(), xs.max(), ys.min(), ys.max()) == (10, 30, -20, -10)  # columns 10 to 30, rows 10 to 20


def test_the_legend_counts_and_adds_up(ids):
    layer = vectorize(ids, geo=utm(), scheme=SCHEME).layer
    land, sea = config_of(maps.polygon_map(layer, "legend"))["classes"]
    assert (land["count"], sea["count"]) == (1, 1) and land["colour"] == "#0A141E"
    assert land["area"] + sea["area"] == pytest.approx(40 * 60 * 0.25, rel=2e-3)


def test_a_class_name_cannot_end_the_script(ids):
    layer = vectorize(ids, geo=utm(), scheme=SCHEME).layer
    made = maps.polygon_map(layer, "script")
    child = next(child for child in made._children.values() if isinstance(child, maps._Polygons))
    assert "<" not in child.config
    assert config_of(made)["classes"][1]["name"] == "</script><b>Sea"


def test_only_the_largest_polygons_are_drawn_and_the_map_says_so(monkeypatch):
    monkeypatch.setattr(maps, "MAX_POLYGONS", 3)
    sizes = [1, 5, 2, 4, 3]
    frame = gpd.GeoDataFrame(
        {
            "id": range(5), "class_id": 0, "class_name": "Land", "area_px": [float(size) for size in sizes],
            "length_px": 1.0, "mean_confidence": float("nan"),
        },
        geometry=[shapely.box(0, 0, size, 1) for size in sizes],
    )  # fmt: skip
    layer = PolygonLayer(frame, SCHEME, GeoRef.pixels(), "px", {})
    drawn = maps.browser_geojson(layer)["features"]
    assert [feature["properties"]["area"] for feature in drawn] == [5, 4, 3]
    assert drawn[0]["properties"]["confidence"] is None
    assert "3 largest of 5" in config_of(maps.polygon_map(layer, "many"))["note"]


def test_the_probe_says_no_without_a_network(monkeypatch):
    def refuse(*_, **__):
        raise OSError("network is unreachable")

    monkeypatch.setattr(maps.socket, "create_connection", refuse)
    maps.online_maps_answer.clear()
    assert maps.online_maps_answer() is False
    maps.online_maps_answer.clear()


def test_the_deepest_zoom_shows_every_pixel_and_no_more():
    # At the equator zoom 0 has 156543 m pixels; 0.5 m pixels need log2(156543 / 0.5) = 18.26 halvings, so 19.
    from affine import Affine
    from pyproj import CRS

    geo = GeoRef(Affine(0.5, 0, 500000, 0, -0.5, 100), CRS.from_epsg(32640))
    layer = tiles.image_layer(Scene.from_array(np.zeros((200, 200, 3), np.uint8), geo=geo))
    assert maps._native_zoom(layer) == 19
