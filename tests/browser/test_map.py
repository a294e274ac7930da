"""The map page as an analyst uses it: table and map are linked, regions are summed, links restore the view."""

import numpy as np
import pytest
import rasterio
from affine import Affine

from tests.helpers.predicted import predicted


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
    page.get_by_text("Class of polygon").first.wait_for()  # Streamlit knows what is selected
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


def test_a_region_is_summed_a_distance_measured_and_the_picture_swiped(page, server, frame, picture):
    frame.get_by_role("button", name="Draw a rectangle").click()
    box = page.locator("iframe[title='streamlit_folium.st_folium']").bounding_box()
    page.mouse.click(box["x"] + 60, box["y"] + 10)
    page.mouse.click(box["x"] + 300, box["y"] + 590)
    page.get_by_text("inside the region").first.wait_for()
    frame.get_by_role("button", name="Measure a distance").click()
    page.mouse.click(box["x"] + 100, box["y"] + 300)
    page.mouse.click(box["x"] + 200, box["y"] + 300)
    page.keyboard.press("Enter")
    assert float(frame.locator(".gl-measure").last.inner_text().removesuffix(" m")) == pytest.approx(20, abs=15)
    frame.get_by_role("button", name="Remove region and measurements").click()
    page.get_by_text("Draw a rectangle or polygon").wait_for()

    frame.get_by_role("button", name="Swipe between").click()
    divider = frame.get_by_role("slider", name="Divider")
    divider.press("ArrowRight")
    assert divider.get_attribute("aria-valuenow") == "52"
    picture("map-swipe")
    assert server.refused == []
