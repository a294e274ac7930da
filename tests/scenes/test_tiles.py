"""Tiles of map servers put together: each pixel where it belongs, gone on with after a failure, and refused in one line."""

import io
import json
import math
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import rasterio
from PIL import Image
from pyproj import CRS, Transformer

from core.__main__ import main
from core.errors import Cancelled, SceneError, SettingsError
from core.scenes.opening import open_scene
from core.scenes.remote import asking
from core.scenes.remote.tiles.levels import MOST_PIXELS, plan
from core.scenes.remote.tiles.offers import MERCATOR_M, is_service, read_offer
from core.scenes.remote.tiles.putting import put_together
from core.verbs import registry
from tests.helpers.far import png

ZOOM = 15
OWNER = "© City of Exampleton"
UTM = CRS.from_epsg(25832)


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """A workspace of its own, and little patience."""
    monkeypatch.setenv("GROUNDLINE_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setenv(asking.PATIENCE_VARIABLE, "2")
    monkeypatch.setattr(asking, "_PAUSE_S", 0.01)


def ground(rows, cols):
    """What the tests' servers show at pixels that are counted from the corner of all tiles: remainders that no two near pixels share."""
    rows, cols = np.meshgrid(rows, cols, indexing="ij")
    return np.stack([cols % 251, rows % 241, (rows + cols) % 239], axis=-1).astype(np.uint8)


def sends(handler, body, *, status=200, kind="image/png"):
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def tiles(odd, *, from_south=False):
    """/t/z/x/y.png of the ground."""

    def answer(handler):
        z, x, y = (int(part) for part in urlsplit(handler.path).path.removeprefix("/t/").removesuffix(".png").split("/"))
        y = (1 << z) - 1 - y if from_south else y
        sends(handler, png(ground(range(y * 256, y * 256 + 256), range(x * 256, x * 256 + 256))))

    odd.answer["/t/*"] = answer
    return f"{odd.address}/t/{{z}}/{{x}}/{{{'-y' if from_south else 'y'}}}.png?key=S3CRET"


def degrees(crs, west, south, east, north):
    """Corners in degrees of two points in a CRS, a hair inside."""
    back = Transformer.from_crs(crs, 4326, always_xy=True)
    (w, s), (e, n) = back.transform(west, south), back.transform(east, north)
    return w, s, e, n


def at_pixels(row, col, height, width, zoom=ZOOM):
    """The degrees of a window of pixels of Web Mercator at a zoom."""
    pixel = 2 * MERCATOR_M / (256 << zoom)
    inset = pixel / 10
    left, top = -MERCATOR_M + col * pixel, MERCATOR_M - row * pixel
    return degrees(3857, left + inset, top - height * pixel + inset, left + width * pixel - inset, top - inset)


PLACE = dict(row=2_800_100, col=4_250_200, height=300, width=420)


def fetch(address, out, **asked):
    reading = {key: asked.pop(key) for key in ("layer", "crs") if key in asked}
    offer = read_offer(address, **reading, **{key: value for key, value in asked.items() if key in ("bbox", "extent", "gsd_m")})
    scale = asked if offer.levels[0].name else {**asked, "gsd_m": asked["gsd_m"]}
    planned = plan(offer, **scale)
    return planned, put_together(planned, out, source=address, attribution=OWNER)


@pytest.mark.parametrize("from_south", [False, True])
def test_each_pixel_of_tiles_lies_where_it_belongs(odd, tmp_path, from_south):
    planned, done = fetch(tiles(odd, from_south=from_south), tmp_path / "out.tif", bbox=at_pixels(**PLACE), zoom=str(ZOOM))
    scene = open_scene(tmp_path / "out.tif")
    assert scene.shape == (300, 420) and (done.tiles, done.missing) == (2 * 3, 0) == (len(planned.tiles), 0)
    np.testing.assert_array_equal(scene.read(), ground(range(2_800_100, 2_800_400), range(4_250_200, 4_250_620)))
    assert scene.valid().all() and scene.attribution == OWNER
    pixel = 2 * MERCATOR_M / (256 << ZOOM)
    assert scene.geo.crs.to_epsg() == 3857
    np.testing.assert_allclose(
        scene.geo.transform[:6], (pixel, 0, -MERCATOR_M + 4_250_200 * pixel, 0, -pixel, MERCATOR_M - 2_800_100 * pixel)
    )
    with rasterio.open(tmp_path / "out.tif") as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG" and "S3CRET" not in str(file.tags())
        assert file.tags()["GROUNDLINE_SOURCE"].startswith(f"{odd.address}/t/")
    assert [path.name for path in tmp_path.iterdir() if path.name != "workspace"] == ["out.tif"]


def test_pixels_on_the_ground_choose_the_level(odd):
    offer = read_offer(tiles(odd))
    bbox = at_pixels(**PLACE)
    # A pixel of zoom 15 has 4.777 m on the map, and at 51.2 degrees north 3.0 m on the ground.
    finer = plan(offer, bbox=bbox, gsd_m=3.1)
    assert finer.level.name == str(ZOOM) and finer.ground_m == pytest.approx(4.777 * math.cos(math.radians(bbox[1])), rel=0.01)
    assert plan(offer, bbox=bbox, gsd_m=2.9).level.name == str(ZOOM + 1) and plan(offer, bbox=bbox, gsd_m=500).level.name == "8"
    assert odd.asked == []


def test_what_a_server_does_not_have_or_shows_through_holds_nothing(odd, tmp_path):
    address, good = tiles(odd), odd.answer["/t/*"]
    clear = np.zeros((256, 256, 4), np.uint8)
    clear[:128, :, :] = (7, 8, 9, 255)

    def answer(handler):
        x, y = (int(part.partition(".")[0]) for part in urlsplit(handler.path).path.split("/")[3:])
        if (x, y) == (0, 0):
            sends(handler, b"", status=404)
        elif (x, y) == (1, 0):
            sends(handler, png(clear))
        else:
            good(handler)

    odd.answer["/t/*"] = answer
    _, done = fetch(address, tmp_path / "out.tif", bbox=at_pixels(0, 0, 512, 512, zoom=4), zoom="4")
    scene = open_scene(tmp_path / "out.tif")
    expected = np.ones((512, 512), bool)
    expected[:256, :256] = expected[128:256, 256:] = False
    np.testing.assert_array_equal(scene.valid(), expected)
    assert scene.bands == 3 and scene.read()[0, 300].tolist() == [7, 8, 9] and (done.tiles, done.missing) == (4, 1)
    odd.answer["/t/*"] = lambda handler: sends(handler, b"", status=404)
    with pytest.raises(SceneError, match="none of 4 tiles on 127.0.0.1"):
        fetch(address, tmp_path / "none.tif", bbox=at_pixels(0, 0, 512, 512, zoom=4), zoom="4")
    assert not (tmp_path / "none.tif").exists() and not list(tmp_path.glob(".none*"))


def test_a_fetch_that_was_broken_off_goes_on_with_what_is_missing(odd, tmp_path):
    address, good = tiles(odd), odd.answer["/t/*"]
    asked = dict(bbox=at_pixels(**PLACE), zoom=str(ZOOM))
    served = []

    def dies(handler):
        served.append(handler.path)
        if len(served) > 3:
            sends(handler, b"no", status=403)
        else:
            good(handler)

    odd.answer["/t/*"] = dies
    with pytest.raises(SceneError, match=r"127.0.0.1:\d+ does not give .*key=\*\*\* to everybody \(403\)"):
        fetch(address, tmp_path / "out.tif", **asked)
    assert not (tmp_path / "out.tif").exists()
    odd.answer["/t/*"], odd.asked[:] = good, []
    # A stop keeps what came, too.
    calls = iter([False] * 3)
    planned = plan(read_offer(address), **asked)
    with pytest.raises(Cancelled):
        put_together(planned, tmp_path / "out.tif", source=address, should_stop=lambda: next(calls, True))
    fetch(address, tmp_path / "out.tif", **asked)
    # Six tiles, of which three came before the failure; each of the others is asked for once.
    assert len(odd.asked) == len(set(odd.asked)) == 3
    np.testing.assert_array_equal(open_scene(tmp_path / "out.tif").read(), ground(range(2_800_100, 2_800_400), range(4_250_200, 4_250_620)))
    assert not list(tmp_path.glob(".out*"))


def test_a_busy_server_is_asked_again(odd, tmp_path):
    address, good, busy = tiles(odd), odd.answer["/t/*"], {}

    def answer(handler):
        busy[handler.path] = busy.get(handler.path, 0) + 1
        if busy[handler.path] <= 2:
            sends(handler, b"", status=429)
        else:
            good(handler)

    odd.answer["/t/*"] = answer
    _, done = fetch(address, tmp_path / "out.tif", bbox=at_pixels(0, 0, 512, 512, zoom=4), zoom="4")
    assert done.missing == 0 and set(busy.values()) == {3}
    np.testing.assert_array_equal(open_scene(tmp_path / "out.tif").read(), ground(range(512), range(512)))


def test_what_is_no_tile_is_one_line(odd, tmp_path):
    address = tiles(odd)
    small = png(np.zeros((100, 90, 3), np.uint8))
    deep = io.BytesIO()
    Image.fromarray(np.zeros((256, 256), np.uint16)).save(deep, "PNG")
    report = b"<ServiceExceptionReport><ServiceException>The layer\n is  closed.</ServiceException></ServiceExceptionReport>"
    for body, words in (
        (b"<!DOCTYPE html><html>Log in</html>", "sends a web page in place of a tile"),
        (report, "sends “The layer is closed” in place of a tile"),
        (b"nonsense", r"sends something else \(image/png\)"),
        (png(ground(range(256), range(256)))[:1500], "in place of a tile"),
        (small, r"tiles of 90 x 100 pixels from 127.0.0.1:\d+. Expected 256 x 256"),
        (deep.getvalue(), "tiles of the kind I;16"),
    ):
        odd.answer["/t/*"] = lambda handler, body=body: sends(handler, body)
        with pytest.raises(SceneError, match=words) as caught:
            fetch(address, tmp_path / "out.tif", bbox=at_pixels(0, 0, 256, 256, zoom=4), zoom="4")
        assert "\n" not in str(caught.value) and not (tmp_path / "out.tif").exists()


def test_what_nobody_should_fetch_is_refused_before_anything_is_asked(odd):
    offer = read_offer(tiles(odd))
    assert MOST_PIXELS == 400_000_000
    for asked, words in (
        (dict(bbox=(8, 50, 9, 51), zoom="18"), r"[\d,]+ x [\d,]+ pixels. Expected at most 400 million. Fetch a smaller region"),
        (dict(bbox=(8, 50, 9, 51)), "no scale. Expected --zoom or --gsd"),
        (dict(bbox=(8, 50, 9, 51), zoom="3", gsd_m=1.0), "two scales"),
        (dict(zoom="3"), "no region"),
        (dict(bbox=(8, 50, 9, 51), extent=(0, 0, 1, 1), zoom="3"), "two regions"),
        (dict(bbox=(9, 50, 8, 51), zoom="3"), "the region 9,50,8,51"),
        (dict(bbox=(8, 50, 900, 51), zoom="3"), "in degrees"),
        (dict(bbox=(8, 50, 9, 51), zoom="77"), "zoom 77. Expected one of 0, 1, 2"),
        (dict(bbox=(8, 50, 9, 51), gsd_m=1e-9), "which is the layer's finest"),
        (dict(bbox=(8, 50, 9, 51), gsd_m=-1.0), "pixels of -1 m"),
        (dict(extent=(3e7, 0, 3.1e7, 10), zoom="3"), "nothing of the region"),
    ):
        with pytest.raises(SettingsError, match=words):
            plan(offer, **asked)
    assert odd.asked == []
    with pytest.raises(SettingsError, match="whose terms forbid to fetch them in bulk"):
        read_offer("https://a.tile.openstreetmap.org/{z}/{x}/{y}.png")
    with pytest.raises(SettingsError, match="is no map server by its address"):
        read_offer("https://h.org/a.tif")
    for address in ("https://h/{z}/{x}/{-y}.png", "https://h/w?service=WMS", "https://h/1.0.0/WMTSCapabilities.xml", "https://h/t.json"):
        assert is_service(address)
    assert not is_service("https://h/a.tif?layers=x")


def test_a_tile_json_says_where_tiles_are_and_whose(odd, tmp_path, monkeypatch):
    template = tiles(odd)
    told = {"tiles": [template], "minzoom": 3, "maxzoom": 5, "attribution": "<a href='x'>© City</a> of\nExampleton"}
    odd.gives("/t.json", json.dumps(told).encode(), kind="application/json")
    offer = read_offer(f"{odd.address}/t.json")
    assert offer.attribution == OWNER and [level.name for level in offer.levels] == ["3", "4", "5"]
    assert plan(offer, bbox=at_pixels(0, 0, 256, 256, zoom=4), gsd_m=1e6).level.name == "3"
    # A list of tiles leads no more inside than a redirect does.
    monkeypatch.setattr(asking, "is_private", lambda host: host.startswith("localhost"))
    inside = {"tiles": [template.replace("127.0.0.1", "localhost")]}
    odd.gives("/inside.json", json.dumps(inside).encode(), kind="application/json")
    with pytest.raises(SceneError, match="leads into a private network"):
        fetch(f"{odd.address}/inside.json", tmp_path / "out.tif", bbox=at_pixels(0, 0, 256, 256, zoom=4), zoom="4")
    odd.gives("/bad.json", b'{"tiles": []}')
    with pytest.raises(SceneError, match="bad.json is no TileJSON"):
        read_offer(f"{odd.address}/bad.json")


WMTS = """<Capabilities xmlns="http://www.opengis.net/wmts/1.0" xmlns:ows="http://www.opengis.net/ows/1.1" xmlns:xlink="x">
<ows:ServiceIdentification><ows:AccessConstraints>CC-BY 4.0</ows:AccessConstraints></ows:ServiceIdentification>
<ows:ServiceProvider><ows:ProviderName>© City of Exampleton</ows:ProviderName></ows:ServiceProvider>
<ows:OperationsMetadata><ows:Operation name="GetTile"><ows:DCP><ows:HTTP><ows:Get xlink:href="x">
<ows:Constraint name="GetEncoding"><ows:AllowedValues><ows:Value>{encoding}</ows:Value></ows:AllowedValues></ows:Constraint>
</ows:Get></ows:HTTP></ows:DCP></ows:Operation></ows:OperationsMetadata>
<Contents><Layer><ows:Title>Ortho 2024</ows:Title><ows:Identifier>ortho</ows:Identifier>
<Style isDefault="true"><ows:Identifier>plain</ows:Identifier></Style>
<Format>image/png</Format><TileMatrixSetLink><TileMatrixSet>{name}</TileMatrixSet></TileMatrixSetLink>
<ResourceURL format="image/png" resourceType="tile"
template="{address}/rest/{{Style}}/{{TileMatrixSet}}/{{TileMatrix}}/{{TileRow}}/{{TileCol}}.png"/></Layer>
<TileMatrixSet><ows:Identifier>{name}</ows:Identifier><ows:SupportedCRS>urn:ogc:def:crs:EPSG::{code}</ows:SupportedCRS>
<TileMatrix><ows:Identifier>{name}:0</ows:Identifier><ScaleDenominator>{coarse}</ScaleDenominator><TopLeftCorner>{corner}</TopLeftCorner>
<TileWidth>128</TileWidth><TileHeight>64</TileHeight><MatrixWidth>4</MatrixWidth><MatrixHeight>4</MatrixHeight></TileMatrix>
<TileMatrix><ows:Identifier>{name}:1</ows:Identifier><ScaleDenominator>{fine}</ScaleDenominator><TopLeftCorner>{corner}</TopLeftCorner>
<TileWidth>128</TileWidth><TileHeight>64</TileHeight><MatrixWidth>8</MatrixWidth><MatrixHeight>8</MatrixHeight></TileMatrix>
</TileMatrixSet></Contents></Capabilities>"""


def wmts(odd, *, encoding, name="utm", code=25832, corner="500000 5600000", unit_m=1.0, fine=0.5):
    """A WMTS of tiles of 128 x 64 pixels, in levels of twice `fine` and of `fine` units of its CRS."""
    scales = dict(coarse=2 * fine * unit_m / 0.00028, fine=fine * unit_m / 0.00028)
    body = WMTS.format(encoding=encoding, name=name, code=code, corner=corner, address=odd.address, **scales).encode()

    def tile(handler, row, col):
        sends(handler, png(ground(range(row * 64, row * 64 + 64), range(col * 128, col * 128 + 128))))

    def words(handler):
        said = {key.upper(): value[0] for key, value in parse_qs(urlsplit(handler.path).query).items()}
        if said["REQUEST"] == "GetCapabilities":
            sends(handler, body, kind="text/xml")
        else:
            assert said["LAYER"] == "ortho" and said["STYLE"] == "plain" and said["TILEMATRIX"] == f"{name}:1" and said["TOKEN"] == "S3CRET"
            tile(handler, int(said["TILEROW"]), int(said["TILECOL"]))

    def rest(handler):
        style, matrix_set, matrix, row, col = urlsplit(handler.path).path.removeprefix("/rest/").removesuffix(".png").split("/")
        assert (style, matrix_set, matrix) == ("plain", name, f"{name}:1")
        tile(handler, int(row), int(col))

    odd.answer["/wmts"], odd.answer["/rest/*"] = words, rest
    odd.gives("/1.0.0/WMTSCapabilities.xml", body, kind="text/xml")
    return f"{odd.address}/wmts?service=WMTS&token=S3CRET" if encoding == "KVP" else f"{odd.address}/1.0.0/WMTSCapabilities.xml"


@pytest.mark.parametrize("encoding", ["KVP", "RESTful"])
def test_a_wmts_is_read_in_its_own_coordinates(odd, tmp_path, encoding):
    address = wmts(odd, encoding=encoding)
    # From 500100 east are 200 pixels of 0.5 m, from 5599900 north are 200: rows and columns 200 to 300 and 200 to 340.
    extent = (500100.0, 5599850.0, 500170.0, 5599900.0)
    planned, _ = fetch(address, tmp_path / "out.tif", layer="ortho", extent=extent, gsd_m=0.6)
    assert planned.level.name == "utm:1" and planned.offer.title == "Ortho 2024"
    assert planned.offer.attribution == "© City of Exampleton. CC-BY 4.0"
    scene = open_scene(tmp_path / "out.tif")
    np.testing.assert_array_equal(scene.read(), ground(range(200, 300), range(200, 340)))
    assert scene.geo.crs.to_epsg() == 25832 and tuple(scene.geo.transform)[:6] == (0.5, 0, 500100, 0, -0.5, 5599900)
    assert plan(planned.offer, extent=extent, zoom="0").level.name == "utm:0"
    with pytest.raises(SettingsError, match="the layer 'none'. Expected one of ortho"):
        read_offer(address, layer="none")


def test_a_wmts_in_degrees_that_counts_north_first(odd, tmp_path):
    address = wmts(odd, encoding="RESTful", name="deg", code=4326, corner="50.0 8.0", unit_m=111319.49079327358, fine=0.001)
    fetch(address, tmp_path / "out.tif", layer="ortho", bbox=(8.1, 49.9, 8.2, 49.95), zoom="1")
    scene = open_scene(tmp_path / "out.tif")
    np.testing.assert_array_equal(scene.read(), ground(range(50, 100), range(100, 200)))
    np.testing.assert_allclose(scene.geo.transform[:6], (0.001, 0, 8.1, 0, -0.001, 49.95), atol=1e-9)


CAPABILITIES = """<{root} version="{version}"{space}><Service><ContactInformation><ContactPersonPrimary>
<ContactOrganization>Exampleton</ContactOrganization></ContactPersonPrimary></ContactInformation><AccessConstraints>NONE</AccessConstraints></Service>
<Capability><Layer><Title>all</Title><Layer queryable="1"><Name>ortho</Name>
<Title>Ortho</Title>{whose}</Layer></Layer></Capability></{root}>"""


def wms(odd, *, version="1.3.0", whose=""):
    """A WMS that draws the ground by metres from 0, 0 (or by hundred-thousandths of a degree), north up."""
    root = "WMS_Capabilities" if version == "1.3.0" else "WMT_MS_Capabilities"
    space = ' xmlns="http://www.opengis.net/wms"' if version == "1.3.0" else ""
    body = CAPABILITIES.format(root=root, version=version, space=space, whose=whose).encode()

    def answer(handler):
        said = {key.upper(): value[0] for key, value in parse_qs(urlsplit(handler.path).query).items()}
        if said["REQUEST"] == "GetCapabilities":
            sends(handler, body, kind="text/xml")
            return
        crs = said["CRS" if version == "1.3.0" else "SRS"]
        west, south, east, north = (float(side) for side in said["BBOX"].split(","))
        if version == "1.3.0" and crs == "EPSG:4326":
            west, south, east, north = south, west, north, east
        wide, high = int(said["WIDTH"]), int(said["HEIGHT"])
        unit = 1e-5 if crs == "EPSG:4326" else 1.0
        cols = np.floor((west + (np.arange(wide) + 0.5) * (east - west) / wide) / unit).astype(int)
        rows = np.floor((north - (np.arange(high) + 0.5) * (north - south) / high) / unit).astype(int)
        assert said["LAYERS"] == "ortho" and said["KEY"] == "S3CRET"
        sends(handler, png(ground(rows, cols)))

    odd.answer["/wms"] = answer
    return f"{odd.address}/wms?service=WMS&key=S3CRET&version={version}"


@pytest.mark.parametrize("version", ["1.3.0", "1.1.1"])
def test_a_wms_draws_what_it_is_asked_for_block_by_block(odd, tmp_path, version):
    address = wms(odd, version=version, whose=f"<Attribution><Title>{OWNER}</Title></Attribution>")
    # UTM metres are metres on the ground but for the scale of the zone, 0.9996 at its middle.
    planned, done = fetch(
        address, tmp_path / "out.tif", layer="ortho", crs="EPSG:25832", extent=(500000, 5600000, 501500, 5600800), gsd_m=1.0
    )
    scene = open_scene(tmp_path / "out.tif")
    pixel = scene.geo.transform.a
    assert pixel == pytest.approx(0.9996, abs=1e-4) and planned.offer.attribution == OWNER and done.tiles == 2
    assert scene.shape == (math.ceil(800 / pixel), math.ceil(1500 / pixel)) and (scene.geo.transform.c, scene.geo.transform.f) == (
        500000,
        5600800,
    )
    rows = np.floor(5600800 - (np.arange(scene.height) + 0.5) * pixel).astype(int)
    cols = np.floor(500000 + (np.arange(scene.width) + 0.5) * pixel).astype(int)
    different = (scene.read() != ground(rows, cols)).any(axis=2)
    assert different.mean() < 1e-4  # rounding where a pixel's middle falls on a metre


def test_a_wms_in_degrees_is_told_north_first(odd, tmp_path):
    address = wms(odd)
    planned, _ = fetch(address, tmp_path / "out.tif", layer="ortho", crs="EPSG:4326", bbox=(8.0, 50.0, 8.002, 50.001), gsd_m=0.8)
    scene = open_scene(tmp_path / "out.tif")
    assert planned.offer.attribution == "Exampleton"
    row, col = 40, 70
    x, y = scene.geo.transform * (col + 0.5, row + 0.5)
    expected = ground([math.floor(y / 1e-5)], [math.floor(x / 1e-5)])[0, 0]
    np.testing.assert_array_equal(scene.read()[row, col], expected)
    with pytest.raises(SettingsError, match="no size of pixels. Expected --gsd"):
        read_offer(address, layer="ortho", bbox=(8, 50, 8.1, 50.1))
    odd.gives("/wms", b"<html>Log in</html", kind="text/html")
    with pytest.raises(SceneError, match="sends no list of its layers"):
        read_offer(address, layer="ortho", bbox=(8, 50, 8.1, 50.1), gsd_m=1)


def test_the_verb_says_what_it_becomes_first_and_keys_stand_nowhere(odd, tmp_path, capsys):
    address = tiles(odd)
    box = ",".join(f"{side:.9f}" for side in at_pixels(**PLACE))
    out = tmp_path / "town.tif"
    words = ["fetch", address, str(out), "--bbox", box, "--zoom", str(ZOOM), "--attribution", OWNER]
    assert main([*words, "--plan"]) == 0
    said = capsys.readouterr().out
    assert "420 x 300 pixels of 2.99 m" in said and "6 tiles, about 0.13 MB" in said and OWNER in said and odd.asked == []
    assert not out.exists()
    assert main([*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["file"] == str(out) and (answer["width"], answer["height"], answer["tiles"], answer["missing"]) == (420, 300, 6, 0)
    assert open_scene(out).attribution == OWNER and "S3CRET" not in json.dumps(answer)
    request = registry.complete("fetch", {"source": address, "bbox": [8, 50, 9, 51], "zoom": "3", "out": "x.tif"})
    assert "S3CRET" not in json.dumps(request) and request["source"].endswith(".remote")
    for wrong, words in (
        (
            ["fetch", address, str(tmp_path / "a.png"), "--bbox", box, "--zoom", "3"],
            "a picture called a.png. Expected a name that ends in .tif",
        ),
        (["fetch", str(tmp_path), str(out), "--bbox", box, "--zoom", "3"], "as a map server. Expected an address"),
    ):
        assert main(wrong) == 2
        line = capsys.readouterr().err
        assert words in line and "S3CRET" not in line
    with pytest.raises(SystemExit):
        main(["fetch", address, str(out), "--bbox", "1,2,3"])
    assert "is not WEST,SOUTH,EAST,NORTH" in capsys.readouterr().err
