import json
import re
from dataclasses import replace
from itertools import pairwise

import folium
import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from core.classes import DUBAI, ClassScheme
from core.geo import GeoRef
from core.scenes.opening import scene_of_array
from core.vector.editing import browser
from core.vector.editing.applying import apply
from core.vector.editing.log import Corrections
from core.vector.filtering import Filter
from core.vector.vectorize import PolygonLayer, vectorize
from core.workspace import STATIC
from ui import served
from ui.map import drawing
from ui.server.doors import BASE_MAPS
from ui.viewer import tiles

SCHEME = ClassScheme(("Land", "</script><b>Sea"), ((10, 20, 30), (40, 50, 60)))
UTM = GeoRef(Affine(0.5, 0, 325000, 0, -0.5, 2786000), CRS.from_epsg(32640))


@pytest.fixture
def ids():
    made = np.zeros((40, 60), np.uint8)
    made[10:20, 10:30] = 1
    return made


def ground(geo):
    return drawing.Ground(40, 60, geo)


def picture(geo, **how):
    return drawing.Underlay("Scene", tiles.image_layer(scene_of_array(np.zeros((40, 60, 3), np.uint8), geo=geo)), **how)


def drawn(layer, digest, **how):
    return drawing.Drawn(layer, digest, layer.scheme, **how)


def config_of(made: folium.Map) -> dict:
    return json.loads(next(child.config for child in made._children.values() if isinstance(child, drawing._Script)))


def everything(element):
    yield element
    for child in element._children.values():
        yield from everything(child)


def links(made):
    for element in everything(made):
        for _, link in [*getattr(element, "default_js", []), *getattr(element, "default_css", [])]:
            yield link


def features(message):
    layer = tiles.find(message["features"].rsplit("/", 1)[1], tiles.Features)
    import gzip

    return json.loads(gzip.decompress(layer.gzipped))["features"]


@pytest.mark.parametrize("geo", [UTM, GeoRef.pixels()], ids=["georeferenced", "pixels"])
@pytest.mark.parametrize("titles", [["One"], ["One", "Two"]], ids=["one map", "two maps"])
def test_a_map_asks_nobody_but_us(geo, titles):
    made = drawing.base_map(ground(geo), [picture(geo, shown=True)], titles=titles, memory="offline")
    found = [*links(made), *(child.module for child in made._children.values() if isinstance(child, drawing._Script))]
    assert len(found) == 6
    for link in found:
        assert link.startswith("../.." + served.static_url())
        assert (STATIC / link.removeprefix("../.." + served.static_url())).is_file()
    # The map's own script and header name no other host; folium's viewport and style tags hold no links either.
    assert not re.findall(r"""(?:src|href)=["']https?://""", made.get_root().render())
    assert not re.findall(r"https?://", json.dumps(config_of(made)))


def test_online_maps_are_tried_only_when_wanted_and_where_there_are_coordinates():
    assert config_of(drawing.base_map(ground(UTM), [], titles=["One"], memory="a"))["online"] == []
    online = config_of(drawing.base_map(ground(UTM), [], titles=["One"], memory="a", online=True))["online"]
    assert [entry["name"] for entry in online] == [entry["name"] for entry in drawing.ONLINE]
    assert all(entry[url].startswith(BASE_MAPS) for entry in online for url in ("url", "probe"))  # the headers let nothing else in
    assert all(entry["attribution"] for entry in online)
    assert config_of(drawing.base_map(ground(GeoRef.pixels()), [], titles=["One"], memory="a", online=True))["online"] == []


def test_polygons_come_back_from_degrees_to_where_they_were(ids):
    layer = vectorize(ids, geo=UTM, scheme=SCHEME, simplify=0).layer
    collection = browser.browser_geojson(layer)
    shapes = [shapely.geometry.shape(feature["geometry"]) for feature in collection["features"]]
    back = gpd.GeoSeries(shapes, crs=4326).to_crs(32640)
    # The largest first: land (2400 - 200 = 2200 px of 0.25 m2) with a hole where the sea is (200 px).
    assert [feature["properties"]["class_id"] for feature in collection["features"]] == [0, 1]
    np.testing.assert_allclose(back.area, [550, 50], rtol=1e-3)
    np.testing.assert_allclose([feature["properties"]["area"] for feature in collection["features"]], [550, 50], rtol=2e-3)
    assert collection["features"][1]["properties"]["perimeter"] == pytest.approx(30, rel=1e-3)  # 20 x 10 px of 0.5 m


