"""Centre lines in every format, DXF, styles, reports and printed maps."""

from __future__ import annotations

import io
import re
import sqlite3
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.etree import ElementTree as ET

import numpy as np
import pyogrio
import pytest
import shapely
from affine import Affine
from PIL import Image
from pyproj import CRS

from core.classes import DUBAI, ClassScheme
from core.errors import ExportError, SettingsError
from core.geo import GeoRef
from core.model_store.cards import ModelCard
from core.scenes.opening import scene_of_array
from core.vector.editing.applying import apply
from core.vector.editing.log import Corrections
from core.vector.formats import tables, web_map
from core.vector.formats.dxf import colour_number, layer_names
from core.vector.formats.export import export, lines_path, read_content, write_product
from core.vector.formats.products import PRODUCTS, formats, product_of
from core.vector.printing import figure as figure_module
from core.vector.printing import report_map
from core.vector.printing.figure import draw_figure, round_length, round_scale
from core.vector.printing.report import report_html
from core.vector.vectorize import vectorize

UTM = GeoRef(Affine(0.5, 0, 325000, 0, -0.5, 2784000), CRS.from_epsg(32640))
DATELINE = GeoRef(Affine(1e-5, 0, 179.9997, 0, -1e-5, -17), CRS.from_epsg(4326))


def crossroads(geo=UTM):
    """A cross of two roads on land with a pond that has an island."""
    ids = np.ones((60, 80), np.uint8)
    ids[26:34, :] = ids[:, 36:44] = 2
    ids[5:20, 5:25], ids[10:14, 10:16] = 4, 0
    return vectorize(ids, geo=geo, scheme=DUBAI, confidence=np.full(ids.shape, 0.5, np.float32), centre_lines=["Road"])


@pytest.fixture(scope="module")
def roads():
    return crossroads()


@pytest.mark.parametrize("suffix", formats())
@pytest.mark.parametrize("geo", [UTM, GeoRef.pixels(), DATELINE], ids=["utm", "pixels", "antimeridian"])
def test_lines_go_with_the_polygons(geo, suffix, tmp_path):
    if suffix == ".kml" and geo.crs is None:
        return
    result = crossroads(geo)
    assert len(result.lines.frame) == 4
    path = export(result.layer, tmp_path / f"town{suffix}", lines=result.lines)
    if suffix == ".gpkg":
        assert [name for name, _ in pyogrio.list_layers(path)] == ["town", "town_lines", "layer_styles"]
        found = tables.read_ogr(path, layer="town_lines")
    elif suffix == ".html":
        found = web_map.read_web_lines(path)
    else:
        assert lines_path(path).exists()
        found = read_content(lines_path(path))
    assert found.fields["class_name"].tolist() == ["Road"] * 4
    assert {shape.geom_type for shape in found.geometry} <= {"LineString", "MultiLineString"}
    if geo is DATELINE and suffix in (".geojson", ".kml", ".csv"):
        bounds = shapely.total_bounds(found.geometry)
        assert bounds[0] >= -180 and bounds[2] <= 180
    if geo.crs is UTM.crs and suffix in (".gpkg", ".shp.zip", ".parquet", ".fgb", ".dxf", ".csv", ".shp"):
        np.testing.assert_allclose(shapely.length(found.geometry), result.lines.frame.length, rtol=1e-9)


def test_lines_that_differ_fail(roads, tmp_path, monkeypatch):
    def shifted(path):
        found = tables.read_ogr(path, layer="town_lines")
        found.geometry[0] = shapely.transform(found.geometry[0], lambda xy: xy * [1, 1 + 1e-9])
        return found

    monkeypatch.setitem(PRODUCTS, ".gpkg", replace(PRODUCTS[".gpkg"], read_lines=shifted))
    with pytest.raises(ExportError, match="when read again"):
        export(roads.layer, tmp_path / "town.gpkg", lines=roads.lines)
    assert list(tmp_path.iterdir()) == []


def test_the_second_layer_has_its_own_words_and_style(roads, tmp_path):
    path = export(roads.layer, tmp_path / "town.gpkg", lines=roads.lines)
    with sqlite3.connect(path) as database:
        words = dict(database.execute("SELECT table_name, description FROM gpkg_data_columns WHERE column_name IN ('width_m')").fetchall())
        styles = dict(database.execute("SELECT f_table_name, styleQML FROM layer_styles").fetchall())
    database.close()
    assert words == {"town": "short side in metres", "town_lines": "mean width in metres of the area around the line"}
    assert 'type="fill"' in styles["town"] and 'type="line"' in styles["town_lines"]


