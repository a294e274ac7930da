"""The map page as an analyst uses it: table and map are linked, regions are summed, links restore the view."""

import contextlib
import io
import os
import re
import shutil
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pyogrio
import pytest
import rasterio
from affine import Affine
from PIL import Image
from pyproj import Transformer

from core.vector.editing.nodes import corners_of
from tests.browser.conftest import becomes, drawn, fetched
from tests.helpers.predicted import predicted
from tools.serving import free_port


@pytest.fixture(scope="module")
def lakes(server, tmp_path_factory):
    """A finished prediction of two lakes in sand, 200 x 240 pixels of 0.5 m: three polygons."""
    image = tmp_path_factory.mktemp("scene") / "lakes.tif"
    picture = np.full((200, 240, 3), (200, 178, 150), np.uint8)
    picture[40:100, 30:110] = picture[120:160, 150:200] = (40, 82, 95)
    place = {"crs": "EPSG:32640", "transform": Affine(0.5, 0, 325000, 0, -0.5, 2786000)}
    with rasterio.open(image, "w", driver="GTiff", height=200, width=240, count=3, dtype="uint8", **place) as out:
        out.write(picture.transpose(2, 0, 1))
    return predicted(image, server.workspace / "predictions" / "lakes", blur_px=1)


@pytest.fixture
def frame(page, server, lakes):
    """The map's frame once its polygons are there."""
    page.goto(f"{server.url}/Map")
    found = page.frame_locator("iframe[title='streamlit_folium.st_folium']")
    found.locator("body[data-polygons='3']").wait_for()
    return found


def test_map_and_table_are_linked_and_a_link_restores_them(page, server, frame, picture):
    frame.get_by_label("Table of polygons").get_by_role("row", name="Water").first.click()
    frame.locator("tr[aria-selected='true']").get_by_text("Water").wait_for()
    frame.get_by_label("Selection and corrections").get_by_text("Polygon 2 · 1,200 m²").wait_for()
    frame.get_by_label("Show Land").uncheck()
    frame.get_by_text("2 of 3").wait_for()
    page.wait_for_url("**polygon=**")
    page.wait_for_url("**hide=1**")
    picture("map-selected")
    again = page.context.new_page()
    again.set_default_timeout(120_000)
    again.goto(page.url)
    restored = again.frame_locator("iframe[title='streamlit_folium.st_folium']")
    restored.get_by_text("2 of 3").wait_for()
    assert restored.locator("tr[aria-selected='true']").inner_text() == frame.locator("tr[aria-selected='true']").inner_text()
    assert server.refused == []


def test_bars_filter_and_the_map_is_as_high_as_the_window(page, frame, picture):
    frame.get_by_role("button", name="Histogram").click()
    # Of 500, 1,200 and 10,300 m2; the first bar begins with the smallest.
    bars = frame.get_by_role("group", name="Area: number of polygons").get_by_role("button")
    assert bars.first.get_attribute("title").startswith("Area 500 m² to ") and bars.first.get_attribute("title").endswith(": 1 polygon")
    ends = frame.locator(".gl-histograms .ends").first
    assert ends.locator("span").all_inner_texts() == ["500 m²", "1.03 ha, logarithmic"]
    bars.first.click()
    frame.get_by_text("1 of 3").wait_for()
    assert frame.get_by_label("Area, m², from").input_value() == "500"
    # Columns are chosen, sorted by, and there again in another tab.
    frame.get_by_role("button", name="Columns").click()
    frame.get_by_label("Columns of the table").get_by_label("Perimeter").check()
    frame.get_by_label("Columns of the table").get_by_label("Confidence").uncheck()
    frame.get_by_role("button", name="Sort by Perimeter").or_(frame.get_by_role("button", name="Perimeter, m")).first.click()
    heads = frame.locator(".gl-rows th")
    assert [head.split(",")[0] for head in heads.all_inner_texts()] == ["Id", "Class", "Area", "Perimeter"]
    # The smaller lake is 50 x 40 px of 0.5 m: 2 (25 + 20) m.
    assert frame.locator("tr[data-id] td").last.inner_text() == "90"
    again = page.context.new_page()
    again.goto(page.url)
    other = again.frame_locator("iframe[title='streamlit_folium.st_folium']")
    other.locator("tr[data-id]").first.wait_for()
    assert [head.split(",")[0] for head in other.locator(".gl-rows th").all_inner_texts()] == ["Id", "Class", "Area", "Perimeter"]
    again.close()
    frame.get_by_role("button", name="Automatic").click()
    assert [head.split(",")[0].split(" ")[0] for head in heads.all_inner_texts()] == ["Id", "Class", "Area", "Confidence"]
    frame.get_by_role("group", name="Confidence: number of polygons").get_by_role("button").first.wait_for()
    frame.get_by_label("Find id").fill("77")
    frame.get_by_text("No polygon has an id that begins with 77.").wait_for()
    picture("map-histogram")
    frame.get_by_role("button", name="Reset").click()
    frame.get_by_text("3 polygons").first.wait_for()
    page.set_viewport_size({"width": 1440, "height": 1300})
    becomes(lambda: round(frame.locator("#parent .leaflet-container").first.bounding_box()["height"]), lambda height: height == 1000)
    picture("map-high")


