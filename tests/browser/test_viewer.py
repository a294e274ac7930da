"""The viewer repaints in the browser: toggles, threshold and swipe ask the server for no pixel."""

import numpy as np
import pytest
from PIL import Image

from tests.ui.fakes import predicted

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


def test_class_toggle_and_threshold_need_no_new_tile(page, viewer, picture):
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/groundline/" in request.url else None)
    assert painted(viewer) == 300 * 400
    viewer.get_by_role("button", name="Water").click()
    assert painted(viewer) == 200 * 400  # a hundred rows of water are hidden
    viewer.get_by_role("button", name="Water").click()
    threshold = viewer.get_by_label("Confidence from")
    threshold.evaluate("input => { input.value = 100; input.dispatchEvent(new Event('input')); }")
    page.wait_for_timeout(300)
    picture("viewer-threshold")
    assert painted(viewer) < 300 * 400 / 2  # what is unsure is hatched
    assert asked == []


def test_panes_move_in_step(page, viewer):
    maps = viewer.locator(".map")
    assert maps.count() == 3
    before = [pane.evaluate("node => node.querySelector('.leaflet-tile-container').style.transform") for pane in maps.all()]
    box = maps.first.bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.wheel(0, -600)
    page.wait_for_timeout(600)
    after = [pane.evaluate("node => node.querySelector('.leaflet-tile-container').style.transform") for pane in maps.all()]
    assert after[0] != before[0] and len(set(after)) == 1
    assert "row" in viewer.locator(".readout").inner_text()


def test_swipe_shows_two_panes_on_one_map(page, viewer, picture):
    viewer.get_by_role("button", name="Two panes on top of each other").click()
    viewer.locator(".divider").wait_for()
    assert viewer.locator(".map").count() == 1
    left = viewer.locator(".leaflet-left-pane").evaluate("node => node.style.clip")
    viewer.locator(".divider").press("ArrowRight")
    assert viewer.locator(".leaflet-left-pane").evaluate("node => node.style.clip") != left
    picture("viewer-swipe")
