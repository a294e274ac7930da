import gzip
import io
import json
import os
import re

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.classes import DUBAI
from core.datasets.pairs import Pair
from core.prediction.folder.rasters import Prediction
from core.scenes.opening import open_scene
from core.workspace import STATIC
from tests.helpers.predicted import predicted
from ui import served
from ui.viewer import routes, tiles

UTM = {"crs": "EPSG:32640", "transform": Affine(0.3, 0, 325000, 0, -0.3, 2786000)}


@pytest.fixture
def client():
    return TestClient(Starlette(routes=routes.routes()))


def write(path, pixels, **profile):
    """A GeoTIFF of pixels (h, w, bands)."""
    height, width, bands = pixels.shape
    with rasterio.open(path, "w", driver="GTiff", height=height, width=width, count=bands, dtype=pixels.dtype, **profile) as out:
        out.write(pixels.transpose(2, 0, 1))
    return path


def picture(answer):
    return np.array(Image.open(io.BytesIO(answer.content)))


def tile(client, layer, z, x, y):
    return client.get(tiles.pixel_url(layer).format(z=z, x=x, y=y))


def whole(client, layer, z, kind="pixels"):
    """All tiles of a zoom level, put together."""
    side = -(-max(layer.height, layer.width) // (2 ** (layer.max_zoom - z))) // tiles.TILE_PX + 1
    url = f"{served.PREFIX}/{kind}/{layer.id}"
    rows = []
    for y in range(side):
        answers = [client.get(f"{url}/{z}/{x}/{y}") for x in range(side)]
        blank = np.zeros((tiles.TILE_PX, tiles.TILE_PX, 4), np.uint8)
        parts = [picture(answer) if answer.status_code == 200 else blank for answer in answers]
        rows.append(np.hstack([part[..., :3] for part in parts]))
    return np.vstack(rows)


@pytest.fixture
def pair(tmp_path):
    """A scene of 700 x 600 pixels, two tiles wide and two high, and its mask with two unlabelled rows."""
    rng = np.random.default_rng(3)
    ids = rng.integers(0, len(DUBAI), (700, 600)).astype(np.uint8)
    ids[10:12] = 255
    image = write(tmp_path / "scene.tif", rng.integers(0, 255, (700, 600, 3)).astype(np.uint8), **UTM)
    mask = write(tmp_path / "mask.tif", DUBAI.decode(ids), **UTM)
    return Pair("scene", image, mask, "place"), ids


def test_what_nobody_registered_is_not_found(client, tmp_path):
    secret = write(tmp_path / "secret.tif", np.zeros((8, 8, 3), np.uint8))
    for name in ("nothing", str(secret), "..%2F..%2Fsecret.tif", secret.name):
        for kind in ("pixels", "pictures", "map"):
            assert client.get(f"{served.PREFIX}/{kind}/{name}/0/0/0").status_code == 404
        assert client.get(f"{served.PREFIX}/features/{name}").status_code == 404


def test_a_small_picture_arrives_pixel_for_pixel_on_a_clear_tile(client, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (33, 47, 3)).astype(np.uint8)
    layer = tiles.image_layer(write(tmp_path / "a.tif", pixels))
    assert layer.max_zoom == 0
    answer = tile(client, layer, 0, 0, 0)
    shown = picture(answer)
    assert answer.headers["content-type"] == "image/png" and shown.shape == (512, 512, 4)
    np.testing.assert_array_equal(shown[:33, :47, :3], pixels)
    assert (shown[:33, :47, 3] == 255).all() and not shown[33:].any() and not shown[:, 47:].any()


def test_tiles_outside_the_scene_are_empty_answers(client, pair):
    layer = tiles.image_layer(pair[0].image_path)
    for z, x, y in ((0, 1, 0), (1, 2, 0), (1, 0, 2), (2, 0, 0)):
        assert tile(client, layer, z, x, y).status_code == 204
    assert tile(client, layer, 31, 0, 0).status_code == 404


def test_numbers_that_no_tile_has_are_no_error(client, tmp_path):
    layer = tiles.image_layer(write(tmp_path / "a.tif", np.full((64, 48, 3), 90, np.uint8), **UTM))
    for number in ("9" * 9, "9" * 10, "9" * 5000, "-1", "1e3", "٣"):
        for kind in ("pixels/{}/3/{n}/0", "pictures/{}/3/0/{n}", "map/{}/3/0/{n}", "map/{}/{n}/0/0", "values/{}/{n}/0", "values/{}/0/{n}"):
            place = kind.format(layer.id, n=number)
            assert client.get(f"{served.PREFIX}/{place}").status_code in (204, 404), place


def test_codes_of_all_tiles_give_the_mask_back(client, pair):
    one, ids = pair
    layer = tiles.mask_layer(one, DUBAI)
    assert layer.max_zoom == 1  # 700 / 512 needs one halving
    codes = whole(client, layer, 1)
    np.testing.assert_array_equal(codes[:700, :600, 0], ids)
    assert (codes[:700, :600, 1] == 255).all() and (codes[:700, :600, 2] == 255).all()
    half = whole(client, layer, 0)[:350, :300, 0]
    # Nearest pixels: every value of the small tile is one of the four under it.
    blocks = ids.reshape(350, 2, 300, 2)
    assert (half[:, None, :, None] == blocks).any(axis=(1, 3)).all()
    assert (whole(client, layer, 1)[700:] == 255).all()


def test_codes_as_pictures_have_the_classes_colours(client, pair):
    one, ids = pair
    colours = whole(client, tiles.mask_layer(one, DUBAI), 1, "pictures")[:700, :600]
    labelled = ids != 255
    np.testing.assert_array_equal(colours[labelled], DUBAI.decode(ids)[labelled])


def test_a_mask_moved_by_a_remedy_is_shown_moved(client, pair):
    one, ids = pair
    moved = Pair(one.name, one.image_path, one.mask_path, one.group, shift_px=(5, 0))
    codes = whole(client, tiles.mask_layer(moved, DUBAI), 1)[:700, :600, 0]
    np.testing.assert_array_equal(codes[5:], ids[:-5])
    assert (codes[:5] == 255).all()


def test_prediction_tiles_hold_class_confidence_and_truth(client, tmp_path):
    ids = np.ones((96, 80), np.uint8)
    ids[30:60, 20:70] = 4
    colours = np.array([[0, 0, 0], [200, 178, 150], [0, 0, 0], [0, 0, 0], [40, 82, 95]], np.uint8)
    image = write(tmp_path / "lake.tif", colours[ids], **UTM)
    mask = write(tmp_path / "lake_mask.tif", DUBAI.decode(ids), **UTM)
    folder = predicted(image, tmp_path / "prediction")
    layer = tiles.prediction_layer(folder, truth=Pair("lake", image, mask, "lake"))
    codes = picture(tile(client, layer, 0, 0, 0))[:96, :80]
    np.testing.assert_array_equal(codes[..., 0], open_scene(folder / "labels.tif", expand_palette=False).read()[..., 0])
    np.testing.assert_array_equal(codes[..., 1], open_scene(folder / "confidence.tif").read()[..., 0])
    np.testing.assert_array_equal(codes[..., 2], ids)
    assert layer.has_confidence and layer.has_truth
    other = Pair("other", image, write(tmp_path / "other.tif", np.zeros((5, 5, 3), np.uint8)), "lake")
    assert not tiles.prediction_layer(folder, truth=other).has_truth


def test_neighbouring_tiles_of_16_bit_data_share_one_stretch(client, tmp_path):
    ramp = np.linspace(1000, 3000, 1024).astype(np.uint16)
    layer = tiles.image_layer(write(tmp_path / "deep.tif", np.repeat(ramp[None, :, None], 512, axis=0)))
    left, right = picture(tile(client, layer, 1, 0, 0)), picture(tile(client, layer, 1, 1, 0))
    # Stretched tile by tile, each of them would run from black to white.
    assert left[..., 0].min() < 5 and 100 < left[..., 0].max() < 140
    assert 110 < right[..., 0].min() < 150 and right[..., 0].max() > 250


def test_nodata_is_clear(client, tmp_path):
    pixels = np.full((40, 40, 1), 7, np.int16)
    pixels[:10] = -9999
    shown = picture(tile(client, tiles.image_layer(write(tmp_path / "n.tif", pixels, nodata=-9999)), 0, 0, 0))
    assert not shown[:10, :40, 3].any() and (shown[10:40, :40, 3] == 255).all()


def test_map_tiles_cover_the_scene_and_nothing_else(client, pair):
    import morecantile

    layer = tiles.image_layer(pair[0].image_path)
    (south, west), (north, east) = layer.bounds
    grid = morecantile.tms.get("WebMercatorQuad")
    middle = grid.tile((west + east) / 2, (south + north) / 2, 19)
    answer = client.get(f"{served.PREFIX}/map/{layer.id}/{middle.z}/{middle.x}/{middle.y}")
    assert answer.status_code == 200 and picture(answer).shape[:2] == (256, 256)
    assert client.get(f"{served.PREFIX}/map/{layer.id}/{middle.z}/{middle.x + 40}/{middle.y}").status_code == 204


def test_class_tiles_on_the_map_hold_only_the_classes_colours(client, tmp_path, pair):
    import morecantile

    folder = predicted(pair[0].image_path, tmp_path / "prediction")
    layer = tiles.prediction_layer(folder)
    (south, west), (north, east) = layer.bounds
    middle = morecantile.tms.get("WebMercatorQuad").tile((west + east) / 2, (south + north) / 2, 19)
    shown = picture(client.get(f"{served.PREFIX}/map/{layer.id}/{middle.z}/{middle.x}/{middle.y}"))
    seen = {tuple(colour) for colour in shown[shown[..., 3] == 255][:, :3].tolist()}
    assert seen and seen <= set(DUBAI.colours)


def test_a_scene_without_coordinates_has_no_map(client, tmp_path):
    layer = tiles.image_layer(write(tmp_path / "plain.tif", np.zeros((20, 20, 3), np.uint8)))
    assert layer.bounds is None
    assert client.get(f"{served.PREFIX}/map/{layer.id}/0/0/0").status_code == 204


def test_bounds_hold_all_corners_of_a_turned_scene(tmp_path):
    turned = Affine(0.3, 0, 325000, 0, -0.3, 2786000) * Affine.rotation(30)
    layer = tiles.image_layer(write(tmp_path / "turned.tif", np.zeros((100, 50, 3), np.uint8), crs="EPSG:32640", transform=turned))
    (south, west), (north, east) = layer.bounds
    for row, col in ((0, 0), (0, 50), (100, 0), (100, 50)):
        lon, lat = layer.geo.lonlat(row, col)
        assert west - 1e-9 <= lon <= east + 1e-9 and south - 1e-9 <= lat <= north + 1e-9


def test_polygons_arrive_compressed_or_plain(client):
    collection = {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"id": 1}, "geometry": None}]}
    made = []
    layer = tiles.features("compressed", lambda: made.append(1) or collection)
    assert tiles.features("compressed", dict) is layer and not made  # one that nobody asks for is never made
    url = f"{served.PREFIX}/features/{layer.id}"
    packed = client.get(url, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip" and packed.json() == collection
    plain = client.get(url, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers and json.loads(plain.content) == collection
    assert gzip.decompress(layer.gzipped) == plain.content and made == [1]


def test_the_id_follows_the_content(tmp_path):
    first = tiles.image_layer(write(tmp_path / "a.tif", np.zeros((16, 16, 3), np.uint8))).id
    assert tiles.image_layer(tmp_path / "a.tif").id == first
    assert tiles.image_layer(tmp_path / "a.tif", bands=(3, 2, 1)).id != first
    write(tmp_path / "a.tif", np.ones((16, 16, 3), np.uint8))
    assert tiles.image_layer(tmp_path / "a.tif").id != first


def test_routes_answer_under_the_base_path_too(monkeypatch, tmp_path):
    monkeypatch.setattr(served, "base_path", lambda: "/seg")
    client = TestClient(Starlette(routes=routes.routes()))
    layer = tiles.image_layer(write(tmp_path / "a.tif", np.zeros((16, 16, 3), np.uint8)))
    url = tiles.pixel_url(layer).format(z=0, x=0, y=0)
    assert url.startswith("/seg/groundline/") and client.get(url).status_code == 200
    assert client.get(url.removeprefix("/seg")).status_code == 200


@pytest.mark.parametrize("file", ["map/map.js", "viewer/viewer.js", "vendor/leaflet/leaflet.css"])
def test_scripts_and_styles_are_served_for_good_under_their_version(client, file):
    answer = client.get(served.static_url() + file)
    assert answer.status_code == 200 and answer.content == (STATIC / file).read_bytes()
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/css" if file.endswith("css") else ("text/javascript", "application/javascript"))


@pytest.mark.parametrize("path", ["../app.py", "..%2fapp.py", "%2e%2e/app.py", "nothing.js", ""])
def test_nothing_but_the_files_of_static_is_served(client, path):
    assert client.get(served.static_url() + path).status_code == 404


def test_a_changed_script_has_another_address(monkeypatch, tmp_path):
    monkeypatch.setattr(served, "STATIC", tmp_path)
    (tmp_path / "a.js").write_text("1")
    before = served.static_url()
    assert served.static_url() == before
    os.utime(tmp_path / "a.js", ns=(1, 1))
    assert served.static_url() != before


def test_what_a_script_imports_is_there():
    scripts = [path for room in ("map", "shared", "viewer") for path in (STATIC / room).glob("*.js")]
    wanted = [path.parent / name for path in scripts for name in re.findall(r"from '([^']+)'", path.read_text(encoding="utf-8"))]
    assert len(wanted) > 20 and [str(path) for path in wanted if not path.is_file()] == []


def test_the_least_used_layers_are_forgotten(monkeypatch):
    monkeypatch.setattr(tiles, "MAX_SHOWN", 3)
    registry = tiles._Registry()
    for name in "abc":
        registry.put(tiles.Features(name, dict))
    registry.put(tiles.Features("a", dict))
    registry.put(tiles.Features("d", dict))
    assert [registry.get(name) is not None for name in "abcd"] == [True, False, True, True]


def test_a_file_that_breaks_off_is_one_line(client, tmp_path):
    path = write(tmp_path / "cut.tif", np.random.default_rng(0).integers(0, 255, (300, 300, 3)).astype(np.uint8))
    layer = tiles.image_layer(path)
    path.write_bytes(path.read_bytes()[:2000])
    answer = tile(client, layer, 0, 0, 0)
    assert answer.status_code == 422 and "cut.tif" in answer.text and "\n" not in answer.text


def test_one_pixel_tells_all_its_probabilities_and_its_place(client, pair, tmp_path):
    folder = predicted(pair[0].image_path, tmp_path / "prediction")
    layer = tiles.prediction_layer(folder)
    prediction = Prediction.open(folder)
    url = tiles.values_url(layer).replace("{row}", "123").replace("{col}", "45")
    told = client.get(url).json()
    assert np.allclose(told["probabilities"], prediction.probabilities()[123, 45] / 255, atol=6e-4)
    assert told["margin"] == pytest.approx(prediction.margin()[123, 45] / 255, abs=6e-4)
    assert told["place"] == pytest.approx(layer.geo.lonlat(123.5, 45.5), abs=1e-6)
    assert client.get(url.replace("/123/", "/700/")).status_code == 404
    assert client.get(tiles.values_url(tiles.image_layer(pair[0].image_path)).format(row=0, col=0)).status_code == 404


def test_a_registered_file_is_streamed_under_its_name_and_is_gone_when_it_is_gone(client, tmp_path):
    (tmp_path / "a.tif").write_bytes(b"content")
    url = tiles.file_url(tmp_path / "a.tif", "my labels.tif")
    answer = client.get(url)
    assert answer.content == b"content" and "my%20labels.tif" in answer.headers["content-disposition"]
    (tmp_path / "a.tif").unlink()
    assert client.get(url).status_code == 404
    assert client.get(f"{served.PREFIX}/files/nothing").status_code == 404


def test_a_route_serves_only_its_own_kind(client):
    lines = tiles.features("kind", lambda: {"type": "FeatureCollection", "features": []})
    assert client.get(f"{served.PREFIX}/features/{lines.id}").status_code == 200
    assert client.get(f"{served.PREFIX}/files/{lines.id}").status_code == 404
    assert client.get(f"{served.PREFIX}/pixels/{lines.id}/0/0/0").status_code == 404