def test_colours_change_without_a_jump_and_files_are_named_by_scene_part_and_day(page, server, frame):
    swatch = frame.locator("tr", has_text="Water").locator("i").first
    colour = "node => getComputedStyle(node).backgroundColor"
    assert swatch.evaluate(colour) == "rgb(33, 114, 191)"  # blue, as it comes; the masks have mustard
    frame.locator("body").evaluate("body => { body.dataset.kept = 'yes'; }")
    below = page.get_by_role("button", name="Own layers")
    below.scroll_into_view_if_needed()
    place = below.bounding_box()["y"]
    frame.get_by_label("Colours of the classes").select_option("masks")
    becomes(lambda: swatch.evaluate(colour), lambda now: now == "rgb(226, 169, 41)")
    drawn(page)
    assert frame.locator("body").get_attribute("data-kept") == "yes" and below.bounding_box()["y"] == pytest.approx(place, abs=1)
    frame.get_by_label("Show Land").uncheck()
    page.get_by_text("3 polygons of 3 go into the files. The map's filter is left aside here").wait_for()
    page.locator(".st-key-map_part_all_filter").get_by_text("What the filter leaves").click()
    page.get_by_text("2 polygons of 3 go into the files").wait_for()
    drawn(page)
    got = fetched(page, page.locator(".st-key-map_download_csv button").first)
    assert got.suggested_filename == f"lakes-nearest-colour_filtered_{time.strftime('%Y-%m-%d')}.csv"
    assert Path(got.path()).read_text(encoding="utf-8").count("Water") == 2
    frame.get_by_label("Colour of Water").evaluate("input => { input.value = '#ff00aa'; input.dispatchEvent(new Event('change')); }")
    becomes(lambda: swatch.evaluate(colour), lambda now: now == "rgb(255, 0, 170)")
    frame.get_by_role("button", name="Take own colours back").click()
    becomes(lambda: swatch.evaluate(colour), lambda now: now == "rgb(226, 169, 41)")
    # What is remembered is so for the tests below, too.
    frame.get_by_label("Colours of the classes").select_option("natural")
    becomes(lambda: swatch.evaluate(colour), lambda now: now == "rgb(33, 114, 191)")


def test_classes_are_renamed_and_ordered_in_the_legend(page, frame, picture):
    def names():
        return frame.locator(".gl-legend tr .name").all_inner_texts()

    legend = frame.get_by_label("Legend")
    legend.locator("tr", has_text="Water").hover()
    legend.get_by_role("button", name="Name and place of Water").click()
    field = legend.get_by_label("Name of Water")
    field.fill("LAND")
    field.press("Enter")
    legend.get_by_text("another class is called").wait_for()
    assert field.input_value() == "LAND" and "Water" in frame.get_by_label("Table of polygons").inner_text()
    picture("map-legend-name")
    field.fill("Lake")
    field.press("Enter")
    legend.get_by_text("Lake").wait_for()
    frame.get_by_label("Table of polygons").get_by_role("row", name="Lake").first.wait_for()
    legend.get_by_role("button", name="Name and place of Lake").click()
    legend.get_by_role("button", name="Lake further up").click()
    legend.get_by_role("button", name="Done").click()
    becomes(names, lambda now: now == ["Lake", "Land"])
    page.reload()
    frame.get_by_label("Show Lake").wait_for()
    becomes(names, lambda now: now == ["Lake", "Land"])
    page.locator("[data-testid='stDataFrame']").first.wait_for()
    legend.get_by_role("button", name="Back to the model's names").click()
    becomes(names, lambda now: now == ["Land", "Water"])