def test_a_style_lies_beside_the_layer(roads, tmp_path):
    for suffix in (".gpkg", ".geojson", ".fgb"):
        export(roads.layer, tmp_path / f"town{suffix}")
        style = ET.parse(tmp_path / "town.qml").getroot()
        (tmp_path / "town.qml").unlink()
        assert style.find("renderer-v2").get("attr") == "class_name"
        assert [item.get("value") for item in style.iter("category")] == ["Building", "Land", "Road", "Water"]


def test_gdal_reads_the_dxf(roads, tmp_path):
    path = export(roads.layer, tmp_path / "town.dxf")
    pyogrio.set_gdal_config_options({"DXF_CLOSED_LINE_AS_POLYGON": "YES"})
    frame = pyogrio.read_dataframe(path)
    # Rings, not polygons: the pond's hole is one of its own.
    assert len(frame) == shapely.get_num_interior_rings(roads.layer.frame.geometry.to_numpy()).sum() + len(roads.layer.frame)
    assert set(frame["Layer"]) == {"Building", "Land", "Road", "Water"}
    ponds = frame[frame["Layer"] == "Water"].geometry
    # 15 x 20 pixels and the island's 4 x 6 of a quarter of a square metre; simplifying keeps straight sides.
    assert sorted(ponds.area) == pytest.approx([6, 75])


def test_names_and_colours_of_cad_layers():
    assert layer_names(["Gebäude", "Geb.ude", "a" * 40, "a" * 50]) == {
        "Gebäude": "Geb_ude",
        "Geb.ude": "Geb_ude_2",
        "a" * 40: "a" * 31,
        "a" * 50: "a" * 29 + "_2",
    }
    # Red, yellow, green, cyan, blue, magenta, white, a dark grey: as AutoCAD numbers them.
    colours = [(255, 0, 0), (255, 255, 0), (0, 255, 0), (0, 255, 255), (0, 0, 255), (255, 0, 255), (255, 255, 255), (50, 50, 50)]
    assert [colour_number(colour) for colour in colours] == [10, 50, 90, 130, 170, 210, 255, 250]


def test_every_ending_has_its_product(roads, tmp_path):
    scene = scene_of_array(np.full((60, 80, 3), 120, np.uint8), geo=UTM)
    for suffix, product in PRODUCTS.items():
        path = tmp_path / f"town{suffix}"
        features = write_product(roads.layer, path, scene=scene, lines=roads.lines)
        assert path.stat().st_size > 300, product.title
        assert features == (None if suffix in (".qml", ".report.html", ".png", ".pdf") else len(roads.layer.frame))
    assert product_of("A.REPORT.HTML") == ".report.html" and product_of("a.html") == ".html"
    with pytest.raises(SettingsError, match="report.html"):
        product_of("a.tiff")


SCORES = {"iou": 0.7, "precision": 0.8, "recall": 0.9, "f1": 0.85}
CARD = ModelCard(
    "tested",
    "unet",
    DUBAI,
    (1, 2, 3),
    metrics={
        "test": {
            "accuracy": 0.9,
            "mean_iou": 0.75,
            "classes": dict.fromkeys(DUBAI.names, SCORES),
            "confusion": (np.eye(5) * 900_000 + 20_000).astype(int).tolist(),
        }
    },
)


def test_the_report_holds_all_and_asks_for_nothing(roads):
    scene = scene_of_array(np.full((60, 80, 3), 120, np.uint8), geo=UTM)
    text = report_html(roads.layer, title="<Town> & sea", scene=scene, card=CARD, lines=roads.lines)
    assert text.count("M", text.index('id="lines" d="'), text.index('fill="none"')) == len(roads.lines.frame)
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?(?!data:)[^"'\s>]""", text) and "url(" not in text and "@import" not in text
    assert "&lt;Town&gt; &amp; sea" in text and "<Town>" not in text
    for word in (
        "Building",
        "Road",
        "<td>0 %</td>",
        "<td>1 px</td>",
        "planar in EPSG:32640",
        "Olofsson",
        "mean IoU 0.750",
        "data:image/webp;base64,",
    ):
        assert word in text
    for class_id in set(roads.layer.frame.class_id):
        assert f'<g id="class{class_id}">' in text and f'value="class{class_id}"' in text
    assert "not known" in report_html(roads.layer) and "Olofsson" not in report_html(roads.layer)