def test_without_crs_the_map_counts_pixels(ids):
    layer = vectorize(ids, scheme=SCHEME).layer
    made = drawing.base_map(ground(GeoRef.pixels()), [picture(GeoRef.pixels(), shown=True)], titles=["One"], memory="pixels")
    config = config_of(made)
    assert made.crs == "Simple" and config["pixelScale"] == 1 and config["bounds"] == [[-40, 0], [0, 60]]
    assert "/pictures/" in config["pictures"][0]["url"]
    message = drawing.message(drawn(layer, "pixels"), pixel_size_m=None)
    assert message["units"] == "px" and message["pixelSize"] is None
    xs, ys = np.array(browser.browser_geojson(layer)["features"][1]["geometry"]["coordinates"][0]).T
    assert (xs.min(), xs.max(), ys.min(), ys.max()) == (10, 30, -20, -10)  # columns 10 to 30, rows 10 to 20


def test_the_legend_counts_adds_up_and_wears_the_chosen_palette(ids):
    layer = vectorize(ids, geo=UTM, scheme=SCHEME).layer
    land, sea = drawing.message(drawn(layer, "legend"), pixel_size_m=None)["classes"]
    assert (land["count"], sea["count"]) == (1, 1) and land["colour"] == "#0A141E"
    assert land["area"] + sea["area"] == pytest.approx(40 * 60 * 0.25, rel=2e-3)
    safe = drawing.message(drawing.Drawn(layer, "legend", SCHEME.colour_blind_safe()), pixel_size_m=None)
    assert (
        safe["classes"][0]["colour"] == "#F0E442"
        and safe["features"] == drawing.message(drawn(layer, "legend"), pixel_size_m=None)["features"]
    )


def test_a_correction_sends_only_what_it_has_changed(monkeypatch):
    monkeypatch.setattr(browser, "MAX_POLYGONS", 40)  # of 48: some are drawn only once others are gone
    random = np.random.default_rng(5)
    layer = vectorize(np.kron(random.integers(0, 2, (14, 18)), np.ones((4, 4))).astype(np.uint8), geo=UTM, scheme=SCHEME, min_area=1).layer
    ids, names = layer.frame["id"].tolist(), SCHEME.names
    assert len(ids) == 48
    steps = Corrections()
    states = [layer]
    for step in range(12):
        some = [int(one) for one in random.choice(ids, 2, replace=False)]
        kind = ("reclass", "delete", "hole")[step % 3]
        if kind == "reclass":
            steps = steps.reclass(some, names[step % 2])
        else:
            steps = steps.delete(some[:1], fill="merge" if kind == "delete" else "hole")
        states.append(apply(layer, steps))
        ids = states[-1].frame["id"].tolist()
    emptied = replace(layer, frame=layer.frame[:0])
    for before, after in [*pairwise(states), *pairwise(states[::-1]), (layer, emptied), (emptied, layer), (layer, layer)]:
        changes = browser.browser_changes(before, after)
        known = {feature["properties"]["id"]: feature for feature in browser.browser_geojson(before)["features"]}
        for gone in changes["gone"]:
            del known[gone]
        known |= {feature["properties"]["id"]: feature for feature in changes["features"]}
        wanted = browser.browser_geojson(after)["features"]
        assert known == {feature["properties"]["id"]: feature for feature in wanted}
        assert len(changes["features"]) < 10 or before is emptied
    (one,) = browser.browser_changes(layer, apply(layer, Corrections().reclass([3], names[1 - layer.frame.class_id[2]])))["features"]
    assert one["properties"]["id"] == 3 and browser.browser_changes(layer, layer) == {"gone": [], "features": []}