@pytest.fixture
def map_server():
    """A map server on another port of this machine: its address, and what it was asked for."""
    asked, picture = [], io.BytesIO()
    Image.new("RGB", (256, 256), (255, 0, 170)).save(picture, "PNG")

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append({key: value for key, (value,) in parse_qs(urlsplit(self.path).query).items()})
            self.send_response(200)
            self.send_header("Content-Type", "image/png")
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # the map was moved meanwhile
                self.wfile.write(picture.getvalue())

        def log_message(self, *_):
            """Nothing: the tests say what they saw."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/wms", asked
        server.shutdown()


def test_layers_of_map_servers_are_drawn_remembered_and_told_when_no_picture_comes(page, frame, map_server, picture):
    address, asked = map_server
    page.get_by_role("button", name="Online layers").click()
    form = page.locator("[data-testid='stPopoverBody']")

    def add(kind, example, typed, name, where, **fields):
        form.get_by_text(kind, exact=True).click()
        form.get_by_placeholder(example).fill(typed)
        for label, value in {"Name": name, **fields}.items():
            form.get_by_role("textbox", name=label, exact=True).fill(value)
        form.get_by_text(where).click()
        form.get_by_role("button", name="Add it").click()
        form.get_by_text(name, exact=True).wait_for()
        # The frame whose headers let the server in takes the place of the one before at the end of the page's run.
        becomes(page.locator("iframe[title='streamlit_folium.st_folium']").count, lambda count: count == 1)

    assert asked == []
    add("WMS", "https://maps.example.org/wms", address, "City map", "Below everything", Layers="streets")
    pink = frame.locator(f".leaflet-tile-pane img[src^='{address}']").first
    pink.wait_for()
    becomes(lambda: pink.evaluate("node => node.naturalWidth"), lambda width: width == 256)
    assert {"SERVICE": "WMS", "REQUEST": "GetMap", "LAYERS": "streets", "CRS": "EPSG:3857", "VERSION": "1.3.0"}.items() <= asked[0].items()
    x, y = Transformer.from_crs(32640, 3857, always_xy=True).transform(325060, 2785950)  # the middle of the scene
    boxes = [tuple(map(float, one["BBOX"].split(","))) for one in asked]
    assert any(west < x < east and south < y < north for west, south, east, north in boxes)
    add("Tiles (XYZ)", "{z}", f"http://127.0.0.1:{free_port()}/{{z}}/{{x}}/{{-y}}.png", "Parcels", "Over the polygons")
    page.keyboard.press("Escape")
    frame.locator(".leaflet-control-layers-overlays").get_by_text("Parcels (no picture came)").wait_for(state="attached")
    frame.locator(".leaflet-control-layers").hover()
    assert frame.locator(".leaflet-control-layers-base label", has_text="City map").locator("input").is_checked()
    picture("map-online")
    page.reload()  # both are there again, and what was switched on in this tab is so
    frame.locator("body[data-polygons='3']").wait_for()
    pink.wait_for()
    page.get_by_role("button", name="Online layers · 2").click()
    for left in ("Online layers · 1", "Online layers"):  # the next button is another one, once this one is gone
        drawn(page)
        form.get_by_role("button", name="Remove").first.click()
        page.get_by_role("button", name=left, exact=True).wait_for()
        becomes(page.locator("iframe[title='streamlit_folium.st_folium']").count, lambda count: count == 1)
    pink.wait_for(state="detached")


def test_a_region_is_summed_a_distance_measured_and_the_picture_swiped(page, server, frame, picture):
    frame.get_by_role("button", name="Draw a rectangle").click()
    box = page.locator("iframe[title='streamlit_folium.st_folium']").bounding_box()
    page.mouse.click(box["x"] + 60, box["y"] + 10)
    page.mouse.click(box["x"] + 300, box["y"] + 590)
    page.get_by_text("inside the region").first.wait_for()
    frame.get_by_label("Legend").get_by_text("In the region: ").wait_for()
    frame.get_by_role("button", name="Measure a distance").click()
    page.mouse.click(box["x"] + 100, box["y"] + 300)
    page.mouse.click(box["x"] + 200, box["y"] + 300)
    page.keyboard.press("Enter")
    assert float(frame.locator(".gl-measure").last.inner_text().removesuffix(" m")) == pytest.approx(20, abs=15)
    drawn(page)
    frame.get_by_role("button", name="Remove region and measurements").click()
    page.get_by_text("Draw a rectangle or polygon").wait_for()

    frame.get_by_role("button", name="Swipe between").click()
    divider = frame.get_by_role("slider", name="Divider")
    divider.press("ArrowRight")
    assert divider.get_attribute("aria-valuenow") == "52"
    picture("map-swipe")
    assert server.refused == []


def test_two_maps_are_compared_by_a_divider_and_in_turn(page, server, frame, lakes, picture):
    later = server.workspace / "predictions" / "later"
    shutil.copytree(lakes, later)
    os.utime(later, (1, 1))  # the older one is compared with
    page.reload()

    def compare(with_: int) -> None:
        page.locator("[class*=st-key-map_compare]").get_by_role("combobox").click()
        page.get_by_role("option").nth(with_).click()
        page.get_by_text("Largest changes").wait_for(state="visible" if with_ else "hidden")
        drawn(page)
        becomes(page.locator("iframe[title='streamlit_folium.st_folium']").count, lambda count: count == 1)

    compare(1)
    both = page.frame_locator("iframe[title='streamlit_folium.st_folium']")
    # Both maps are seen whole without scrolling.
    becomes(lambda: both.locator("#map_twin").bounding_box(), lambda box: box["y"] + box["height"] < 900)
    both.get_by_role("button", name="Flicker").click()
    second = both.locator("#map_twin")
    becomes(second.is_visible, lambda seen: not seen)
    hold = both.get_by_role("button", name="Hold for the second")
    for begin, end in ((page.mouse.down, page.mouse.up), (lambda: page.keyboard.down("b"), lambda: page.keyboard.up("b"))):
        hold.hover()
        begin()
        becomes(second.is_visible, bool)
        picture("map-flicker")
        end()
        becomes(second.is_visible, lambda seen: not seen)
    both.get_by_label("Seconds for each map").select_option("0.5")
    both.get_by_label("Automatic").check()
    for wanted in (True, False, True):
        becomes(second.is_visible, lambda seen, wanted=wanted: seen is wanted)
    page.emulate_media(reduced_motion="reduce")
    becomes(both.get_by_label("Automatic").is_disabled, bool)
    page.wait_for_timeout(700)
    assert not second.is_visible()
    both.get_by_role("button", name="Swipe").click()
    divider = both.get_by_role("slider", name="Divider between both maps")
    divider.press("ArrowRight")
    assert divider.get_attribute("aria-valuenow") == "52"
    on_top = """(map, share) => { const { x, width } = map.getBoundingClientRect();
      return map.contains(document.elementFromPoint(x + share * width, 300)); }"""
    assert [second.evaluate(on_top, share) for share in (0.3, 0.5, 0.54, 0.9)] == [False, False, True, True]
    first, over = (both.locator(one).bounding_box() for one in (".gl-maps > .cell:first-child", "#map_twin"))
    assert first == over  # at the same place
    picture("map-compare-swipe")
    # The way is remembered for other pairs.
    compare(0)
    both.get_by_role("button", name="Undo").wait_for()
    compare(1)
    both.locator("body[data-seen='swipe']").wait_for()
    both.get_by_role("button", name="Side by side").click()
    becomes(lambda: second.bounding_box()["x"] > first["x"] + first["width"] / 3, bool)
    shutil.rmtree(later)


@pytest.fixture
def corrects(page, frame):
    """`corrects(how, "said")`: does it, and waits until the map has been told so and shows another layer."""

    def correct(how, said):
        before = shown(frame, "features")
        how()
        becomes(lambda: shown(frame, "features"), lambda now: now != before)
        frame.get_by_role("status").get_by_text(said, exact=True).wait_for()
        return shown(frame, "features")

    return correct


def shown(frame, name):
    """What the map says of itself: `features` (the layer that it shows), `picked` (ids), `outlines` (the tool that is ready)."""
    return frame.locator("body").get_attribute(f"data-{name}")


def tool(frame, title, name):
    """Press a tool that works on outlines, and wait until it is ready."""
    frame.get_by_role("button", name=title).click()
    frame.locator(f"body[data-outlines='{name}']").wait_for()


def middle(place):
    box = place.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page, start, end):
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=4)
    page.mouse.up()


def exported(page, folder):
    """The layer's file as it is downloaded now, by id."""
    drawn(page)
    fetched(page, page.get_by_role("button", name="GeoPackage", exact=True)).save_as(folder / "lakes.gpkg")
    name = next(name for name, geometry in pyogrio.list_layers(folder / "lakes.gpkg") if geometry is not None)
    return pyogrio.read_dataframe(folder / "lakes.gpkg", layer=name).set_index("id")