def test_the_reports_estimates_are_those_of_the_evaluation(roads):
    from core.evaluation.areas import adjusted_areas
    from core.vector.clip import class_sums
    from core.vector.printing.report import PLACE_PX, _adjusted

    sums = class_sums(roads.layer)
    counts = np.array(CARD.metrics["test"]["confusion"])
    mapped = sums.set_index("class_id").area.reindex(range(5), fill_value=0).to_numpy()
    expected = adjusted_areas(counts / PLACE_PX**2, mapped)
    found = _adjusted(roads.layer, sums, counts, CARD)
    assert found["Land"] == (pytest.approx(expected.estimated[1]), pytest.approx(expected.half_width[1]))
    called = replace(roads.layer, scheme=roads.layer.scheme.renamed({"Land": "Sand"}))
    assert _adjusted(called, sums.replace({"Land": "Sand"}), counts, CARD)["Sand"] == found["Land"]
    other = ClassScheme(("Roof",), DUBAI.colours[:1])
    assert _adjusted(vectorize(np.zeros((4, 4), np.uint8), scheme=other).layer, sums.head(0), counts, CARD) == {}


def test_the_reports_map_shows_the_polygons_where_they_are(roads, monkeypatch):
    text = report_html(roads.layer)
    path = re.search(r'<g id="class4"><path d="([^"]+)"', text).group(1)
    rings = [shapely.LinearRing([tuple(map(float, point.split())) for point in ring.split("L")]) for ring in path[1:-1].split("ZM")]
    # The pond from row 5 and column 5 to row 20 and column 25, with its island, in a picture of 80 x 60.
    assert sorted(ring.bounds for ring in rings) == [(5, 5, 25, 20), (10, 10, 16, 14)]
    monkeypatch.setattr(report_map, "MOST_POINTS", 3)
    pictured = report_html(roads.layer)
    assert pictured.count("data:image/png;base64,") == 4 and "too many polygons" in pictured


def test_corrections_and_an_empty_layer_are_reported():
    layer = crossroads().layer
    fresh = apply(layer, Corrections().reclass(1, "Water"))
    assert "polygon 1 to Water" in report_html(fresh)
    empty = vectorize(np.full((4, 4), 255, np.uint8), scheme=DUBAI).layer
    assert "0" in report_html(empty)


@pytest.mark.parametrize("geo", [UTM, GeoRef.pixels(), DATELINE], ids=["utm", "pixels", "antimeridian"])
def test_a_printed_map_shows_scene_and_classes(geo, tmp_path):
    result = crossroads(geo)
    scene = scene_of_array(np.full((60, 80, 3), 200, np.uint8), geo=geo)
    path = draw_figure(result.layer, tmp_path / "map.png", scene=scene, dpi=50, title="Town", lines=result.lines)
    picture = np.asarray(Image.open(path).convert("RGB"))
    assert picture.shape == (round(8.27 * 50), round(11.69 * 50), 3) or abs(picture.shape[1] - 584) <= 1
    # The pond's colour over the scene, 45 % of it: (0.45 * 226 + 0.55 * 200, ...).
    pond = np.array([0.45 * part + 0.55 * 200 for part in DUBAI.colours[4]])
    assert (np.abs(picture - pond).max(-1) < 6).sum() > 300
    assert draw_figure(result.layer, tmp_path / "map.pdf", scene=scene).read_bytes()[:5] == b"%PDF-"


def test_a_base_map_that_does_not_answer_gives_way_to_the_scene(roads, tmp_path, monkeypatch):
    from core.vector.printing import online_base

    monkeypatch.setattr(online_base, "draw_online", lambda axes, base, crs: None)
    scene = scene_of_array(np.full((60, 80, 3), 200, np.uint8), geo=UTM)
    figure = figure_module.compose(roads.layer, title=None, scene=scene, base="osm", attribution="Mine", page="a4", dpi=50)
    words = " ".join(text.get_text() for text in figure.texts)
    assert "OpenStreetMap (online) did not answer" in words and "Mine" in words and len(figure.axes[0].images) == 1
    side = [text.get_text() for text in figure.axes[1].texts]
    # 80 pixels of 0.5 m over about 5.3 inches: 1 : 297 or so; the bar is a round length that fits the panel of 2.65 inches.
    assert "N" in side and any(text.startswith("1 : ") for text in side) and "10" in side
    for bad in ({"path": "a.jpg"}, {"base": "moon"}, {"page": "a9"}, {"dpi": 5}):
        with pytest.raises(SettingsError):
            draw_figure(roads.layer, tmp_path / bad.pop("path", "a.png"), **bad)