def test_a_second_layer_has_class_ids_of_its_own(ids):
    layer = vectorize(ids, geo=UTM, scheme=SCHEME).layer
    message = drawing.message(drawn(layer, "one"), pixel_size_m=None, second=drawn(layer, "two", id_offset=1000), changes=True)
    assert [item["id"] for item in message["second"]["classes"]] == [1000, 1001] and message["second"]["changes"]
    assert [feature["properties"]["class_id"] for feature in features(message["second"])] == [1000, 1001]
    assert [feature["properties"]["class_id"] for feature in features(message)] == [0, 1]


def test_a_class_name_cannot_end_the_script(ids):
    layer = vectorize(ids, geo=UTM, scheme=SCHEME).layer
    script = drawing._Script(drawing.message(drawn(layer, "script"), pixel_size_m=None))
    assert "<" not in script.config
    assert json.loads(script.config)["classes"][1]["name"] == "</script><b>Sea"


def test_of_many_polygons_the_largest_are_drawn_and_the_map_says_what_is_hidden(monkeypatch):
    monkeypatch.setattr(browser, "MAX_POLYGONS", 3)
    sizes = [1, 5, 2, 4, 3]
    frame = gpd.GeoDataFrame(
        {
            "id": range(5),
            "class_id": 0,
            "class_name": "Land",
            "area_px": [float(size) for size in sizes],
            "length_px": 1.0,
            "mean_confidence": float("nan"),
        },
        geometry=[shapely.box(0, 0, size, 1) for size in sizes],
    )
    layer = PolygonLayer(frame, SCHEME, GeoRef.pixels(), "px", {})
    shown = browser.browser_geojson(layer)["features"]
    assert [feature["properties"]["area"] for feature in shown] == [5, 4, 3]
    assert shown[0]["properties"]["confidence"] is None
    message = drawing.message(drawn(layer, "many"), pixel_size_m=None)
    assert message["outlines"] and "3 largest of 5" in message["note"] and "2 smaller" in message["note"]
    assert message["classes"][0]["count"] == 5  # the legend counts all of them


def test_what_the_map_tells():
    assert drawing.told_by(None) == drawing.Told() == drawing.told_by({})
    value = {"selected": [7, 9], "hidden": [1], "search": "4", "from": 2.5, "to": None, "sure": 40, "region": [[1, 2], [3, 4], [5, 6]]}
    told = drawing.told_by(value)
    assert told == drawing.Told((7, 9), Filter((1,), "4", 2.5, None, 0.4), ((1.0, 2.0), (3.0, 4.0), (5.0, 6.0)))


def test_the_deepest_zoom_shows_every_pixel_and_no_more():
    # At the equator zoom 0 has 156543 m pixels; 0.5 m pixels need log2(156543 / 0.5) = 18.26 halvings, so 19.
    geo = GeoRef(Affine(0.5, 0, 500000, 0, -0.5, 100), CRS.from_epsg(32640))
    assert drawing._native_zoom(drawing.Ground(200, 200, geo)) == 19


def test_a_layer_over_the_antimeridian_is_drawn_in_one_place_and_what_looks_past_the_earth_nowhere():
    # UTM zone 60 reaches beyond 180 here: 300 m on either side.
    over = GeoRef(Affine(10, 0, 819_000, 0, -10, 8_120_000), CRS.from_epsg(32760))
    (_, west), (_, east) = drawing.Ground(40, 120, over).bounds
    drawn = browser.browser_geojson(vectorize(np.ones((40, 120), np.uint8), geo=over, scheme=DUBAI).layer)
    longitudes = shapely.get_coordinates(shapely.from_geojson(json.dumps(drawn["features"][0]["geometry"])))[:, 0]
    assert 179.9 < west < 180 < east < 180.1
    assert (longitudes.min(), longitudes.max()) == pytest.approx((west, east), abs=1e-4)
    ids = np.zeros((60, 60), np.uint8)
    ids[25:35, 25:35] = 1
    disc = GeoRef(Affine(2e5, 0, -6e6, 0, -2e5, 6e6), CRS.from_proj4("+proj=geos +h=35785831 +lon_0=0 +sweep=y +ellps=WGS84"))
    space, ground = browser.browser_geojson(vectorize(ids, geo=disc, scheme=DUBAI).layer)["features"][::-1]
    assert space["geometry"]["coordinates"] == [] and ground["geometry"]["coordinates"]
    assert np.isfinite(drawing.Ground(60, 60, disc).bounds).all()