def test_polygons_are_corrected_on_the_map_and_all_of_it_is_undone(page, server, frame, corrects, picture, tmp_path):
    traced, original = exported(page, tmp_path), shown(frame, "features")
    page.locator("[data-testid='stMain']").evaluate("main => { main.scrollTop = 30; }")
    frame.locator("tr[data-id='2']").click()
    page.wait_for_url("**at=**polygon=2**")
    page.wait_for_timeout(1000)  # until the map has arrived there
    where = page.url
    corners = frame.locator(".marker-icon:not(.marker-icon-middle)")

    # A corner that was dragged, and left: nothing happens.
    tool(frame, "Move, add and remove corners", "vertices")
    places = [middle(corners.nth(k)) for k in range(4)]
    (x, y), (far_x, far_y) = np.min(places, axis=0), np.max(places, axis=0)
    drag(page, (x, y), (x - 20, y - 10))
    page.keyboard.press("Escape")
    corners.first.wait_for(state="detached")
    assert shown(frame, "features") == original and frame.get_by_role("button", name="Undo").is_disabled()

    # A corner that was clicked is removed by a key, and a button is there for it too.
    tool(frame, "Move, add and remove corners", "vertices")
    page.mouse.click(x, y)
    frame.get_by_role("button", name="Remove corner", exact=True).and_(frame.locator(":enabled")).wait_for()
    page.keyboard.press("Delete")
    becomes(corners.count, lambda count: count == 3)
    page.keyboard.press("Escape")
    corners.first.wait_for(state="detached")

    # And kept: it is another point in the file, while all others are the same to the last digit.
    tool(frame, "Move, add and remove corners", "vertices")
    drag(page, (x, y), (x - 20, y - 10))
    picture("map-corner-dragged")
    corrects(lambda: page.keyboard.press("Enter"), "Polygon 2 reshaped.")
    fresh = exported(page, tmp_path)
    page.locator("[data-testid='stMain']").evaluate("main => { main.scrollTop = 30; }")  # the download was below
    for polygon in (1, 2):
        before, after = corners_of([traced.geometry[polygon]]), corners_of([fresh.geometry[polygon]])
        assert len(before - after) == len(after - before) == 1
    assert fresh.geometry[3].equals_exact(traced.geometry[3], 0)

    # Cut in two, a piece cut out of one of them, all of them selected by a box, merged, and changed at once.
    tool(frame, "Cut the selected polygon along a line", "cut")
    page.mouse.click(x - 60, (y + far_y) / 2)
    page.mouse.dblclick(far_x + 30, (y + far_y) / 2)
    becomes(lambda: shown(frame, "polygons"), lambda count: count == "4")
    frame.get_by_role("button", name="Select polygons in a box").click()
    drag(page, (x - 60, y - 40), (far_x + 30, far_y + 30))
    becomes(lambda: shown(frame, "picked"), lambda ids: set(ids.split(",")) == {"2", "4"})
    frame.get_by_text("2 polygons ·").wait_for()
    assert re.search(r"^[\d,]+ m² to [\d,]+ m², mean [\d,]+ m²; mean confidence [01]\.\d\d$", frame.locator(".spread").inner_text())
    picture("map-many-selected")
    frame.get_by_label("Class for the selection").select_option("Road")
    corrects(lambda: frame.get_by_role("button", name="Change class").click(), "2 polygons to Road.")
    assert shown(frame, "fetched") == "2"  # of four: what a correction leaves alone is not sent again
    corrects(lambda: frame.get_by_role("button", name="Merge").click(), "2 polygons merged.")
    assert shown(frame, "polygons") == "3" and frame.locator("tr[aria-selected='true']").inner_text().split()[:2] == ["2", "Road"]

    # A piece is cut out of its middle, and is taken back by the keyboard with all before it, faster than it is answered.
    tool(frame, "Cut a piece out of the selected polygon", "piece")
    for across, down in ((0.4, 0.4), (0.6, 0.4), (0.6, 0.6), (0.4, 0.6)):
        page.mouse.click(x + across * (far_x - x), y + down * (far_y - y))
    corrects(lambda: page.keyboard.press("Enter"), "Polygon 2 split.")
    assert shown(frame, "polygons") == "4"
    frame.get_by_role("application").focus()
    for _ in range(5):
        page.keyboard.press("Control+z")
    becomes(lambda: shown(frame, "features"), lambda now: now == original)
    assert frame.get_by_role("button", name="Undo").is_disabled() and frame.get_by_role("button", name="Redo").is_enabled()
    frame.locator("tr[data-id='3']").click(modifiers=["Shift"])
    becomes(lambda: shown(frame, "picked"), lambda ids: ids == "2,3")
    frame.get_by_role("application").press("Escape")
    frame.get_by_text("Nothing selected").wait_for()
    assert page.locator("[data-testid='stMain']").evaluate("main => main.scrollTop") == 30
    assert re.findall("at=[^&]+", page.url) == re.findall("at=[^&]+", where)  # the map was neither moved nor built anew
    assert server.refused == []