class Tiles(BaseHTTPRequestHandler):
    """A tile server of one colour."""

    buffer = io.BytesIO()
    Image.new("RGB", (256, 256), (10, 200, 30)).save(buffer, "PNG")

    def do_HEAD(self):
        self.send_response(200)
        self.end_headers()

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.end_headers()
        self.wfile.write(self.buffer.getvalue())

    def log_message(self, *_):
        pass


def test_an_online_base_map_lies_below_the_polygons(roads, tmp_path, monkeypatch):
    from xyzservices import TileProvider

    from core.vector.printing import online_base

    server = ThreadingHTTPServer(("127.0.0.1", 0), Tiles)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/{{z}}/{{x}}/{{y}}.png"
    source = TileProvider(name="local", url=url, attribution="(C) the test", max_zoom=19)
    monkeypatch.setattr(online_base, "tiles", lambda base: source)
    figure = figure_module.compose(roads.layer, title=None, scene=None, base="osm", attribution=None, page="a4", dpi=50)
    server.shutdown()
    server.server_close()
    assert "(C) the test" in figure.texts[-1].get_text()
    picture = figure.axes[0].images[0].get_array()
    assert tuple(int(part) for part in picture[picture.shape[0] // 2, picture.shape[1] // 2][:3]) == (10, 200, 30)
    assert online_base.draw_online(figure.axes[0], "osm", UTM.crs) is None  # the server is gone


def test_lengths_of_scale_bars_are_round():
    assert [round_length(value) for value in (1, 1.9, 2, 4.9, 7, 10, 0.04)] == [1, 1, 2, 2, 5, 10, pytest.approx(0.02)]


def test_scales_of_printed_maps_are_round_and_true(roads):
    assert [round_scale(value) for value in (100, 101, 126, 999, 1000.0000001, 8001)] == [100, 125, 150, 1000, 1000, 10000]
    figure = figure_module.compose(roads.layer, title=None, scene=None, base="none", attribution=None, page="a4", dpi=50)
    axes, side = figure.axes
    words = next(text.get_text() for text in side.texts if text.get_text().startswith("1 :"))
    scale = float(words.removeprefix("1 : ").removesuffix(" on this page").replace(",", ""))
    inches = axes.get_position().width * figure.get_figwidth()
    metres = axes.get_xlim()[1] - axes.get_xlim()[0]
    assert metres / inches / 0.0254 == pytest.approx(scale) and scale == round_scale(scale)
    told = figure.texts[-1].get_text()
    assert "Extent: x 3" in told and "(EPSG:32640)" in told and "Size: " in told and time.strftime("%B %Y") in told


def test_a_layer_of_very_many_classes_shares_a_grey(tmp_path):
    layer = vectorize(np.arange(1200, dtype=np.uint16).reshape(30, 40), min_area=0, simplify=0).layer
    path = export(layer, tmp_path / "many.gpkg")
    categories = ET.parse(path.with_suffix(".qml")).getroot().findall(".//category")
    assert [item.get("value") for item in categories] == [f"Class {k}" for k in range(1000)] + [""]


def test_a_moved_layer_over_the_antimeridian_is_cut(tmp_path):
    # UTM zone 60 reaches beyond 180 here: 300 m on either side.
    geo = GeoRef(Affine(10, 0, 819_000, 0, -10, 8_120_000), CRS.from_epsg(32760))
    layer = vectorize(np.ones((40, 120), np.uint8), geo=geo, scheme=DUBAI).layer
    assert geo.lonlat(0, 0)[0] > 179 and geo.lonlat(0, 120)[0] < -179
    for suffix in (".gpkg", ".shp", ".csv", ".parquet", ".fgb", ".geojson"):
        found = read_content(export(layer, tmp_path / f"cut{suffix}", crs="EPSG:4326"))
        bounds = shapely.total_bounds(found.geometry)
        assert bounds[0] == pytest.approx(-180) and bounds[2] == pytest.approx(180)
        assert found.geometry[0].geom_type == "MultiPolygon"
    assert read_content(export(layer, tmp_path / "map.html")).geometry[0].bounds[2] > 180
