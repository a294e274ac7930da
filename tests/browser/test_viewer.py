"""The viewer repaints in the browser: toggles, threshold and swipe ask the server for no pixel."""

import numpy as np
import pytest
from PIL import Image

from tests.browser.conftest import becomes, drawn
from tests.helpers.predicted import predicted

ALPHA = """canvas => { const all = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let seen = 0; for (let i = 3; i < all.length; i += 4) if (all[i]) seen += 1; return seen; }"""


@pytest.fixture(scope="module")
def lake(server, tmp_path_factory):
    """A finished prediction of a lake, 400 x 300 pixels, a third of it water."""
    image = tmp_path_factory.mktemp("scene") / "lake.png"
    picture = np.full((300, 400, 3), (200, 178, 150), np.uint8)
    picture[100:200] = (40, 82, 95)
    Image.fromarray(picture).save(image)
    return predicted(image, server.workspace / "predictions" / "lake", blur_px=1)


@pytest.fixture
def viewer(page, server, lake):
    """The viewer of the Predict page with that prediction."""
    page.goto(f"{server.url}/Predict")
    found = page.locator(".gl-viewer")
    found.locator("canvas.leaflet-tile-loaded").first.wait_for()
    return found


def painted(viewer) -> int:
    """Pixels that are painted in the first pane of codes."""
    return viewer.locator("canvas.leaflet-tile-loaded").first.evaluate(ALPHA)


def places(maps) -> list[str]:
    """Where the tiles of each pane are drawn."""
    return [pane.evaluate("node => node.querySelector('.leaflet-tile-container').style.transform") for pane in maps.all()]


def test_class_toggle_and_threshold_need_no_new_tile_and_unsure_pixels_may_take_their_neighbours_class(page, viewer, picture):
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/groundline/" in request.url else None)
    becomes(lambda: painted(viewer), lambda count: count == 300 * 400)
    viewer.get_by_role("button", name="Water").click()
    becomes(lambda: painted(viewer), lambda count: count == 200 * 400)  # a hundred rows of water are hidden
    viewer.get_by_role("button", name="Water").click()
    threshold = viewer.get_by_label("Confidence from")
    threshold.evaluate("input => { input.value = 100; input.dispatchEvent(new Event('input')); }")
    becomes(lambda: painted(viewer), lambda count: count < 300 * 400 / 2)  # what is unsure is hatched
    picture("viewer-threshold")
    assert asked == []

    threshold.evaluate("input => { input.value = 0; input.dispatchEvent(new Event('input')); }")
    becomes(lambda: painted(viewer), lambda count: count == 300 * 400)
    threshold.evaluate("input => { input.value = 60; input.dispatchEvent(new Event('input')); }")
    hatched = becomes(lambda: painted(viewer), lambda count: count < 300 * 400)
    viewer.get_by_label("What becomes of unsure pixels").select_option("neighbour")
    becomes(lambda: painted(viewer), lambda count: hatched < count <= 300 * 400)


def test_the_readout_tells_all_probabilities_and_panes_move_in_step(page, viewer, picture):
    box = viewer.locator(".map").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    viewer.locator(".readout .likely").first.wait_for()
    told = viewer.locator(".readout").inner_text()
    assert "prediction: Water (confidence" in told
    assert all(name in told for name in ("Building", "Land", "Road", "Vegetation", "margin"))
    picture("viewer-readout")

    maps = viewer.locator(".map")
    assert maps.count() == 3
    before = places(maps)
    box = maps.first.bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.wheel(0, -600)
    becomes(lambda: places(maps), lambda after: after[0] != before[0] and len(set(after)) == 1)
    assert "Row" in viewer.locator(".readout").inner_text()


def test_swipe_shows_two_panes_on_one_map(page, viewer, picture):
    viewer.get_by_role("button", name="Two panes on top of each other").click()
    viewer.locator(".divider").wait_for()
    assert viewer.locator(".map").count() == 1
    left = viewer.locator(".leaflet-left-pane").evaluate("node => node.style.clip")
    viewer.locator(".divider").press("ArrowRight")
    assert viewer.locator(".leaflet-left-pane").evaluate("node => node.style.clip") != left
    picture("viewer-swipe")


def test_panes_close_and_open_and_the_safe_palette_repaints_what_is_shown(page, viewer):
    viewer.get_by_role("button", name="Close the pane Confidence").click()
    assert viewer.locator("figcaption").all_inner_texts()[-1].startswith("Prediction")
    assert viewer.locator(".map").count() == 2
    viewer.get_by_role("button", name="Open the pane Confidence").click()
    assert viewer.locator(".map").count() == 3

    viewer.get_by_role("button", name="Close the pane Image").click()
    colour = """canvas => { const at = canvas.getContext('2d').getImageData(200, 150, 1, 1).data; return [...at]; }"""
    becomes(lambda: painted(viewer), lambda count: count == 300 * 400)
    first = viewer.locator("canvas.leaflet-tile-loaded").first
    before = first.evaluate(colour)
    page.locator(".st-key-predict_colours").get_by_text("Colour-blind safe").click()
    becomes(lambda: first.evaluate(colour), lambda now: now != before)
    assert viewer.get_by_role("button", name="Open the pane Image").is_visible()


def test_a_region_is_drawn_and_its_numbers_follow(page, viewer, server, lake, picture):
    page.get_by_text("Predict another scene").click()
    page.locator(".st-key-predict_source").get_by_text("File or folder").click()
    path = page.get_by_label("Path", exact=True)
    path.fill(str(lake.parents[0] / "region.png"))
    Image.fromarray(np.full((300, 400, 3), 150, np.uint8)).save(lake.parents[0] / "region.png")
    path.press("Enter")
    page.get_by_text("400 × 300 px").first.wait_for()
    page.get_by_text("Only a region").click()
    drawing = page.locator(".st-key-predict_region_viewer .gl-viewer")
    drawing.locator("img.leaflet-tile-loaded").first.wait_for()
    draw = drawing.get_by_role("button", name="Drag over the image")
    draw.click()
    drawing.evaluate("host => { host.viewer.drawBar(); host.viewer.drawMaps(); }")  # as for another scene or layout
    assert draw.get_attribute("aria-pressed") == "true"
    drawing.locator("img.leaflet-tile-loaded").first.wait_for()
    drawn(page)  # what stood below may have made the page shorter, and moved the map
    box = drawing.locator(".map").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(middle[0] - 40, middle[1] - 30)
    page.mouse.down()
    page.mouse.move(middle[0] + 40, middle[1] + 30, steps=4)
    page.mouse.up()
    page.get_by_role("button", name="Predict the region").wait_for()
    height, width = (int(page.get_by_label(name, exact=True).input_value()) for name in ("Height, px", "Width, px"))
    row, column = (int(page.get_by_label(name, exact=True).input_value()) for name in ("First row", "First column"))
    assert abs(row + height / 2 - 150) <= 2 and abs(column + width / 2 - 200) <= 2
    assert height / width == pytest.approx(60 / 80, abs=0.03)
    picture("predict-region")
